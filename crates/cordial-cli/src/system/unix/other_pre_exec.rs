//! Children that are stopped before `exec` are continued only on Linux, where `/proc` lists them.

use rustix::process::Pid;

/// Does nothing.
pub(super) fn continue_stopped_children(_: impl Fn(Pid) -> bool) {}

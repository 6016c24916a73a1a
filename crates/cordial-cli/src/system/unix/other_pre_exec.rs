//! Elsewhere nobody tells which children there are.

use rustix::process::Pid;

/// Lets nobody go on.
pub(super) fn let_go_on(_: impl Fn(Pid) -> bool) {}

//! What differs between the operating systems on which workers run.

use rustix::event::Timespec;

/// The pause before a state is read again. The operating system does not report when such a state changes.
pub(crate) const PAUSE: Timespec = Timespec { tv_sec: 0, tv_nsec: 1_000_000 };

#[cfg_attr(target_os = "linux", path = "linux.rs")]
#[cfg_attr(target_os = "macos", path = "macos.rs")]
mod system;

pub(crate) use system::{
    MISSING_OPTION, NO_SIGNAL, exit_descriptor, is_exiting, send_signal, set_parent_death_signal, wait_id,
};
#[cfg(target_os = "linux")]
pub(crate) use system::{proc_is_own, stat_column};

//! What differs between the operating systems that have workers.

use rustix::event::Timespec;

/// The pause between two reads of a state whose changes the system does not report.
pub(crate) const PAUSE: Timespec = Timespec { tv_sec: 0, tv_nsec: 1_000_000 };

#[cfg_attr(target_os = "linux", path = "linux.rs")]
#[cfg_attr(target_os = "macos", path = "macos.rs")]
mod system;

pub(crate) use system::{
    MISSING_OPTION, NO_SIGNAL, exit_descriptor, is_exiting, send_signal, set_parent_death_signal, wait_id,
};
#[cfg(target_os = "linux")]
pub(crate) use system::{proc_is_own, stat_column};

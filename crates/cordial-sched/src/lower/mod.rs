//! Running a thread that computes for long after the others, where the system lets another thread decide that.

#[cfg_attr(target_os = "linux", path = "linux.rs")]
#[cfg_attr(not(target_os = "linux"), path = "other.rs")]
mod system;

pub(crate) use system::{CpuTime, lower, thread_id};

//! Running a program: the public [`Runtime`], the root process, and the signals of the operating system.

mod os_signals;
mod root;
mod runtime;
#[cfg(unix)]
mod snapshot_signal;

pub use root::{main, run};
pub use runtime::Runtime;
#[cfg(unix)]
pub use snapshot_signal::snapshot_on_sigusr1;

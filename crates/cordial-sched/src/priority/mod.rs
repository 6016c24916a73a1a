//! The operating system's scheduling priority of single threads, where a program may change it (Linux).
//!
//! A blocked worker thread that computes is *deprioritized* if more such threads compute than there are processors: it
//! then gets less processor time, and other threads wait less for it.
//!
//! A tokio I/O thread that wakes up to handle an event normally preempts the thread that caused the event. Under load
//! that is two context switches for a few microseconds of work, once for each event. I/O threads therefore *disable
//! wake-up preemption*: while the processor is busy they wait for their time slice and then find many events at once.
//! They run at once on an idle processor. A program that was started with another policy than the normal one (`chrt`) keeps
//! it for all of its threads.

#[cfg_attr(target_os = "linux", path = "linux.rs")]
#[cfg_attr(not(target_os = "linux"), path = "other.rs")]
mod system;

pub(crate) use system::{OsThread, disable_wakeup_preemption};

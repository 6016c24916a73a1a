//! Runtimes, real and simulated, and the program around them: one file per behavior, through the public interface.
#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

#[macro_use]
#[path = "../harness/mod.rs"]
mod harness;

mod await_limit;
mod blocking;
mod build_and_shutdown;
mod checkpoint;
mod dropped_runtimes;
mod ending_threads;
#[cfg(unix)]
mod fork;
#[cfg(target_os = "linux")]
mod idle;
mod large_futures;
mod long_polls;
mod main_and_run;
#[cfg(target_os = "linux")]
mod overload;
mod paused_clock;
#[cfg(target_os = "linux")]
mod shortages;
mod shutdown_requests;
mod signals;
mod simulation;
mod snapshot_display;
mod stale_wakers;
mod statistics;
mod stubborn_processes;
mod stuck_io_threads;
#[cfg(target_os = "linux")]
mod system_limits;
#[cfg(target_os = "linux")]
mod thread_limits;
mod tokio_interop;

//! Tasks that cannot leak: parallel work that is tied to whoever needs it, with the semantics of Elixir's `Task`.
//!
//! ```
//! use cordial::{Exit, Task};
//!
//! fn main() -> Result<(), Exit> {
//!     cordial::run(async {
//!         let report = Task::spawn(async { (1..=6).product::<u64>() }); // runs in parallel from here
//!         let lucky = Task::spawn(async { "7".parse::<u64>().expect("a number") });
//!         println!("{} and {}", report.await?, lucky.await?);
//!
//!         let broken = Task::spawn(async { "x".parse::<u64>().expect("a number") });
//!         println!("{}", broken.await.unwrap_err()); // a value: what, where, and where it was spawned
//!         Ok(())
//!     })?
//! }
//! ```
//!
//! The one idea to learn: a [`Task`] is a handle that owns. Await it and it gives the value, or the [`Exit`] that says
//! why there is none. Drop it, and the task is asked to shut down; so what a function started ends with the function.
//! [`Task::start`] is for what shall run on alone.
//!
//! ```text
//!  Task, await, shutdown                     task
//!  Task::async_stream                        stream      a list of any length, bounded, failures beside successes
//!  process::{link, monitor, trap_exits}      process     what tasks are made of
//!  testing::run                              testing     virtual time, seeded order
//! ```
//!
//! Everything of tokio (timers, sockets, child processes) works inside tasks, and tasks work inside `#[tokio::main]`.

mod error;
mod exit;
mod pid;
pub mod process;
mod stream;
mod task;
mod telemetry;
pub mod testing;
mod unwind;

pub use error::BuildError;
pub use exit::{Exit, Location, PanicReport, Refusal, TimedOut};
pub use pid::Pid;
pub use process::{
    Runtime, Shutdown, Snapshot, StopReport, checkpoint, exit_self as exit, is_shutdown_requested, main, run,
    shutdown_requested,
};
pub use stream::{AsyncStream, Progress, StreamTimeout};
pub use task::{AwaitMany, OnTimeout, Task, Timeout, YieldMany};

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
//! why there is none. Drop it, and the task is asked to shut down: it ends at its next await, unless it has asked to be
//! told (see [`shutdown_requested`]) and ends itself. [`Task::start`] is for what shall run on alone.
//!
//! | for | look at |
//! |---|---|
//! | one task | [`Task`] |
//! | a list of any length, bounded, failures beside successes | [`Task::async_stream`] |
//! | a program that ends in order on Ctrl-C | [`main`], [`run`], [`shutdown_requested`] |
//! | links, monitors, labels, what tasks are made of | [`process`] |
//! | tests with virtual time | [`testing`] |
//!
//! Everything of tokio (timers, sockets, child processes) works inside tasks, and tasks work inside `#[tokio::main]`.
//! A poll here has no budget like tokio's: a socket that is always ready keeps its task in one poll, and only an await
//! that waits, or [`tokio::task::yield_now`], lets a limit or a kill take effect.
//!
//! # What it tells of itself
//!
//! Without a `tracing` subscriber a panic in a task prints as usual, and nothing else is said. With one, these are
//! events of target `cordial::process`, and a panic is told once, as `crash`:
//!
//! | event | level | fields |
//! |---|---|---|
//! | `start` | trace | pid, spawned_at, caller |
//! | `stop` | debug | pid, label, spawned_at, exit |
//! | `crash`: any end but `Normal` and `Shutdown` | error (a kill: warn) | pid, label, spawned_at, exit, callers |
//! | `long_poll` | warn, once for each spawn place | pid, label, spawned_at, lasted_ms |
//! | `threads_exhausted`: polls are stuck, and there are as many threads as allowed | warn, once until it is over | max_threads |
//! | `abandoned`: a killed process whose poll does not return | warn | pid, label, spawned_at |
//! | `refused`: spawned on a runtime that was shut down | error | spawned_at, refusal |
//! | `lost_panic`: a value that nobody took panicked when dropped | error | exit |
//!
//! Polls run in the span that spawned the task, or in a child span of target `cordial::task` if that is enabled.

mod backoff;
mod error;
mod exit;
mod pid;
pub mod process;
mod stream;
mod task;
mod telemetry;
pub mod testing;
mod unwind;

pub use backoff::Backoff;
pub use error::BuildError;
pub use exit::{Exit, Location, PanicReport, Refusal, TimedOut};
pub use pid::Pid;
#[doc(inline)]
pub use process::{
    Runtime, Shutdown, Snapshot, StopReport, checkpoint, exit_self as exit, is_shutdown_requested, main, run,
    shutdown_requested,
};
pub use stream::{AsyncStream, Failure, Progress, Retry, StreamTimeout};
pub use task::{AwaitMany, OnTimeout, Task, Timeout, YieldMany};

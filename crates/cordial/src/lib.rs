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
//! | many tasks that are owned, bounded, and end together | [`TaskSupervisor`] |
//! | a service: parts that start in order, heal, and stop in order | [`Supervisor`], [`ChildSpec`] |
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
//! Without a `tracing` subscriber a panic in a task prints as usual, and nothing else is said before the end of the program:
//! then [`main`] prints the exit of its root. With one, these are
//! events of target `cordial::process`, and a panic is told once, as `crash`:
//!
//! | event | level | fields |
//! |---|---|---|
//! | `start` | trace | pid, spawned_at, caller, supervisor, incarnation |
//! | `stop` | debug | pid, label, supervisor, incarnation, spawned_at, exit |
//! | `crash`, instead of `stop`: any end but `Normal` and `Shutdown` | error (a kill: warn) | pid, label, supervisor, incarnation, spawned_at, exit, callers |
//! | `long_poll`: told while it lasts | warn, once for each spawn place | pid, label, supervisor, incarnation, spawned_at, lasted_ms (so far) |
//! | `threads_exhausted`: polls are stuck, and there are as many threads as allowed | warn, once until it is over | max_threads |
//! | `abandoned`: a killed process whose poll does not return | warn | pid, label, supervisor, incarnation, spawned_at |
//! | `refused`: spawned on a runtime that was shut down, or under a supervisor that is full, stopping or gone | error | spawned_at, supervisor, refusal |
//! | `restart`: a child is started again | warn | supervisor, label, child, incarnation (the next one), spawned_at, reason, after_ms |
//! | `restart_waits`: for a process that is stuck in a poll | warn | supervisor, label, child, incarnation (the next one), spawned_at, pid |
//! | `start_failed`: a child failed to start | error | supervisor, label, child, incarnation (this one), spawned_at, reason |
//! | `give_up`: one restart too many would be due | error | supervisor, label, child, incarnation (the last one), spawned_at, reason, restarts, window |
//! | `forced`: a supervisor had to kill or abandon a child | warn | pid, label, supervisor, spawned_at, how |
//! | `lost_panic`: a value that nobody took panicked when dropped | error | exit |
//!
//! `supervisor` is a pid. In events of a supervisor's own, `label` is its label and `child` the id; in the others `label` is
//! that of the process, which is its id unless it has given itself another. `incarnation` and `supervisor` are there for
//! children. `restarts` is how many were made within the last `window`, as many as `max_restarts` allows. The crate
//! `cordial-metrics` counts these events.
//!
//! Polls run in the span that spawned the task, or in a child span of target `cordial::task` if that is enabled.

mod backoff;
mod error;
mod exit;
mod pid;
pub mod process;
mod stream;
mod supervisor;
mod task;
mod telemetry;
pub mod testing;
mod unwind;

pub use backoff::Backoff;
pub use error::{BuildError, DeleteError, NotFound, StartError};
pub use exit::{Exit, Location, PanicReport, Refusal, TimedOut};
pub use pid::Pid;
#[doc(inline)]
pub use process::{
    Runtime, Shutdown, Snapshot, Statistics, StopReport, checkpoint, exit_self as exit, is_shutdown_requested, main,
    run, shutdown_requested,
};
pub use stream::{AsyncStream, Failure, Progress, Retry, StreamTimeout};
pub use supervisor::{
    AutoShutdown, ChildCounts, ChildInfo, ChildKind, ChildSpec, ChildState, Restart, Startable, Strategy, Supervisor,
    SupervisorBuilder, TaskSupervisor, TaskSupervisorBuilder,
};
pub use task::{AwaitMany, OnTimeout, Task, Timeout, YieldMany};

/// The programs in the pages, as documentation tests.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
#[doc = include_str!("../README.md")]
struct Pages;

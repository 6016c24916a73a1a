//! Parallel tasks that end with their owner, with the semantics of Elixir's `Task`.
//!
//! ```
//! use cordial::{Exit, Task};
//!
//! async fn program() -> Result<(), Exit> {
//!     let report = Task::spawn(async { (1..=6).product::<u64>() }); // runs in parallel from here
//!     let lucky = Task::spawn(async { "7".parse::<u64>().expect("a number") });
//!     println!("{} and {}", report.await?, lucky.await?);
//!
//!     let broken = Task::spawn(async { "x".parse::<u64>().expect("a number") });
//!     println!("{}", broken.await.unwrap_err()); // the panic as a value: message, location, spawn location
//!     Ok(())
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     cordial::main(program()) // on Ctrl-C, too, all tasks are shut down
//! }
//! ```
//!
//! A [`Task`] is a handle that owns its process. Awaiting it returns the value, or the [`Exit`] that says why there is none.
//! Dropping it asks the process to shut down: the process ends at its current await point, unless it has opted in to graceful
//! shutdown (see [`shutdown_requested`]). A process that needs no owner is started with [`Task::start`].
//!
//! | for | use |
//! |---|---|
//! | one task | [`Task`] |
//! | many items, a limited number at a time, with failures as values | [`Task::async_stream`] |
//! | tasks of one kind, whose results are taken as they end: all, or the first | [`TaskSet`] |
//! | many tasks with one owner, a limit, and a common end | [`TaskSupervisor`] |
//! | a service whose parts are started in order, restarted, and stopped in order | [`Supervisor`], [`ChildSpec`] |
//! | a program that shuts down cleanly on Ctrl-C | [`main`], [`run`], [`shutdown_requested`] |
//! | state that answers messages: a cache, a connection, a rate limiter | [`server`] |
//! | a value, such as the id of a request, that everything spawned in a scope can read | [`Inherited`] |
//! | a deadline for a whole request | [`within`] |
//! | links, monitors, labels, snapshots | [`process`] |
//! | tests with virtual time | [`testing`] |
//!
//! The page `docs/which.md` of the repository says which of them fits when.
//!
//! Timers, sockets and child processes of tokio work inside tasks, and tasks work inside `#[tokio::main]`. Unlike in tokio, a
//! poll has no cooperative budget: a task that reads from a socket that is always ready stays in one poll. Timeouts and kills
//! take effect only at an await that is pending, such as [`tokio::task::yield_now`], or at a [`checkpoint`].
//!
//! Timeouts, grace times, delays of restarts and deadlines of streams do not depend on tokio's threads. The sockets and timers of tokio
//! do, and are late while code in `tokio::spawn` computes or blocks. Use `Task::spawn` for such code, and the crate `cordial-http` to
//! serve HTTP.
//!
//! # For readers of tokio
//!
//! - `task.await` has a limit, 5 s by default, even inside [`tokio::time::timeout`]. In a `select!` loop that awaits `&mut task`, the
//!   limit counts from the first round. [`Task::timeout`] sets another limit, and
//!   [`await_limit`](process::Builder::await_limit) another default for the runtime.
//! - `JoinSet` with a `Semaphore` becomes [`Task::async_stream`] with `max_concurrency`; a `CancellationToken` becomes
//!   [`shutdown_requested`].
//! - A test with `start_paused` becomes a test in [`testing::run`].
//!
//! The page `docs/tokio.md` of the repository has the details, with programs.
//!
//! # Glossary
//!
//! | word | meaning |
//! |---|---|
//! | process | a future that runs with a pid, links, monitors, callers and one exit; not a process of the operating system |
//! | exit | how a process ended, as a value: [`Exit`] |
//! | opt in to graceful shutdown | to call [`shutdown_requested`] or to trap exits: from then on, a request to shut down notifies the process instead of ending it. [`process::defer_shutdown`] opts in for a while |
//! | checkpoint | a call of [`checkpoint`] in a long computation, at which the process can be ended |
//! | long poll | a poll that lasts longer than `stall_after`, 4 ms by default |
//! | stand-in | a thread that runs tasks in place of a worker that is in a long poll |
//! | abandoned | killed, and still in the same poll after 100 ms: no stop waits for such a process any more |
//! | guardian | a process that owns others, ends after them (except those that are abandoned), and ends with its own owner: every supervisor |
//! | incarnation | one of the processes that a supervisor starts, one after another, for the same child |
//! | item | an input of a stream |
//! | attempt | one process that handles an item; a retry is another attempt |
//! | window | of a stream: the items that were pulled from the source and not yet delivered; of a supervisor: the time within which restarts count |
//!
//! # Events
//!
//! Crashes, restarts and long polls are emitted as `tracing` events of target `cordial::process`. Without a subscriber, a panic in a
//! task is printed by the panic hook as usual, and [`main`] prints why the program fails, and which processes did not end when they
//! were asked to; nothing else is printed. With a subscriber, the panic hook is called as well, so that a hook which sends panics to
//! a service receives all of them. To have each panic reported once, by its event, set
//! [`Panics::EventOnly`](process::Panics::EventOnly).
//!
//! `stop`, `crash` and `long_poll_end` are emitted in the span in which the process is polled, except that the `crash` event of a
//! panic is emitted in the span in which the process panicked. Every other event is emitted in the span that is current in the
//! code that emits it, for example `start` in that of the spawner.
//!
//! | event | level | fields |
//! |---|---|---|
//! | `start` | trace | pid, label, spawned_at, caller, supervisor, incarnation |
//! | `stop` | debug | pid, label, supervisor, incarnation, spawned_at, exit, age_ms |
//! | `crash`, instead of `stop`: any exit but `Normal` and `Shutdown` | error; warn for a kill; debug for a start that took longer than its [`start_timeout`](ChildSpec::start_timeout), because `start_failed` has reported it | pid, label, supervisor, incarnation, spawned_at, exit, age_ms (since its start), callers, backtrace (of a panic; `RUST_BACKTRACE` enables it) |
//! | `long_poll`: emitted while it lasts | warn, once for each spawn location | pid, label, supervisor, incarnation, spawned_at, lasted_ms (so far) |
//! | `long_poll_end`: a poll of 100 ms or more has ended | warn, at most one a second for each spawn location | pid, label, supervisor, incarnation, spawned_at, lasted_ms, left_out (such polls since the last event that were not reported) |
//! | `threads_exhausted`: every thread is in a long poll while tasks wait, and `max_threads` is reached | warn, once for each such period | max_threads |
//! | `io_threads_stuck`: code in `tokio::spawn` computes or blocks, and a thread of tokio has made no progress for 100 ms | warn, at most one a second | stuck (how many threads), io_threads (how many there are), lasted_ms (so far), left_out (threads that were stuck since the last event and were not reported) |
//! | `threads_refused`: tasks wait behind long polls, and the operating system refuses another thread | warn, once until it grants one | error, limit (absent if the system does not show it) |
//! | `abandoned`: a killed process whose poll does not return | warn | pid, label, supervisor, incarnation, spawned_at |
//! | `refused`: a task, an item of a stream or a child of a `TaskSupervisor` was not started, for one of the reasons of [`Refusal`] | error | spawned_at, supervisor, refusal |
//! | `restart`: a child will be restarted, after `after_ms` | warn | supervisor, label, child, incarnation (the next one), spawned_at, reason, after_ms |
//! | `restart_waits`: a restart waits for an abandoned process | warn | supervisor, label, child, incarnation (the next one), spawned_at, pid |
//! | `slow_start`: a child has not finished starting; emitted after 5 s or half of its [`start_timeout`](ChildSpec::start_timeout), whichever is sooner, and again each time the duration has doubled | warn | supervisor, label, child, incarnation (this one), spawned_at, pid, lasted_ms (so far), timeout_ms |
//! | `start_failed`: a child failed to start; not if [`start_child`](Supervisor::start_child) or [`restart_child`](Supervisor::restart_child) returns the error | error; debug if the process of the child has crashed without a kill, because the `crash` event has reported the error | supervisor, label, child, incarnation (this one), spawned_at, reason, backtrace (as in `crash`) |
//! | `give_up`: a child needs a restart, and its supervisor has exceeded a restart limit | error | supervisor, label, child, incarnation (the last one), spawned_at, reason, restarts, window |
//! | `forced`: a supervisor had to kill or abandon a child | warn | pid, label, supervisor, spawned_at, how |
//! | `item_timeout`: an attempt of an item of a stream has exceeded its timeout | warn | spawned_at, index (counted from 0), attempt (counted from 1), pid, limit_ms |
//! | `item_retry`: an attempt has failed, and the item is attempted again | warn | spawned_at, index, attempt (the one that has failed), pid, exit, after_ms |
//! | `item_failed`: an item has failed, after its last attempt; its result is an error | debug | spawned_at, index, attempt (the last one), pid, exit |
//! | `mailbox_full`: a message waits for room in the mailbox of a server; not again before the mailbox was half empty | warn | pid (if the server was started), label, spawned_at, capacity, oldest_ms (age of the oldest message), in_hand (type of the message that is being handled), sender, message_type (of the message that waits) |
//! | `casts_dropped`: a server has stopped, or has crashed and is not restarted, and messages that were cast to it were not handled; or it was never started | warn | pid (if it was started), label, spawned_at, dropped (how many) |
//! | `call_cycle`: a server waits for itself, through calls of other servers; emitted when the limit of its call has passed | warn | pid, cycle |
//! | `lost_panic`: a panic that does not become an exit: in the destructor of a value that no code took, in a destructor of a process that had already panicked, or in `stopping` of a server whose handler had panicked | error | exit, backtrace (as in `crash`) |
//!
//! `supervisor` is a pid. In events with the field `child`, `child` is the id of the child, and `label` is the label of the supervisor.
//! In all other events, `label` is the label of the process; the default label of a child with a [`ChildSpec`] is its id, unless the
//! child is a `TaskSupervisor`. `incarnation` and `supervisor` are set for children only. `restarts` and `window` are the limit that
//! `max_restarts` sets; for the limit `n` of [`Backoff::give_up_after`], `restarts` is `n - 1`, and there is no `window`. The crate
//! `cordial-metrics` counts these events.
//!
//! A task is polled in the span that was current when it was spawned, or in a child span of target `cordial::task` if that is
//! enabled. If a task spawns another one while its own span is the current one, the spans of both tasks have the same parent, and the
//! span of the new task *follows from* that of its spawner.

mod backoff;
mod error;
mod exit;
mod inherited;
mod pid;
pub mod process;
pub mod server;
mod sorted_map;
mod stream;
mod supervisor;
mod task;
mod task_set;
mod telemetry;
pub mod testing;
mod timeout;
mod unwind;

pub use backoff::Backoff;
pub use error::{BuildError, DeleteError, Ignore, NotFound, StartError};
pub use exit::{Exit, Location, Lost, LostBuilder, LostCause, PanicReport, PanicReportBuilder, Refusal, TimedOut};
pub use inherited::{Inherited, Scoped, Within, within};
pub use pid::{ParsePidError, Pid};
#[doc(inline)]
pub use process::current::{checkpoint, exit};
#[doc(inline)]
pub use process::{
    Runtime, Shutdown, Snapshot, Statistics, StopReport, is_shutdown_requested, main, run, shutdown_requested,
};
pub use stream::{AsyncStream, Failure, Progress, Retry, RetryErr, RetryPolicy, StreamTimeout};
pub use supervisor::{
    AutoShutdown, ChildCounts, ChildInfo, ChildKind, ChildSpec, ChildState, Restart, Startable, Strategy, Supervisor,
    SupervisorBuilder, TaskSupervisor, TaskSupervisorBuilder, WaitingChild,
};
pub use task::{AwaitMany, OnTimeout, Task, TaskBuilder, YieldMany};
pub use task_set::TaskSet;
pub use timeout::Timeout;

/// The programs in the pages, as documentation tests.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
#[doc = include_str!("../README.md")]
#[doc = include_str!("../../../docs/diagnostics.md")]
#[doc = include_str!("../../../docs/tokio.md")]
#[doc = include_str!("../../../docs/which.md")]
struct Pages;

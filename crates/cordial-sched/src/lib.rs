//! An executor for tasks that may compute or block.
//!
//! It runs futures and does not know what they are for: no pids, no links, no exits. The layer
//! above keeps its own record of each task in a [`Table`], and implements [`Hooks`], the
//! callbacks of an executor.
//!
//! ```text
//!   reserve        prepare           start              poll ─► Ready ─► output, to the JoinHandle
//!  ────────► key ─────────► future ───────► queue ─► worker
//!             │                              ▲         │ Pending
//!             ▼                              └── wake ◄┘
//!           Table: key ─► record of the layer above
//! ```
//!
//! An [`Executor`] has one of two schedulers: worker threads that steal from each other, or a [`Simulation`] with one
//! thread, an order that follows from a seed, and a virtual clock. Sockets, signals, child processes and `tokio::time` come from a
//! tokio runtime that belongs to the executor, and that every worker has entered; in a simulation it has `tokio::time` only. A
//! [`Timer`] and the timeout of a join handle do not depend on tokio's threads.
//!
//! # What it is not for
//!
//! It is not for use on its own: the futures must catch their own panics. Use the `cordial` crate. It is not an I/O driver,
//! and it has no priorities among tasks.
//!
//! # Glossary
//!
//! Runnable is async-task's word, injector crossbeam's, LIFO slot tokio's. The *layer above* is the
//! crate that uses this crate.
//!
//! | word | meaning |
//! |---|---|
//! | header | the part of a task with a fixed address; one task after another uses it |
//! | alarm | the time at which a task that waits with a limit is woken at the latest; all such waits of a task share one alarm |
//! | owner slot | the part of the header that owns the task while the task waits to be woken |
//! | remote | the part of a worker that other threads use: its queues, to steal from, its unparker, and the progress of its polls |
//! | searcher | the one worker that looks for tasks for a while before it sleeps; while it searches, pushes wake no other worker |
//! | long poll | a poll that does not return for a few milliseconds: the task computes or blocks |
//! | blocked thread | a worker thread that was replaced, usually during a long poll, and has not noticed that yet |
//! | stand-in | the thread that takes the place of a thread in a long poll |
//! | parked thread | a thread that was replaced, has noticed that, and waits to become a worker again |
//! | sysmon | the thread that finds long polls, as in Go's runtime |
//! | coarse clock | a clock that costs one load, and is late by a few milliseconds |
//! | tick clock | a clock of the system that costs a few loads, and is late by a tick or two |

mod coarse_clock;
mod executor;
mod free_list;
mod idle;
mod io_watch;
mod pool;
mod priority;
mod remote;
mod reservation;
mod simulation;
#[cfg_attr(cordial_loom, expect(dead_code, reason = "the models have a lock of their own"))]
mod spin_lock;
mod statistics;
mod sync;
mod sysmon;
mod table;
mod task;
mod thread;
mod thread_limit;
mod threads;
mod tick_clock;
mod timeout;
mod unwind;
mod worker;

pub use executor::alarm::Deadline;
pub use executor::error::ExecutorError;
pub use executor::handle::{Executor, PollId, is_tokio_clock_paused};
pub use executor::hooks::Hooks;
pub use executor::join_handle::JoinHandle;
pub use executor::options::Options;
pub use executor::prepare::{Prepared, PreparedDetached, Reserved};
pub use executor::timer::Timer;
pub use free_list::shard_of_this_thread;
pub use io_watch::StuckIoThreads;
pub use simulation::{Simulation, Stalled};
pub use spin_lock::SpinLock;
pub use statistics::{Statistics, ThreadStatistics, WorkerState};
pub use table::{Key, Table};
pub use task::schedule::wake_last;
pub use task::task_ref::{TaskRef, Woken};
pub use task::turns::drop_in_turn;
pub use thread_limit::{ThreadLimit, ThreadsRefused};
pub use timeout::Instant;

//! An executor for tasks that may compute or block.
//!
//! It runs futures and knows nothing of what they are for: no pids, no links, no reasons. The layer above keeps its
//! own record of each task in a [`Table`] and is told of threads and long polls through [`Hooks`].
//!
//! ```text
//!            prepare                    start                    poll ─► Ready
//!  future ────────────► Start ──► JoinHandle ────► queue ─► worker ──────────────► output in the JoinHandle
//!                         │ waker                  ▲         │ Pending
//!                         ▼                        └─ wake ──┘
//!                    Table: Key ─► record of the layer above
//! ```
//!
//! Two schedulers stand behind one [`Executor`]: worker threads that steal from each other, and a [`Simulation`] of
//! one thread, a seeded order and a virtual clock. Timers, sockets, signals and child processes are tokio's; every
//! thread of the executor has entered a tokio runtime that it owns.
//!
//! Not for use alone: the futures must catch their own panics. Use the `cordial` crate.

mod coarse_clock;
mod executor;
mod free_list;
mod idle;
mod pool;
mod priority;
mod remote;
mod simulation;
mod sync;
mod sysmon;
mod table;
mod task;
mod threads;
mod timeout;
mod unwind;
mod worker;

pub use executor::handle::Executor;
pub use executor::hooks::Hooks;
pub use executor::join_handle::JoinHandle;
pub use executor::options::Options;
pub use executor::prepare::{Prepared, PreparedDetached, Reserved};
pub use executor::statistics::Statistics;
pub use executor::timer::Timer;
pub use free_list::shard_of_this_thread;
pub use simulation::{Simulation, Stalled};
pub use table::{Key, Table};
pub use task::schedule::wake_last;
pub use task::task_ref::TaskRef;
pub use timeout::Instant;

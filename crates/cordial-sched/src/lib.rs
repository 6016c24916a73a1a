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

pub use executor::hooks::Hooks;
pub use executor::options::Options;
pub use executor::statistics::Statistics;
pub use executor::{Executor, Prepared, PreparedDetached, Reserved};
pub use simulation::{Simulation, Stalled};
pub use table::{Key, Table, shard_of_this_thread};
pub use task::header::TaskRef;
pub use task::join::JoinHandle;
pub use task::schedule::wake_last;
pub use timeout::{Instant, Timer};

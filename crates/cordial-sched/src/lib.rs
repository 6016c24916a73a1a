//! An executor for tasks that may compute or block.
//!
//! It runs futures and knows nothing of what they are for: no pids, no links, no reasons. The layer above keeps its
//! own record of each task in a [`Table`] and is told of threads and long polls through [`Layer`].
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

mod clock;
mod crew;
mod executor;
mod home;
mod idle;
mod join;
mod last_out;
mod layer;
mod look;
mod lower;
mod options;
mod origin;
mod parked;
mod pool;
mod queue;
mod scout;
mod seat;
mod shortage;
mod simulation;
mod statistics;
mod stock;
mod sync;
mod table;
mod task;
mod timer;
mod unwanted;
mod unwind;
mod watch;
mod worker;

pub use executor::{Executor, Start, StartAlone, Vacant};
pub use home::TaskRef;
pub use join::JoinHandle;
pub use layer::Layer;
pub use options::Options;
pub use simulation::{Simulation, Stalled};
pub use statistics::Statistics;
pub use table::{Key, Table, shard_of_this_thread};
pub use timer::{Instant, Timer};
pub use worker::wake_last;

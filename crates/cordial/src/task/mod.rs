//! Tasks. A task is a process that runs one future, with a handle that owns the process.
//!
//! ```text
//!  owner   ──spawn──┬───────── other work ──────── await ──► Ok(value) or Err(exit)
//!  task             └── runs in parallel ──┐         ▲
//!                                          └─ done ──┘      handle dropped: the task is asked to shut down
//! ```
//!
//! The modules, in the order in which they build on each other. Each imports only earlier ones:
//!
//! - `deadline`: a timeout that is counting down, and the report that it elapsed.
//! - `join`: the join handle inside a `Task`; what dropping it does. `large_output`: the same for an output in a box.
//! - `handle`: `Task` itself, its await and its drop.
//! - `start`: the functions that start tasks. `builder`: the same, with a label and a span.
//! - `wait`, `shutdown`: waiting for one task, ending one task.
//! - `await_many`, `yield_many`: waiting for many tasks.
//!
//! How a process runs and ends is the subject of [`process`](crate::process).

mod deadline;
mod join;

mod large_output;

mod handle;

mod start;

mod builder;

mod shutdown;
mod wait;

mod await_many;
mod yield_many;

pub use await_many::AwaitMany;
pub use builder::TaskBuilder;
pub use handle::Task;
pub use yield_many::{OnTimeout, YieldMany};

pub(crate) use deadline::timed_out;
pub(crate) use join::{Ownership, flatten};

//! Sets of tasks: many tasks of one kind with one owner, whose results are taken as they end.
//!
//! ```text
//!  spawn ─► runs, or waits for one of `max_concurrency` permits ─► ends ─► arrivals ─► next
//!                                                                          (in the order in which they end)
//! ```
//!
//! The modules, in the order in which they build on each other. Each imports only earlier ones:
//!
//! - `arrivals`: the queue in which processes deliver their results, and through which the consumer is woken.
//! - `set`: `TaskSet` itself, its spawns, its stream and its drop.
//! - `outcomes`: the first value, all values, and the end of all tasks.

mod arrivals;
mod outcomes;
mod set;

pub use set::TaskSet;

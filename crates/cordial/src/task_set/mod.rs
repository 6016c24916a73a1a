//! Sets of tasks: many tasks of one kind with one owner, whose results are taken as they end.
//!
//! ```text
//!  spawn ─► runs, or waits for one of `max_concurrency` permits ─► ends ─► queue ─► next
//!                                                                        (in the order in which they end)
//! ```
//!
//! The modules, in the order in which they build on each other. Each imports only earlier ones:
//!
//! - `result_queue`: the queue in which processes deliver their results, and through which the consumer is woken.
//! - `set`: `TaskSet` itself, its spawns, its stream and its drop.
//! - `outcomes`: the first value, all values, and the end of all tasks.

mod outcomes;
mod result_queue;
mod set;

pub use set::TaskSet;

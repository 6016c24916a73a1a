//! Tasks: a process that runs one future, and the handle that owns it.
//!
//! ```text
//!  owner   ──spawn──┬───────── other work ──────── await ──► value, or why there is none
//!  task             └── runs in parallel ──┐         ▲
//!                                          └─ done ──┘      handle dropped: the task is asked to shut down
//! ```

mod claim;
mod handle;
mod limit;
mod many;
mod start;
mod timeout;
mod wait;

pub use handle::Task;
pub use many::{AwaitMany, OnTimeout, YieldMany};
pub use timeout::Timeout;

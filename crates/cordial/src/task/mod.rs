//! Tasks: a process that runs one future, and the handle that owns it.
//!
//! | to | call |
//! |---|---|
//! | run something beside and use its value | [`Task::spawn`], then `.await` |
//! | fail together with it | [`Task::spawn_link`] |
//! | let something run on alone | [`Task::start`] |
//! | let something run on, and end if this process crashes | [`Task::start_link`] |
//! | look whether it is done, and keep it if not | [`Task::yield_for`] |
//! | have it ended, and know that it has | [`Task::shutdown`] |
//! | let go of it without ending it | [`Task::ignore`] |
//! | many at once | [`Task::await_many`], [`Task::yield_many`], [`Task::async_stream`] |
//!
//! ```text
//!  owner   ──spawn──┬───────── other work ──────── await ──► value, or why there is none
//!  task             └── runs in parallel ──┐         ▲
//!                                          └─ done ──┘      handle dropped: the task is asked to shut down
//! ```

mod claim;
mod handle;
mod many;
mod start;
mod timeout;
mod wait;

pub use handle::Task;
pub use many::{AwaitMany, OnTimeout, YieldMany};
pub use timeout::Timeout;

pub(crate) use wait::Limit;

//! Parallel streams: input of any length through a bounded number of tasks.
//!
//! ```text
//!  source ──pull──► at most max_concurrency tasks ──► results that were not delivered ──► consumer
//!  (only when an item may start)                      (with the tasks, at most max_concurrency + max_ahead)
//! ```
//!
//! [`AsyncStream`] documents the options, how to drain a stream on Ctrl-C, and how to collect it into a `Result`.
//!
//! The modules, in the order in which they build on each other. Each imports only earlier ones:
//!
//! - `failure`, `progress`, `retry`, `options`: public types, and the settings of a stream. `kept_input`: the trait bound
//!   of inputs of which the stream keeps copies.
//! - `try_source`: a source that can fail.
//! - `window`: which item may start, and which result is next. Pure: no tasks, no time.
//! - `spawner`: starts the processes of items. Task supervisors have a spawner of their own.
//! - `item_future`: wraps the future of an item, and polls it only once if the timeout is zero.
//! - `completions`: the queue in which processes deliver their results to the consumer.
//! - `deadlines`: timeouts of attempts, and delays before retries. Kills and abandons processes.
//! - `in_flight`: the items without a result, each in a slot: queued, running, or in a backoff.
//! - `active`: the items, the results and the counters of a stream that was polled and has not ended.
//! - `async_stream`: the public type. `setters`: its methods that set options. `constructors`: the functions of `Task` that return a stream.
//! - `poll`: one poll of the stream. `consume`: `next`, `collect`, `partition`.

mod failure;
mod kept_input;
mod progress;
mod retry;
mod try_source;

mod options;

mod spawner;
mod window;

mod completions;
mod item_future;

mod deadlines;

mod in_flight;

mod active;

mod async_stream;

mod constructors;
mod poll;
mod setters;

mod consume;

pub use async_stream::AsyncStream;
pub use failure::Failure;
pub use options::StreamTimeout;
pub use progress::Progress;
pub use retry::{Retry, RetryErr, RetryPolicy};

pub(crate) use async_stream::from_try_source;
pub(crate) use spawner::Spawner;
pub(crate) use try_source::TrySource;

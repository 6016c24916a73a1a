//! Parallel streams: a list of any length through a bounded number of tasks.
//!
//! ```text
//!  source ──pull──► at most max_concurrency tasks ──► finished, waiting for an older one ──► consumer
//!  (only when a slot is free)                         (ordered: bounded by max_ahead)
//! ```
//!
//! For its users it is told with [`AsyncStream`]: the options, how to drain it on Ctrl-C, how to collect it into a `Result`.
//!
//! Pure parts: `window` (which item may start, which result is next), `retry`, `options`, `failure`. What runs: `flights`
//! (items at work), `ready` (what has come of them), `watch` (limits), and `drive`, which is one poll. Who starts an item is
//! behind `spawner`.

mod async_stream;
mod brief;
mod consume;
mod drive;
mod failure;
mod flights;
mod options;
mod progress;
mod ready;
mod retry;
mod spawner;
mod watch;
mod window;

pub use async_stream::AsyncStream;
pub use failure::Failure;
pub use options::StreamTimeout;
pub use progress::Progress;
pub use retry::Retry;

pub(crate) use spawner::Spawner;

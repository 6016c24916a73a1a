//! Parallel streams: a list of any length through a bounded number of tasks.
//!
//! ```text
//!  source ──pull──► at most max_concurrency tasks ──► finished, waiting for an older one ──► consumer
//!  (only when a slot is free)                         (ordered: bounded by max_ahead)
//! ```

mod attempt;
mod drive;
mod options;
mod progress;
mod window;

pub use drive::AsyncStream;
pub use options::StreamTimeout;
pub use progress::Progress;

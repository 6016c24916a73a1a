//! Looking at a runtime: its processes, its crashes, and what its scheduler does.

mod display;
mod snapshot;
mod statistics;

pub use snapshot::{ProcessInfo, ProcessState, Snapshot, info, snapshot};
pub use statistics::{Statistics, statistics};

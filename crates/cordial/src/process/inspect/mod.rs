//! Looking at a runtime: its processes, its threads, its crashes, and what its scheduler does.

mod activity;
mod display;
mod scan;
mod snapshot;
mod statistics;
mod summary;
mod threads;

pub use activity::Activity;
pub use snapshot::{ProcessInfo, ProcessState, Snapshot, info, snapshot};
pub use statistics::{Statistics, statistics};
pub use summary::ProcessSummary;
pub use threads::{ThreadInfo, WorkerState};

pub(super) use display::RoundedDuration;
pub(super) use scan::visit;

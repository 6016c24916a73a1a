//! The output of a run: the outputs of items, failures, progress and the summary.

mod copy;
mod counted_output;
mod failure_lines;
mod json;
mod printer;
mod progress;
mod summary;

pub(crate) use printer::{Format, Printer};
pub(crate) use progress::{ProgressCounts, ProgressMode, TICK};
pub(crate) use summary::RunEnd;

//! What a run prints: outputs of items, failures, progress and the summary.

pub(crate) mod copy;
pub(crate) mod json;
pub(crate) mod printer;
pub(crate) mod progress;
pub(crate) mod summary;

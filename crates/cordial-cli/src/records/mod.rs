//! Records of finished items, and what the records of an earlier run say.

mod joblog;
mod past;
mod results;
mod run_records;

pub(crate) use joblog::Joblog;
pub(crate) use past::{PastRun, Resume};
pub(crate) use results::ResultsDirectory;
pub(crate) use run_records::{FatalError, RunRecords};

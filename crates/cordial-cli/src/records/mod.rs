//! Records of finished items, and what the records of an earlier run say.

mod item_text;
mod joblog;
mod past;
mod results;
mod run_records;

pub(crate) use joblog::{Joblog, PastJoblog};
pub(crate) use past::{PastRun, Resume};
pub(crate) use results::ResultsDirectory;
pub(crate) use run_records::{FatalError, RunRecords};

//! Records of finished items: the joblog and the directory of results.

pub(crate) mod joblog;
pub(crate) mod results;
pub(crate) mod run_records;

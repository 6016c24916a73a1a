//! The cell through which the report of a supervisor reaches the caller that stops it.

use std::sync::{Arc, Mutex, PoisonError};

use super::stop_report::StopReport;

/// A shared cell for the report of one supervisor. The supervisor writes its report before it exits; the caller that waits
/// for the exit reads it afterwards.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReportSlot(Arc<Mutex<StopReport>>);

impl ReportSlot {
    pub(crate) fn put(&self, report: StopReport) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = report;
    }

    pub(crate) fn get(&self) -> StopReport {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

//! Where a supervisor leaves its report when it ends.

use std::sync::{Arc, Mutex, PoisonError};

use super::stop_report::StopReport;

/// A shared cell for the report of one supervisor: the process writes it before it ends, and the stop that waits for the
/// end reads it.
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

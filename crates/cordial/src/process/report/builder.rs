//! A [`StopReport`] that is collected from several stops.

use std::collections::BTreeSet;

use super::stop_report::StopReport;
use crate::pid::Pid;

/// Collects reports into one in which no process is listed twice.
#[derive(Debug, Default)]
pub(crate) struct ReportBuilder {
    report: StopReport,
    pids: BTreeSet<Pid>,
}

impl ReportBuilder {
    /// Adds the processes of another report that are not listed yet.
    pub(crate) fn add(&mut self, other: StopReport) {
        let ReportBuilder { report, pids } = self;
        report.killed.extend(other.killed.into_iter().filter(|stopped| pids.insert(stopped.pid)));
        report.abandoned.extend(other.abandoned.into_iter().filter(|stopped| pids.insert(stopped.pid)));
    }

    /// Returns the report and resets the builder.
    pub(crate) fn take(&mut self) -> StopReport {
        std::mem::take(self).report
    }
}

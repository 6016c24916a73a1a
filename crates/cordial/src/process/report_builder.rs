//! A report of a stop while it grows: most of what is added is one process, and there may be many.

use std::collections::BTreeSet;

use super::stop::StopReport;
use crate::pid::Pid;

/// A report in which nobody stands twice.
#[derive(Debug, Default)]
pub(crate) struct ReportBuilder {
    report: StopReport,
    pids: BTreeSet<Pid>,
}

impl ReportBuilder {
    /// Adds those of another report that are not in this one.
    pub(crate) fn add(&mut self, other: StopReport) {
        let ReportBuilder { report, pids } = self;
        report.killed.extend(other.killed.into_iter().filter(|stopped| pids.insert(stopped.pid)));
        report.abandoned.extend(other.abandoned.into_iter().filter(|stopped| pids.insert(stopped.pid)));
    }

    /// The report. What is added from here on is that of another stop.
    pub(crate) fn take(&mut self) -> StopReport {
        std::mem::take(self).report
    }
}

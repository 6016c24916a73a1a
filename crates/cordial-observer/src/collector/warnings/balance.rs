//! Warns if many tasks wait while all workers are busy, or if tasks wait while one worker is busy and another is not.

use super::warning_of::warning;
use crate::collector::history::Rings;
use crate::view::{Point, Severity, Warning, WarningKind};

/// For how many seconds a problem has to last.
const SECONDS: usize = 5;

/// How many tasks for each worker may wait before all workers count as overloaded.
const QUEUED: usize = 100;

pub(super) fn find(history: &Rings) -> Option<Warning> {
    let recent: Vec<&Point> = history.newest_first().take(SECONDS).collect();
    let queued = recent.first()?.queued;
    let always = |is: fn(&Point) -> bool| recent.len() == SECONDS && recent.iter().all(|point| is(point));
    if always(|point| point.queued > QUEUED * point.threads && point.utilization > 0.95) {
        let sentence = format!("{queued} tasks wait for a worker, and all workers are busy.");
        let advice =
            "The program has more to compute than it has processors. The task table shows the busiest tasks first.";
        let kind = (WarningKind::Starvation, Severity::Warning);
        return Some(warning(kind, String::new(), sentence, advice, "tasks"));
    }
    if always(|point| point.queued > 0 && is_unbalanced(&point.workers[..point.threads.min(point.workers.len())])) {
        let sentence = format!("{queued} tasks wait although a worker is idle.");
        let advice = "An idle worker leaves a few short tasks to the worker that has them, because moving them would take longer. \
                      If tasks wait for long, please report it as a bug.";
        let kind = (WarningKind::Imbalance, Severity::Notice);
        return Some(warning(kind, String::new(), sentence, advice, "overview"));
    }
    None
}

fn is_unbalanced(shares: &[f32]) -> bool {
    shares.iter().any(|share| *share > 0.9) && shares.iter().any(|share| *share < 0.1)
}

//! Polls that do not return.

use crate::clock::in_ms;
use crate::collector::Collector;
use crate::source::{Scan, shown_label};
use crate::view::{LongPoll, State};

/// A poll is listed once it has lasted for this many milliseconds.
const THRESHOLD_MS: u64 = 100;

/// Returns the polls that have lasted for 100 ms or more, the longest first. `scan` may be older than the polls.
pub(crate) fn long_polls(collector: &Collector, scan: &Scan) -> Vec<LongPoll> {
    let now_ms = collector.clock.now_ms();
    let polls = collector.long_polls().into_iter().filter(|poll| in_ms(poll.lasted) >= THRESHOLD_MS);
    let polls = polls.map(|poll| {
        let for_ms = in_ms(poll.lasted);
        let state = scan.row(poll.pid).map(|row| row.state);
        LongPoll {
            pid: poll.pid.to_string(),
            label: shown_label(poll.label.as_ref()),
            place: poll.spawned_at.to_string(),
            worker: Some(poll.thread),
            thread: poll.kernel_id.map(|id| id.to_string()),
            for_ms,
            since_at_ms: now_ms.saturating_sub(for_ms),
            supervisor: poll.supervisor.map(|pid| pid.to_string()),
            supervisor_label: poll.supervisor.and_then(|pid| scan.label_of(pid)),
            killed: matches!(state, Some(State::Exiting | State::Abandoned)),
        }
    });
    polls.collect()
}

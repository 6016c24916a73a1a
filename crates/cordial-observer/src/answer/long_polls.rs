//! Polls that do not return.

use super::rows::poll_durations;
use crate::clock::in_ms;
use crate::collector::Collector;
use crate::source::{Scan, shown_label};
use crate::view::{LongPoll, PollDuration, State};

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
            usual_ms: usual(&poll_durations(&collector.inspector, &poll.spawned_at)),
            supervisor: poll.supervisor.map(|pid| pid.to_string()),
            supervisor_label: poll.supervisor.and_then(|pid| scan.label_of(pid)),
            killed: matches!(state, Some(State::Exiting | State::Abandoned)),
        }
    });
    polls.collect()
}

/// With fewer polls than this, a single poll is more than one percent of them.
const ENOUGH: u64 = 100;

/// The beginning of the last bucket that there can be, in milliseconds: it has no end.
const LAST_MS: u64 = 32_768;

/// Returns a time that 99 of 100 polls did not reach; `None` if there are too few polls, or too many in the bucket without an end.
fn usual(buckets: &[PollDuration]) -> Option<u64> {
    let total: u64 = buckets.iter().map(|bucket| bucket.polls).sum();
    let mut n = 0;
    let last = buckets.iter().find(|bucket| {
        n += bucket.polls;
        n * 100 >= total * 99
    });
    last.filter(|bucket| total >= ENOUGH && bucket.at_least_ms < LAST_MS).map(|bucket| 2 * bucket.at_least_ms)
}

#[cfg(test)]
mod tests {
    use super::{LAST_MS, usual};
    use crate::view::PollDuration;

    #[test]
    fn the_longest_percent_of_the_polls_is_not_usual() {
        let of = |counts: &[(u64, u64)]| {
            let bucket = |&(at_least_ms, polls): &(u64, u64)| PollDuration { at_least_ms, polls };
            usual(&counts.iter().map(bucket).collect::<Vec<_>>())
        };
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[(1, 98), (2, 1)]), None, "too few");
        assert_eq!(of(&[(1, 60), (2, 39), (4, 0), (8, 1)]), Some(4));
        assert_eq!(of(&[(1, 60), (2, 38), (4, 0), (8, 2)]), Some(16));
    }

    #[test]
    fn the_bucket_without_an_end_has_no_usual_time() {
        let bucket = |at_least_ms, polls| PollDuration { at_least_ms, polls };
        assert_eq!(usual(&[bucket(LAST_MS, 100)]), None);
        assert_eq!(usual(&[bucket(LAST_MS / 2, 99), bucket(LAST_MS, 1)]), Some(LAST_MS));
    }
}

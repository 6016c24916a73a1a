//! When the polls in progress have begun.
//!
//! When the monitor thread of the scheduler runs again after a while without a processor, it measures all polls as if they had begun at that
//! moment: otherwise, every poll of a program that was stopped by a signal would seem to be long. On a busy machine the monitor thread often gets
//! no processor. So each scan remembers, for each poll, the earliest beginning that was measured. The process is still in the same poll as long
//! as its counter of polls stays the same.

use std::collections::HashMap;

use cordial::Pid;

use super::Row;

/// A poll in progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PollInProgress {
    /// How often the process had been polled, this poll included. The number identifies the poll.
    pub(crate) polls: u32,
    pub(crate) since_ms: u64,
}

/// The polls in progress that one scan has seen, by process. There are at most as many as threads.
pub(super) type PollsInProgress = HashMap<Pid, PollInProgress>;

/// Returns the polls in progress, and corrects in the rows how long they have lasted. Leaves out polls that have lasted for less than about 1 ms,
/// unless `before` has them.
pub(super) fn polls_in_progress(rows: &mut [Row], at_ms: u64, before: &PollsInProgress) -> PollsInProgress {
    let mut in_progress = HashMap::new();
    for row in rows.iter_mut().filter(|row| row.thread.is_some()) {
        let measured = row.in_poll().map(|lasted| at_ms.saturating_sub(crate::clock::in_ms(lasted)));
        if let Some(poll) = same_poll(before.get(&row.pid).copied(), row.polls, measured) {
            row.set_in_poll(at_ms.saturating_sub(poll.since_ms));
            in_progress.insert(row.pid, poll);
        }
    }
    in_progress
}

/// Returns when a poll has begun. `seen` is the poll of the process in the scan before. `measured` is when the poll began, as the scheduler measures
/// it now; `None` if that is less than about a millisecond ago.
fn same_poll(seen: Option<PollInProgress>, polls: u32, measured: Option<u64>) -> Option<PollInProgress> {
    let seen = seen.filter(|seen| seen.polls == polls).map(|seen| seen.since_ms);
    let since_ms = seen.into_iter().chain(measured).min()?;
    Some(PollInProgress { polls, since_ms })
}

#[cfg(test)]
mod tests {
    use super::{PollInProgress, same_poll};

    #[test]
    fn a_poll_that_is_measured_anew_is_still_the_same_poll() {
        let seen = Some(PollInProgress { polls: 7, since_ms: 1000 });
        assert_eq!(same_poll(None, 7, None), None, "a short poll");
        assert_eq!(same_poll(None, 7, Some(5000)), Some(PollInProgress { polls: 7, since_ms: 5000 }));
        assert_eq!(same_poll(seen, 7, Some(5000)), seen);
        assert_eq!(same_poll(seen, 7, None), seen, "it was measured anew a moment ago");
        assert_eq!(same_poll(seen, 7, Some(900)), Some(PollInProgress { polls: 7, since_ms: 900 }));
        assert_eq!(same_poll(seen, 8, None), None, "another poll");
        assert_eq!(same_poll(seen, 8, Some(5000)), Some(PollInProgress { polls: 8, since_ms: 5000 }));
    }
}

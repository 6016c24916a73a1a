//! Warns of places whose number of live processes rises in nearly every count.

use std::collections::{HashMap, VecDeque};

use super::warning_of::warning;
use crate::source::Scan;
use crate::view::{Severity, Warning, WarningKind};

/// The time between two counts that are compared, and the number of counts: about 2 minutes in all.
const STEP_MS: u64 = 10_000;
const COUNTS: usize = 12;

/// Scans are not exact to the millisecond, so two of them may be a little less than [`STEP_MS`] apart.
const TOLERANCE_MS: u64 = 100;

/// Places with fewer live processes are not checked.
const MANY: usize = 200;

/// How often the number may stay the same or fall from one count to the next.
const EXCEPTIONS: usize = 1;

/// How many processes of each place with many processes were alive at the last counts.
#[derive(Debug, Default)]
pub(super) struct Leaks {
    counts: HashMap<String, VecDeque<Count>>,
    counted_at_ms: u64,
}

/// How many processes of a place were alive at one moment.
#[derive(Clone, Copy, Debug)]
struct Count {
    at_ms: u64,
    n: usize,
}

impl Leaks {
    pub(super) fn find(&mut self, scan: &Scan) -> Vec<Warning> {
        if scan.at_ms + TOLERANCE_MS >= self.counted_at_ms + STEP_MS {
            self.counted_at_ms = scan.at_ms;
            self.count(scan);
        }
        let mut leaks: Vec<_> = self.counts.iter().filter(|(_, counts)| only_rises(counts)).collect();
        // Sorted, because the order of a hash map differs from call to call.
        leaks.sort_unstable_by_key(|(place, _)| *place);
        leaks.into_iter().map(|(place, counts)| leak(place, counts)).collect()
    }

    /// Records the counts of places with many processes, and forgets the others.
    fn count(&mut self, scan: &Scan) {
        let mut before = std::mem::take(&mut self.counts);
        for (place, n) in scan.places.counts().filter(|(_, n)| *n >= MANY / 2) {
            let mut counts = before.remove(place).unwrap_or_default();
            if counts.len() == COUNTS {
                counts.pop_front();
            }
            counts.push_back(Count { at_ms: scan.at_ms, n });
            self.counts.insert(place.to_owned(), counts);
        }
    }
}

fn only_rises(counts: &VecDeque<Count>) -> bool {
    let (Some(first), Some(last)) = (counts.front(), counts.back()) else { return false };
    let n_rises = counts.iter().zip(counts.iter().skip(1)).filter(|(before, after)| after.n > before.n).count();
    counts.len() == COUNTS && last.n >= MANY && last.n * 2 >= first.n * 3 && n_rises + EXCEPTIONS >= COUNTS - 1
}

fn leak(place: &str, counts: &VecDeque<Count>) -> Warning {
    let (first, last) = (counts[0], counts[counts.len() - 1]);
    let (n, before, time) = (last.n, first.n, in_words(last.at_ms.saturating_sub(first.at_ms)));
    let sentence = format!(
        "{n} live processes were spawned at {place}. There were {before} of them {time} before, and the number keeps rising."
    );
    let advice = "Nothing seems to end them. They may wait for something that never comes, or have no timeout.";
    let kind = (WarningKind::Leak, Severity::Notice);
    Warning { place: Some(place.to_owned()), ..warning(kind, place.to_owned(), sentence, advice, "tasks") }
}

/// Returns a time in words. The counts of a program with very many processes are farther apart than [`STEP_MS`], because scans are rare.
fn in_words(ms: u64) -> String {
    let seconds = (ms + 500) / 1000;
    if seconds < 180 { format!("{seconds} seconds") } else { format!("{} minutes", (seconds + 30) / 60) }
}

#[cfg(test)]
mod tests;

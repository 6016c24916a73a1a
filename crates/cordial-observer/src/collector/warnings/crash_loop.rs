//! Warns of source locations at which processes crash again and again.

use std::collections::HashMap;

use super::warning_of::warning;
use crate::collector::crash_log::{CrashLog, Logged};
use crate::source::shortened;
use crate::view::{Severity, Warning, WarningKind};

/// This many crashes at one place within a minute are a loop.
const MIN_CRASHES: usize = 5;
const MINUTE_MS: u64 = 60_000;

/// The warning quotes at most this many bytes of the message of the newest crash.
const MAX_MESSAGE: usize = 120;

pub(super) fn find(crashes: &CrashLog, now_ms: u64) -> Vec<Warning> {
    let mut loops: HashMap<&str, (usize, &Logged)> = HashMap::new();
    let recent = crashes.newest_first().take_while(|logged| logged.at_ms + MINUTE_MS >= now_ms);
    recent.for_each(|logged| loops.entry(&logged.place).or_insert((0, logged)).0 += 1);
    // Sorted, because the order of a hash map differs from call to call, and the warnings on the page must not change their order.
    let mut loops: Vec<_> = loops.into_iter().filter(|(_, (n, _))| *n >= MIN_CRASHES).collect();
    loops.sort_unstable_by_key(|(place, _)| *place);
    let warning_of = |(place, (n, newest)): (&str, (usize, &Logged))| {
        let message = newest.view().message;
        let message = shortened(message.lines().next().unwrap_or_default(), MAX_MESSAGE);
        let sentence = format!("{n} processes crashed at {place} within a minute: {message}");
        let advice = "The same place fails again and again. The crash log has the messages and the backtraces.";
        let kind = (WarningKind::CrashLoop, Severity::Warning);
        Warning { place: Some(place.to_owned()), ..warning(kind, place.to_owned(), sentence, advice, "crashes") }
    };
    loops.into_iter().map(warning_of).collect()
}

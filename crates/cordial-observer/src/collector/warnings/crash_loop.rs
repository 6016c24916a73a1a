//! Warns of source locations at which processes crash again and again.

use std::collections::HashMap;

use super::warning_of::warning;
use crate::collector::crash_log::CrashLog;
use crate::view::{Severity, Warning, WarningKind};

/// This many crashes at one place within a minute are a loop.
const MIN_CRASHES: usize = 5;
const MINUTE_MS: u64 = 60_000;

pub(super) fn find(crashes: &CrashLog, now_ms: u64) -> Vec<Warning> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    let recent = crashes.newest_first().take_while(|logged| logged.at_ms + MINUTE_MS >= now_ms);
    recent.for_each(|logged| *counts.entry(&logged.place).or_default() += 1);
    let mut loops: Vec<(&str, usize)> = counts.into_iter().filter(|(_, n)| *n >= MIN_CRASHES).collect();
    // The order of a hash map differs between scans. Sorted warnings do not change places on the page.
    loops.sort_unstable();
    let warning_of = |(place, n): (&str, usize)| {
        let sentence = format!("{n} processes have crashed at {place} within a minute.");
        let advice = "The same place fails again and again. The crash log has the messages and the backtraces.";
        let kind = (WarningKind::CrashLoop, Severity::Warning);
        Warning { place: Some(place.to_owned()), ..warning(kind, place.to_owned(), sentence, advice, "crashes") }
    };
    loops.into_iter().map(warning_of).collect()
}

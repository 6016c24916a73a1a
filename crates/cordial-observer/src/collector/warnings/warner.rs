//! Applies the rules, and remembers since when each warning holds.

use std::collections::{HashMap, HashSet};

use cordial::process::LongPoll;

use super::leak::Leaks;
use super::mailbox::Mailboxes;
use super::wake_storm::WakeStorms;
use super::{balance, crash_loop, long_poll, restarts};
use crate::collector::crash_log::CrashLog;
use crate::collector::history::Rings;
use crate::source::Scan;
use crate::view::Warning;

/// How many warnings of one kind are kept, the first ones of their rule: of a thousand processes with the same problem, a few are enough.
const MAX_OF_KIND: usize = 20;

/// Finds the warnings, and remembers since when each of them holds.
#[derive(Debug, Default)]
pub(crate) struct Warner {
    current: Vec<Warning>,
    /// The warnings that follow from the last scan. There may be fewer scans than updates.
    of_scan: Vec<Warning>,
    scanned_at_ms: Option<u64>,
    /// Since when each warning holds, by its id.
    since: HashMap<String, u64>,
    wake_storms: WakeStorms,
    leaks: Leaks,
    mailboxes: Mailboxes,
}

impl Warner {
    /// Applies the rules. Called once a second.
    pub(crate) fn update(
        &mut self,
        scan: &Scan,
        long_polls: &[LongPoll],
        history: &Rings,
        crashes: &CrashLog,
        now_ms: u64,
    ) {
        if self.scanned_at_ms != Some(scan.at_ms) {
            self.scanned_at_ms = Some(scan.at_ms);
            let mut found = long_poll::abandoned(scan);
            found.extend(self.wake_storms.find(scan));
            found.extend(self.leaks.find(scan));
            found.extend(self.mailboxes.find(scan));
            found.extend(restarts::near_limit(scan));
            self.of_scan = found;
        }
        let mut found = self.of_scan.clone();
        found.extend(long_poll::stuck(long_polls));
        found.extend(crash_loop::find(crashes, now_ms));
        found.extend(balance::find(history));
        let mut n_of_kind = HashMap::new();
        found.retain(|warning| {
            let n: &mut usize = n_of_kind.entry(warning.kind).or_default();
            *n += 1;
            *n <= MAX_OF_KIND
        });
        let ids: HashSet<&str> = found.iter().map(|warning| &*warning.id).collect();
        self.since.retain(|id, _| ids.contains(&**id));
        for warning in &mut found {
            warning.since_at_ms = *self.since.entry(warning.id.clone()).or_insert(now_ms);
        }
        found.sort_by_key(|warning| (std::cmp::Reverse(warning.severity), warning.since_at_ms));
        self.current = found;
    }

    /// Returns the warnings that hold now, the most severe first.
    pub(crate) fn current(&self) -> &[Warning] {
        &self.current
    }
}

//! The most recent crashes.

use std::collections::{HashMap, VecDeque};

use cordial::Pid;
use cordial::process::Crash as Recorded;

use crate::clock::Clock;
use crate::log_lines::LogLines;
use crate::source::{Scan, backtrace_of, chain_of, kind_of, place_of, shortened, shown_label};
use crate::view::{Crash, CrashDetail, CrashGroup, Crashes};

/// How many crashes are kept.
const CAPACITY: usize = 1000;

/// How many labels a group shows.
const LABELS: usize = 3;

/// The field `message` of a crash has at most this many bytes of its message. `chain` has more of it.
const MAX_MESSAGE: usize = 2000;

/// For how long a crash counts as recent.
const RECENT_MS: u64 = 60_000;

/// How many other crashes of the same place are named.
const OTHERS: usize = 20;

/// A ring buffer of crashes, oldest first.
#[derive(Debug, Default)]
pub(crate) struct CrashLog {
    crashes: VecDeque<Logged>,
    /// The number of the newest crash.
    n: u64,
    /// How many crashes were dropped by the library before they were read.
    n_missed: u64,
    /// An entry for each second in which processes have crashed, oldest first: the time of its first crash, in milliseconds, and the
    /// number of its crashes. Counts crashes that are not kept as well.
    recent: VecDeque<(u64, u64)>,
    /// Whether crashes were read before. The crashes that the library had dropped before the first reading may be days old.
    was_read: bool,
}

#[derive(Debug)]
pub(crate) struct Logged {
    pub(crate) at_ms: u64,
    pub(crate) place: String,
    pub(crate) crash: Recorded,
}

impl CrashLog {
    /// Adds crashes, which are ordered oldest first. Ignores those that were added before.
    pub(crate) fn extend(&mut self, new: Vec<Recorded>, clock: &Clock) {
        for crash in new {
            if crash.number <= self.n {
                continue;
            }
            let at_ms = clock.before_now_ms(crash.ago);
            self.note(at_ms, if self.was_read { crash.number - self.n } else { 1 });
            self.was_read = true;
            self.n_missed += crash.number - self.n - 1;
            self.n = crash.number;
            if self.crashes.len() == CAPACITY {
                self.crashes.pop_front();
            }
            let place = place_of(&crash).to_string();
            self.crashes.push_back(Logged { at_ms, place, crash });
        }
        self.was_read = true;
    }

    /// Counts `n` crashes of this time.
    fn note(&mut self, at_ms: u64, n: u64) {
        match self.recent.back_mut() {
            Some((first_at_ms, count)) if *first_at_ms / 1000 >= at_ms / 1000 => *count += n,
            _ => self.recent.push_back((at_ms, n)),
        }
        while self.recent.front().is_some_and(|(first_at_ms, _)| first_at_ms + RECENT_MS < at_ms) {
            self.recent.pop_front();
        }
    }

    /// Returns how many processes have crashed in the last minute.
    pub(crate) fn n_recent(&self, now_ms: u64) -> u64 {
        self.recent.iter().filter(|(first_at_ms, _)| first_at_ms + RECENT_MS >= now_ms).map(|(_, n)| n).sum()
    }

    /// Returns how many processes of the runtime had crashed at the last reading.
    pub(crate) fn total(&self) -> u64 {
        self.n
    }

    /// Returns how many crashes the library had dropped before they were read.
    pub(crate) fn n_missed(&self) -> u64 {
        self.n_missed
    }

    /// Returns the crashes, newest first.
    pub(crate) fn newest_first(&self) -> impl Iterator<Item = &Logged> {
        self.crashes.iter().rev()
    }

    /// Returns the crash of a process.
    pub(crate) fn of_pid(&self, pid: Pid) -> Option<&Logged> {
        self.newest_first().find(|logged| logged.crash.pid == pid)
    }

    /// Returns whether the log has every crash since this moment.
    pub(crate) fn has_all_since(&self, at_ms: u64) -> bool {
        let mut next = self.n;
        // The crashes before a gap are not looked at.
        let is_next = |logged: &&Logged| logged.crash.number == std::mem::replace(&mut next, logged.crash.number - 1);
        let first = self.newest_first().take_while(is_next).last();
        first.is_none_or(|first| first.crash.number == 1 || first.at_ms < at_ms)
    }

    /// Returns the crashes for which `matches` returns true: their groups, and a part of them.
    pub(crate) fn list(&self, offset: usize, limit: usize, matches: &dyn Fn(&Crash) -> bool) -> Crashes {
        let views: Vec<Crash> = self.newest_first().map(Logged::view).filter(|crash| matches(crash)).collect();
        let (total, matched) = (self.n, views.len());
        let dropped = self.n - self.crashes.len() as u64;
        let groups = groups(&views);
        let rows = views.into_iter().skip(offset).take(limit).collect();
        Crashes { total, dropped, matched, groups, offset, rows }
    }

    pub(crate) fn detail(&self, n: u64, scan: &Scan, lines: Option<&LogLines>, clock: &Clock) -> Option<CrashDetail> {
        let logged = self.crashes.iter().find(|logged| logged.crash.number == n)?;
        let same: Vec<u64> =
            self.newest_first().filter(|other| other.place == logged.place).map(|other| other.crash.number).collect();
        let exit = &logged.crash.exit;
        Some(CrashDetail {
            crash: logged.view(),
            chain: chain_of(exit),
            backtrace: backtrace_of(exit),
            log: lines.map(|lines| lines.of(logged.crash.pid, clock)),
            ancestors: logged.crash.callers.iter().map(|pid| scan.reference(*pid)).collect(),
            same_place: same.len(),
            others: same.into_iter().filter(|other| *other != n).take(OTHERS).collect(),
        })
    }
}

impl Logged {
    pub(crate) fn view(&self) -> Crash {
        let Recorded { number, pid, label, spawned_at, supervisor, incarnation, exit, age, .. } = &self.crash;
        Crash {
            n: *number,
            at_ms: self.at_ms,
            pid: pid.to_string(),
            label: shown_label(label.as_ref()),
            place: self.place.clone(),
            spawned_at: spawned_at.to_string(),
            exit_kind: kind_of(exit).to_owned(),
            message: shortened(&chain_of(exit)[0], MAX_MESSAGE),
            supervisor: supervisor.map(|pid| pid.to_string()),
            incarnation: *incarnation,
            age_ms: crate::clock::in_ms(*age),
        }
    }
}

/// Groups crashes, which are ordered newest first, by place and kind.
fn groups(crashes: &[Crash]) -> Vec<CrashGroup> {
    let mut groups: Vec<CrashGroup> = Vec::new();
    let mut index_of: HashMap<(&str, &str), usize> = HashMap::new();
    for crash in crashes {
        let index = *index_of.entry((&crash.place, &crash.exit_kind)).or_insert(groups.len());
        if index == groups.len() {
            groups.push(CrashGroup {
                n: crash.n,
                place: crash.place.clone(),
                exit_kind: crash.exit_kind.clone(),
                message: crash.message.clone(),
                count: 0,
                first_at_ms: crash.at_ms,
                last_at_ms: crash.at_ms,
                labels: Vec::new(),
            });
        }
        let group = &mut groups[index];
        group.count += 1;
        group.first_at_ms = group.first_at_ms.min(crash.at_ms);
        if let Some(label) = crash.label.as_ref().filter(|label| !group.labels.contains(label))
            && group.labels.len() < LABELS
        {
            group.labels.push(label.clone());
        }
    }
    groups
}

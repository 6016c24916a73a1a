//! The past of the few processes for whose details clients have asked last.

use std::collections::VecDeque;

use cordial::Pid;

use crate::clock::in_ms;
use crate::source::Scan;
use crate::view::{DetailColumns, Moment, State};

/// How many processes are watched. A further one replaces the one whose details were requested least recently.
const MAX_WATCHED: usize = 16;

/// How many points are kept of each: 10 minutes.
const MAX_POINTS: usize = 600;

/// How many moments are kept of each, besides the spawn.
const MAX_MOMENTS: usize = 200;

/// After how long without a poll a process counts as one that waits.
const WAITS_MS: u64 = 10_000;

/// The processes that are watched, including those that have ended meanwhile.
#[derive(Debug, Default)]
pub(crate) struct Watched(Vec<WatchedProcess>);

/// What the observer has seen of a process.
#[derive(Debug, Default)]
pub(crate) struct SeenBefore {
    pub(crate) history: DetailColumns,
    /// The events of its life, oldest first.
    pub(crate) moments: Vec<Moment>,
    /// For how long it was not polled, as far as scans have shown; `None` if it was polled between the last two scans.
    pub(crate) quiet_ms: Option<u64>,
}

/// What the observer has seen of a process that has ended.
#[derive(Debug)]
pub(crate) struct Life {
    /// The events of its life, oldest first.
    pub(crate) moments: Vec<Moment>,
    /// The time of the last scan that has it.
    pub(crate) alive_at_ms: u64,
    /// When its end was seen.
    pub(crate) ended_at_ms: u64,
}

#[derive(Debug)]
struct WatchedProcess {
    pid: Pid,
    asked_at_ms: u64,
    first_at_ms: u64,
    points: VecDeque<DetailPoint>,
    /// The spawn. It is not one of `moments`, of which the oldest are dropped.
    spawned: Moment,
    moments: VecDeque<Moment>,
    seen: Seen,
    ended_at_ms: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
struct DetailPoint {
    busy: f32,
    polls: f32,
    mailbox: Option<usize>,
}

/// The state of a process in the last scan.
#[derive(Clone, Debug)]
struct Seen {
    at_ms: u64,
    state: State,
    polls: u32,
    long_polls: u32,
    /// When the current number of polls was seen first, or the process was seen in a poll last.
    quiet_since_ms: u64,
    /// Whether the moment `waits` was added.
    waits: bool,
}

impl Watched {
    /// Returns the past of a process, and watches it from now on.
    pub(crate) fn past(&mut self, scan: &Scan, index: usize) -> SeenBefore {
        let pid = scan.rows()[index].pid;
        let one = match self.0.iter().position(|one| one.pid == pid) {
            Some(index) => &mut self.0[index],
            None => self.begin(scan, index),
        };
        one.asked_at_ms = scan.at_ms;
        let history = DetailColumns {
            step_ms: 1000,
            first_at_ms: one.first_at_ms,
            busy: one.points.iter().map(|point| point.busy).collect(),
            polls: one.points.iter().map(|point| point.polls).collect(),
            mailbox: one.points.iter().map(|point| point.mailbox).collect(),
        };
        let quiet_ms = scan.at_ms.checked_sub(one.seen.quiet_since_ms).filter(|quiet_ms| *quiet_ms > 0);
        SeenBefore { history, moments: one.life(), quiet_ms }
    }

    /// Returns what has happened to a process that was watched and has ended; `None` if it was not watched.
    pub(crate) fn life(&mut self, pid: Pid, now_ms: u64) -> Option<Life> {
        let one = self.0.iter_mut().find(|one| one.pid == pid)?;
        one.asked_at_ms = now_ms;
        // Does nothing if a scan has shown the end.
        let ended_at_ms = one.end(now_ms);
        Some(Life { moments: one.life(), alive_at_ms: one.seen.at_ms, ended_at_ms })
    }

    fn begin(&mut self, scan: &Scan, index: usize) -> &mut WatchedProcess {
        if self.0.len() == MAX_WATCHED {
            let oldest = (0..self.0.len()).min_by_key(|index| self.0[*index].asked_at_ms).expect("some are watched");
            self.0.swap_remove(oldest);
        }
        self.0.push(WatchedProcess::new(scan, index));
        self.0.last_mut().expect("one was pushed")
    }

    /// Records what a scan shows of the watched processes.
    pub(crate) fn record(&mut self, scan: &Scan) {
        for one in self.0.iter_mut().filter(|one| one.ended_at_ms.is_none()) {
            match scan.index_of(one.pid) {
                Some(index) => one.record(scan, index),
                // A scan does not have all processes if there are too many.
                None if scan.n_left_out() > 0 => {}
                None => {
                    one.end(scan.at_ms);
                }
            }
        }
    }
}

impl WatchedProcess {
    fn new(scan: &Scan, index: usize) -> WatchedProcess {
        let row = &scan.rows()[index];
        let spawned = Moment {
            at_ms: scan.at_ms.saturating_sub(in_ms(row.age())),
            what: "spawned".to_owned(),
            detail: Some(scan.places.text(row.place).to_owned()),
        };
        let seen = Seen {
            at_ms: scan.at_ms,
            state: row.state,
            polls: row.polls,
            long_polls: row.long_polls,
            quiet_since_ms: scan.at_ms,
            waits: false,
        };
        let mut one = WatchedProcess {
            pid: row.pid,
            asked_at_ms: scan.at_ms,
            first_at_ms: scan.at_ms,
            points: VecDeque::new(),
            spawned,
            moments: VecDeque::new(),
            seen,
            ended_at_ms: None,
        };
        if row.polls > 0 {
            let polled = if row.polls == 1 { "once".to_owned() } else { format!("{} times", row.polls) };
            one.add(scan.at_ms, "watched", Some(format!("it had been polled {polled} by then")));
        }
        one
    }

    /// Returns all moments, oldest first.
    fn life(&self) -> Vec<Moment> {
        std::iter::once(&self.spawned).chain(&self.moments).cloned().collect()
    }

    fn add(&mut self, at_ms: u64, what: &str, detail: Option<String>) {
        if self.moments.len() == MAX_MOMENTS {
            self.moments.pop_front();
        }
        self.moments.push_back(Moment { at_ms, what: what.to_owned(), detail });
    }

    /// Records the end, unless it was recorded before. Returns when it was seen first.
    fn end(&mut self, at_ms: u64) -> u64 {
        if self.ended_at_ms.is_none() {
            self.add(at_ms, "ended", None);
        }
        *self.ended_at_ms.get_or_insert(at_ms)
    }

    fn record(&mut self, scan: &Scan, index: usize) {
        let row = &scan.rows()[index];
        let mailbox = scan.mailbox(self.pid).map(|mailbox| mailbox.length);
        let (busy, polls) = (scan.busy_share(index) as f32, scan.polls_per_second(index) as f32);
        self.push(scan.at_ms, DetailPoint { busy, polls, mailbox });
        let before = self.seen.clone();
        let (at_ms, state) = (scan.at_ms, row.state);
        self.seen = Seen { at_ms, state, polls: row.polls, long_polls: row.long_polls, ..self.seen };
        // A process that was killed in a poll is not in the state `Running`.
        if row.polls != before.polls || row.thread.is_some() {
            self.seen.quiet_since_ms = scan.at_ms;
            self.seen.waits = false;
        }
        self.note(scan.at_ms, &before);
    }

    /// Adds a point for each second since the last point: a scan may come later than after one second. Adds none if the scan comes too early.
    fn push(&mut self, at_ms: u64, point: DetailPoint) {
        if self.points.is_empty() {
            self.first_at_ms = at_ms;
        }
        let n_due = (at_ms.saturating_sub(self.first_at_ms) + 500) / 1000 + 1;
        let n_new = n_due.saturating_sub(self.points.len() as u64);
        self.points.extend(std::iter::repeat_n(point, n_new.min(MAX_POINTS as u64) as usize));
        let n_old = self.points.len().saturating_sub(MAX_POINTS);
        self.points.drain(..n_old);
        self.first_at_ms += 1000 * n_due.saturating_sub(self.points.len() as u64);
    }

    /// Adds what has happened between two scans.
    fn note(&mut self, at_ms: u64, before: &Seen) {
        let seen = self.seen.clone();
        if before.polls == 0 && seen.polls > 0 {
            self.add(at_ms, "first poll", None);
        }
        let quiet_ms = at_ms.saturating_sub(before.quiet_since_ms);
        if before.waits && !seen.waits {
            self.add(at_ms, "woken", Some(format!("it had waited for {} s", quiet_ms / 1000)));
        }
        if !seen.waits && seen.state == State::Waiting && at_ms.saturating_sub(seen.quiet_since_ms) >= WAITS_MS {
            self.seen.waits = true;
            self.add(seen.quiet_since_ms, "waits", None);
        }
        let n_long = seen.long_polls.saturating_sub(before.long_polls);
        if n_long > 0 {
            self.add(at_ms, "long polls", Some(format!("{n_long} more")));
        }
        if seen.state != before.state {
            match seen.state {
                State::ShutdownRequested => self.add(at_ms, "shutdown requested", None),
                State::Exiting => self.add(at_ms, "exiting", None),
                State::Abandoned => self.add(at_ms, "abandoned", None),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests;

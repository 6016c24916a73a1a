//! One reading of all processes.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::OnceLock;
use std::time::Duration;

use cordial::Pid;
use cordial::process::{Inspector, MailboxInfo, Supervision};

use super::polls::{PollInProgress, PollsInProgress, polls_in_progress};
use super::{Places, Row};
use crate::clock::in_ms;
use crate::view::{Kind, Reference, StateCounts};

/// How many processes a scan keeps: those with the smallest pids. The others are only counted.
const MAX_ROWS: usize = 1_000_000;

/// How many supervisors are asked for their strategy and their restarts in each scan: those with the smallest pids.
const MAX_SUPERVISORS: usize = 10_000;

/// One reading of all processes, ordered by pid. The tables of processes and the tree are made from the same scan until there is a newer one.
#[derive(Debug)]
pub(crate) struct Scan {
    pub(crate) at_ms: u64,
    /// The time since the scan before it; zero if there was none.
    pub(crate) interval: Duration,
    pub(crate) places: Places,
    rows: Vec<Row>,
    /// The counters of each process before the interval, in the order of `rows`; zero for a new process.
    earlier: Vec<Earlier>,
    n_left_out: usize,
    n_servers: usize,
    n_connections: usize,
    supervisors: HashMap<Pid, Supervision>,
    mailboxes: HashMap<Pid, MailboxInfo>,
    /// How many messages each server had handled before the interval.
    handled_earlier: HashMap<Pid, u64>,
    polls: PollsInProgress,
    counts: StateCounts,
    tree: OnceLock<Levels>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Earlier {
    busy: Duration,
    polls: u32,
    self_wakes: u32,
    /// How long the process had waited for a worker, if it was ready.
    in_queue_ms: Option<u32>,
}

/// What the next scan needs of this one: a few bytes of each process, so that this scan need not be in memory while the next is made.
#[derive(Debug, Default)]
pub(crate) struct Before {
    at_ms: u64,
    /// Ordered by pid.
    processes: Vec<(Pid, Earlier)>,
    handled: HashMap<Pid, u64>,
    polls: PollsInProgress,
}

/// The tree of the processes: which process is below which other one.
#[derive(Debug)]
struct Levels {
    /// Indices of rows, sorted by the index of the row above, then oldest first.
    order: Vec<u32>,
    /// The index of the row above each row; `ROOT` if there is none.
    above: Vec<u32>,
    /// How many rows are below each row, on all levels.
    below: Vec<u32>,
}

const ROOT: u32 = u32::MAX;

impl Scan {
    /// Reads all processes, and compares them with the scan before.
    pub(crate) fn new(inspector: &Inspector, at_ms: u64, before: Option<Before>) -> Scan {
        Scan::with_rows(inspector, at_ms, before, MAX_ROWS)
    }

    /// Reads all processes, and keeps at most this many of them.
    fn with_rows(inspector: &Inspector, at_ms: u64, before: Option<Before>, max_rows: usize) -> Scan {
        let n = inspector.totals().alive.min(max_rows);
        let (mut rows, mut places, mut counts) = (Vec::with_capacity(n), Places::default(), StateCounts::default());
        let (mut mailboxes, mut n_left_out) = (HashMap::new(), 0);
        let _ = inspector.visit(None, |summary| {
            if rows.len() == max_rows {
                n_left_out += 1;
                return ControlFlow::Continue(());
            }
            let row = Row::new(summary, &mut places);
            counts.add(row.state);
            mailboxes.extend(summary.mailbox.clone().map(|mailbox| (row.pid, mailbox)));
            rows.push(row);
            ControlFlow::Continue(())
        });
        let supervision = |row: &Row| Some((row.pid, inspector.info_without_details(row.pid)?.supervises?));
        let supervisors = rows.iter().filter(|row| row.is_supervisor()).take(MAX_SUPERVISORS);
        let supervisors = supervisors.filter_map(supervision).collect();
        let n_of = |kind: Kind| rows.iter().filter(|row| row.kind == kind).count();
        let (n_servers, n_connections) = (n_of(Kind::Server), n_of(Kind::Connection));
        let interval = before.as_ref().map_or(0, |before| at_ms.saturating_sub(before.at_ms));
        let Before { processes, handled: handled_earlier, polls: earlier_polls, .. } = before.unwrap_or_default();
        let polls = polls_in_progress(&mut rows, at_ms, &earlier_polls);
        let earlier = earlier(&rows, &processes);
        Scan {
            at_ms,
            interval: Duration::from_millis(interval),
            places,
            rows,
            earlier,
            n_left_out,
            n_servers,
            n_connections,
            supervisors,
            mailboxes,
            handled_earlier,
            polls,
            counts,
            tree: OnceLock::new(),
        }
    }

    /// Returns what the next scan needs of this one.
    pub(crate) fn before(&self) -> Before {
        let of = |(index, row): (usize, &Row)| {
            let in_queue_ms = self.in_queue_ms(index).map(|lasted| u32::try_from(lasted).unwrap_or(u32::MAX));
            (row.pid, Earlier { busy: row.busy(), polls: row.polls, self_wakes: row.self_wakes, in_queue_ms })
        };
        Before {
            at_ms: self.at_ms,
            processes: self.rows.iter().enumerate().map(of).collect(),
            handled: self.mailboxes.iter().map(|(pid, mailbox)| (*pid, mailbox.handled)).collect(),
            polls: self.polls.clone(),
        }
    }

    /// Returns how many processes there are.
    pub(crate) fn total(&self) -> usize {
        self.rows.len() + self.n_left_out
    }

    /// Returns how many processes are in no row.
    pub(crate) fn n_left_out(&self) -> usize {
        self.n_left_out
    }

    /// Returns whether a process, if it is alive, has no row because there are too many processes. A new scan would have no row for it either.
    pub(crate) fn leaves_out(&self, pid: Pid) -> bool {
        self.n_left_out > 0 && self.rows.last().is_some_and(|last| last.pid < pid)
    }

    /// Returns the processes, ordered by pid.
    pub(crate) fn rows(&self) -> &[Row] {
        &self.rows
    }

    pub(crate) fn counts(&self) -> StateCounts {
        self.counts
    }

    pub(crate) fn n_servers_and_connections(&self) -> (usize, usize) {
        (self.n_servers, self.n_connections)
    }

    pub(crate) fn index_of(&self, pid: Pid) -> Option<usize> {
        self.rows.binary_search_by_key(&pid, |row| row.pid).ok()
    }

    pub(crate) fn row(&self, pid: Pid) -> Option<&Row> {
        Some(&self.rows[self.index_of(pid)?])
    }

    pub(crate) fn label_of(&self, pid: Pid) -> Option<String> {
        self.row(pid)?.label.as_deref().map(str::to_owned)
    }

    /// Returns a reference to a process, which counts as ended if the scan does not have it.
    pub(crate) fn reference(&self, pid: Pid) -> Reference {
        let row = self.row(pid);
        let label = row.map(|row| row.label.as_deref().unwrap_or(self.places.text(row.place)).to_owned());
        Reference { pid: pid.to_string(), label, alive: row.is_some() }
    }

    /// Returns the name of a server in the metrics: its label, or else the place of its start.
    pub(crate) fn name_of_server(&self, pid: Pid) -> Option<&str> {
        let row = self.row(pid)?;
        Some(row.label.as_deref().unwrap_or(self.places.text(row.place)))
    }

    /// Returns the poll that a process was in at the time of this scan, if that poll had lasted for about 1 ms or more.
    pub(crate) fn poll_in_progress(&self, pid: Pid) -> Option<PollInProgress> {
        self.polls.get(&pid).copied()
    }

    pub(crate) fn supervision(&self, pid: Pid) -> Option<&Supervision> {
        self.supervisors.get(&pid)
    }

    pub(crate) fn mailbox(&self, pid: Pid) -> Option<&MailboxInfo> {
        self.mailboxes.get(&pid)
    }

    pub(crate) fn supervisors(&self) -> impl Iterator<Item = (Pid, &Supervision)> {
        self.supervisors.iter().map(|(pid, supervision)| (*pid, supervision))
    }

    pub(crate) fn mailboxes(&self) -> impl Iterator<Item = (Pid, &MailboxInfo)> {
        self.mailboxes.iter().map(|(pid, mailbox)| (*pid, mailbox))
    }

    /// Returns how many messages a server has handled per second in the interval. 0 for a new process, because its counter may include the
    /// messages of earlier incarnations.
    pub(crate) fn handled_per_second(&self, pid: Pid) -> f64 {
        let now = self.mailboxes.get(&pid).map_or(0, |mailbox| mailbox.handled);
        let earlier = self.handled_earlier.get(&pid).copied().unwrap_or(now);
        self.per_second(now.saturating_sub(earlier) as f64)
    }

    /// Returns the share of the interval in which a process was in polls.
    pub(crate) fn busy_share(&self, index: usize) -> f64 {
        let spent = self.rows[index].busy().saturating_sub(self.earlier[index].busy);
        if self.interval.is_zero() { 0.0 } else { (spent.as_secs_f64() / self.lifetime(index)).min(1.0) }
    }

    pub(crate) fn polls_per_second(&self, index: usize) -> f64 {
        let polls = self.rows[index].polls.wrapping_sub(self.earlier[index].polls);
        if self.interval.is_zero() { 0.0 } else { f64::from(polls) / self.lifetime(index) }
    }

    pub(crate) fn self_wakes_per_second(&self, index: usize) -> f64 {
        let self_wakes = self.rows[index].self_wakes.wrapping_sub(self.earlier[index].self_wakes);
        if self.interval.is_zero() { 0.0 } else { f64::from(self_wakes) / self.lifetime(index) }
    }

    /// Returns how long a process has waited for a worker, if it is ready: since its spawn if it was never polled, or else since the first scan in
    /// which it waited.
    pub(crate) fn in_queue_ms(&self, index: usize) -> Option<u64> {
        let (row, earlier) = (&self.rows[index], self.earlier[index]);
        if !row.is_queued {
            return None;
        }
        if row.polls == 0 {
            return Some(in_ms(row.age()));
        }
        let before = earlier.in_queue_ms.filter(|_| earlier.polls == row.polls);
        Some(before.map_or(0, |before| u64::from(before) + in_ms(self.interval)))
    }

    /// Returns for how many seconds of the interval a process has lived.
    fn lifetime(&self, index: usize) -> f64 {
        self.rows[index].age().min(self.interval).as_secs_f64().max(0.001)
    }

    fn per_second(&self, n: f64) -> f64 {
        if self.interval.is_zero() { 0.0 } else { n / self.interval.as_secs_f64() }
    }

    /// Returns the indices of the processes directly below one, or of the roots; the oldest first.
    pub(crate) fn directly_below(&self, above: Option<usize>) -> &[u32] {
        let levels = self.levels();
        let above = above.map_or(ROOT, as_index);
        let above_of = |index: &u32| levels.above[*index as usize];
        let first = levels.order.partition_point(|index| above_of(index) < above);
        let n = levels.order[first..].partition_point(|index| above_of(index) == above);
        &levels.order[first..first + n]
    }

    /// Returns how many processes are below one, on all levels.
    pub(crate) fn n_below(&self, index: usize) -> usize {
        self.levels().below[index] as usize
    }

    fn levels(&self) -> &Levels {
        self.tree.get_or_init(|| Levels::of(self))
    }
}

impl Levels {
    fn of(scan: &Scan) -> Levels {
        let mut above: Vec<u32> = Vec::with_capacity(scan.rows.len());
        let mut last = None;
        for row in &scan.rows {
            // Neighbors are often below the same process.
            let index = match last {
                Some((pid, index)) if row.above.pid() == Some(pid) => index,
                _ => row.above.pid().and_then(|pid| scan.index_of(pid)).map_or(ROOT, as_index),
            };
            last = row.above.pid().map(|pid| (pid, index));
            above.push(index);
        }
        let mut order: Vec<u32> = (0..as_index(scan.rows.len())).collect();
        let key = |index: &u32| {
            let row = &scan.rows[*index as usize];
            (above[*index as usize], std::cmp::Reverse(row.age()), row.pid)
        };
        order.sort_unstable_by_key(key);
        let below = count_below(&above);
        Levels { order, above, below }
    }
}

/// Counts the rows below each row, on all levels: begins with rows without children, and goes on with rows all of whose children are counted.
fn count_below(above: &[u32]) -> Vec<u32> {
    let mut below = vec![0_u32; above.len()];
    let mut waits_for = vec![0_u32; above.len()];
    above.iter().filter(|above| **above != ROOT).for_each(|above| waits_for[*above as usize] += 1);
    let mut ready: Vec<usize> = (0..above.len()).filter(|index| waits_for[*index] == 0).collect();
    while let Some(index) = ready.pop() {
        let Some(above) = Some(above[index]).filter(|above| *above != ROOT).map(|above| above as usize) else {
            continue;
        };
        below[above] += below[index] + 1;
        waits_for[above] -= 1;
        if waits_for[above] == 0 {
            ready.push(above);
        }
    }
    below
}

/// Returns what each process had done at the time of the earlier scan. Both are ordered by pid.
fn earlier(rows: &[Row], before: &[(Pid, Earlier)]) -> Vec<Earlier> {
    let mut before = before.iter().peekable();
    let of = |row: &Row| {
        while before.next_if(|(pid, _)| *pid < row.pid).is_some() {}
        before.next_if(|(pid, _)| *pid == row.pid).map(|(_, earlier)| *earlier).unwrap_or_default()
    };
    rows.iter().map(of).collect()
}

fn as_index(index: usize) -> u32 {
    u32::try_from(index).expect("a table has fewer than 2^32 processes")
}

#[cfg(test)]
mod tests;

//! The overview, and what is sent of it once a second.

use cordial::process::{Inspector, ThreadInfo, WorkerState as ThreadState};

use super::long_polls::long_polls;
use super::rows::task;
use super::tasks::{Sort, part};
use crate::clock::in_ms;
use crate::collector::Collector;
use crate::source::Scan;
use crate::view::{
    Dropped, History, LongPoll, Overview, Point, Program, Rights, Task, Tick, ViewTotals, Warning, Worker, WorkerState,
};

/// How many warnings, and how many long polls, an answer has.
const MAX_LISTED: usize = 20;

/// How many of the busiest processes an answer has.
const BUSIEST: usize = 5;

/// What does not change while the observer runs.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) name: String,
    pub(crate) start_id: String,
}

/// Returns the overview.
pub(crate) fn overview(
    collector: &mut Collector,
    identity: &Identity,
    dropped: Dropped,
    (rights, csrf): (Rights, String),
    with_history: bool,
) -> Overview {
    let scan = collector.scan();
    let (warnings, long_polls) = troubles(collector, &scan);
    let now = collector.now();
    Overview {
        program: Program {
            name: identity.name.clone(),
            os_pid: std::process::id(),
            start_id: identity.start_id.clone(),
            started_at_ms: collector.program_started_at_ms,
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            cordial_version: env!("CARGO_PKG_VERSION").to_owned(),
            closed: collector.inspector.is_shut_down(),
        },
        rights,
        csrf,
        workers: workers(collector, &now, &scan, &long_polls),
        now,
        history: if with_history { collector.history.view() } else { History::default() },
        counts: scan.counts(),
        totals: totals(collector, &scan),
        busiest: busiest(&scan, &collector.inspector),
        warnings,
        long_polls,
        crashes_total: collector.crashes.total(),
        crashes_last_minute: collector.crashes.n_recent(collector.clock.now_ms()),
        dropped: all_dropped(collector, &scan, dropped),
    }
}

/// Returns the data of the event that is sent once a second.
pub(crate) fn tick(collector: &mut Collector, identity: &Identity, dropped: Dropped) -> Tick {
    let scan = collector.seen();
    let (warnings, long_polls) = troubles(collector, &scan);
    let now = collector.now();
    Tick {
        start_id: identity.start_id.clone(),
        closed: collector.inspector.is_shut_down(),
        workers: workers(collector, &now, &scan, &long_polls),
        now,
        counts: scan.counts(),
        busiest: busiest(&scan, &collector.inspector),
        totals: totals(collector, &scan),
        warnings,
        long_polls,
        crashes_total: collector.crashes.total(),
        crashes_last_minute: collector.crashes.n_recent(collector.clock.now_ms()),
        dropped: all_dropped(collector, &scan, dropped),
    }
}

/// Completes the counters of the server with those of the collector.
fn all_dropped(collector: &Collector, scan: &Scan, by_server: Dropped) -> Dropped {
    Dropped {
        points: collector.history.n_dropped(),
        crashes: collector.crashes.n_missed(),
        tasks: scan.n_left_out() as u64,
        ..by_server
    }
}

fn totals(collector: &Collector, scan: &Scan) -> ViewTotals {
    let (servers, connections) = scan.n_servers_and_connections();
    let streams = collector.inspector.streams().len();
    let task_sets = collector.inspector.task_sets().len();
    ViewTotals { streams, servers, task_sets, connections }
}

fn troubles(collector: &Collector, scan: &Scan) -> (Vec<Warning>, Vec<LongPoll>) {
    let warnings = collector.warner.current().iter().take(MAX_LISTED).cloned().collect();
    let mut polls = long_polls(collector, scan);
    polls.truncate(MAX_LISTED);
    (warnings, polls)
}

fn workers(collector: &Collector, now: &Point, scan: &Scan, long_polls: &[LongPoll]) -> Vec<Worker> {
    let threads = collector.threads().iter().filter(|thread| thread.index < now.workers.len());
    let worker = |thread: &ThreadInfo| {
        let row = thread.pid.and_then(|pid| scan.row(pid));
        let pid = thread.pid.map(|pid| pid.to_string());
        let long_poll = long_polls.iter().find(|poll| Some(&poll.pid) == pid.as_ref());
        Worker {
            index: thread.index,
            busy: now.workers[thread.index],
            state: match thread.state {
                ThreadState::Blocked { .. } => WorkerState::Blocked,
                ThreadState::Active if thread.pid.is_some() => WorkerState::Running,
                ThreadState::Active => WorkerState::Idle,
                _ => WorkerState::Parked,
            },
            pid,
            label: row.and_then(|row| row.label.as_deref()).map(str::to_owned),
            place: row.map(|row| scan.places.text(row.place).to_owned()),
            since_ms: long_poll.map(|poll| poll.for_ms).or(thread.in_poll.map(in_ms)),
            queue: Some(thread.queued),
        }
    };
    threads.map(worker).collect()
}

fn busiest(scan: &Scan, inspector: &Inspector) -> Vec<Task> {
    let is_busy = |index: &u32| scan.busy_share(*index as usize) > 0.0;
    let n = u32::try_from(scan.rows().len()).expect("a scan has fewer than 2^32 processes");
    let busy: Vec<u32> = (0..n).filter(is_busy).collect();
    let part = part(scan, &busy, Sort::BusyShare, true, 0, BUSIEST);
    part.iter().map(|index| task(scan, inspector, *index as usize)).collect()
}

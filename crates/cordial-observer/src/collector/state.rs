//! The state of the observer, and its update once a second.

use std::sync::Arc;
use std::time::Duration;

use cordial::process::{Inspector, LongPoll, ThreadInfo, Totals};
use tokio::time::Instant;

use super::audit_log::AuditLog;
use super::crash_log::CrashLog;
use super::history::Rings;
use super::meter::{Counters, Meter};
use super::server_totals::ServerTotals;
use super::stream_rates::StreamRates;
use super::warnings::Warner;
use super::watched::Watched;
use crate::clock::{Clock, in_ms};
use crate::source::{OwnProcess, PollInProgress, Scan};
use crate::view::Point;

/// The shortest time between two scans, unless a client asks for a process that was started after the last scan.
const MIN_REFRESH: Duration = Duration::from_secs(1);

/// While a client is connected, scans may use 1/100 of one processor, and counting the processes may use another 1/100.
const SHARE_WITH_CLIENTS: u32 = 100;

/// A client counts as disconnected if it has sent no request for this long and reads no stream.
const CLIENT_LEAVES: Duration = Duration::from_secs(5);

/// The shortest time between two scans while no client is connected. These scans only serve the warnings and the counters of servers.
const MIN_REFRESH_ALONE: Duration = Duration::from_secs(10);

/// While no client is connected, scans may use 1/2000 of one processor, and counting the processes may use another 1/2000.
const SHARE_ALONE: u32 = 2000;

/// Timers round to milliseconds, so two ticks may be a little less than a second apart.
const TOLERANCE: Duration = Duration::from_millis(50);

/// Everything that the observer remembers.
#[derive(Debug)]
pub(crate) struct Collector {
    pub(crate) inspector: Inspector,
    pub(crate) clock: Clock,
    pub(crate) history: Rings,
    pub(crate) crashes: CrashLog,
    pub(crate) audit: AuditLog,
    pub(crate) warner: Warner,
    pub(crate) watched: Watched,
    pub(crate) stream_rates: StreamRates,
    pub(crate) server_totals: ServerTotals,
    /// When the program was started. If the system does not show the age of the program: when this collector was created.
    pub(crate) program_started_at_ms: u64,
    /// When the last request of a client arrived.
    last_request: Option<Instant>,
    meter: Meter,
    scan: Option<Arc<Scan>>,
    scanned: Timed,
    counted: Option<Timed>,
}

/// When some work was last begun, and how much processor time it took.
#[derive(Clone, Copy, Debug)]
struct Timed {
    at: Instant,
    cost: Duration,
}

impl Timed {
    /// Calls `f`, and measures the processor time that `f` uses. If the system does not show the processor time of a thread, measures the
    /// elapsed time instead. That may be a hundred times as long on a busy machine, because it includes the time in which other threads run.
    fn new<T>(f: impl FnOnce() -> T) -> (T, Timed) {
        let (at, before) = (Instant::now(), OwnProcess::thread_time());
        let value = f();
        let computed = OwnProcess::thread_time().zip(before).map(|(after, before)| after.saturating_sub(before));
        (value, Timed { at, cost: computed.unwrap_or_else(|| at.elapsed()) })
    }

    /// Returns whether the work may be repeated now: since it was begun, at least `least` has passed, and at least `share` times the
    /// processor time that it took.
    fn is_due(self, least: Duration, share: u32) -> bool {
        self.at.elapsed() + TOLERANCE >= least.max(self.cost * share)
    }
}

impl Collector {
    pub(crate) fn new(inspector: Inspector) -> Collector {
        let never = Timed { at: Instant::now(), cost: Duration::ZERO };
        let clock = Clock::new();
        Collector {
            inspector,
            clock,
            program_started_at_ms: clock.started_at_ms().saturating_sub(in_ms(OwnProcess::age().unwrap_or_default())),
            history: Rings::new(),
            crashes: CrashLog::default(),
            audit: AuditLog::default(),
            warner: Warner::default(),
            watched: Watched::default(),
            stream_rates: StreamRates::default(),
            server_totals: ServerTotals::default(),
            last_request: None,
            meter: Meter::new(),
            scan: None,
            scanned: never,
            counted: None,
        }
    }

    /// Records that a client has sent a request. A client then counts as connected for [`CLIENT_LEAVES`].
    pub(crate) fn record_request(&mut self) {
        self.last_request = Some(Instant::now());
    }

    /// Reads the counters, scans and counts the processes if these are due, and updates the warnings. Called once a second. `has_streams`
    /// says whether a client reads the stream of events.
    pub(crate) fn tick(&mut self, has_streams: bool) {
        let has_clients = has_streams || self.last_request.is_some_and(|at| at.elapsed() < CLIENT_LEAVES);
        let is_due = if has_clients {
            self.scanned.is_due(MIN_REFRESH, SHARE_WITH_CLIENTS)
        } else {
            self.scanned.is_due(MIN_REFRESH_ALONE, SHARE_ALONE)
        };
        let scan = if is_due || self.scan.is_none() { self.scan() } else { self.seen() };
        let share = if has_clients { SHARE_WITH_CLIENTS } else { SHARE_ALONE };
        let totals = self.counted.is_none_or(|counted| counted.is_due(MIN_REFRESH, share)).then(|| self.count());
        let reading = Counters {
            at: Instant::now(),
            statistics: self.inspector.statistics(),
            threads: self.inspector.threads(),
            usage: OwnProcess::usage(),
            totals,
        };
        let now_ms = self.clock.now_ms();
        let point = self.meter.read(now_ms, reading);
        self.history.push(&point);
        self.read_crashes();
        let long_polls = self.long_polls();
        self.warner.update(&scan, &long_polls, &self.history, &self.crashes, now_ms);
    }

    fn count(&mut self) -> Totals {
        let (totals, timed) = Timed::new(|| self.inspector.totals());
        self.counted = Some(timed);
        totals
    }

    /// Adds the crashes since the last reading to the log.
    pub(crate) fn read_crashes(&mut self) {
        let new = self.inspector.crashes(self.crashes.total());
        self.crashes.extend(new, &self.clock);
    }

    /// Returns the newest point. Before there is one, all of its numbers are 0.
    pub(crate) fn now(&self) -> Point {
        self.history.newest().cloned().unwrap_or_default()
    }

    /// Returns the threads as they were at the newest point.
    pub(crate) fn threads(&self) -> &[ThreadInfo] {
        self.meter.threads()
    }

    /// Returns the long polls that are in progress, the longest first.
    pub(crate) fn long_polls(&self) -> Vec<LongPoll> {
        let mut polls = self.inspector.long_polls();
        let now_ms = self.clock.now_ms();
        for poll in &mut polls {
            // The scan may have seen the poll begin earlier than the scheduler measures now: see `source::polls`.
            let seen = self.scan.as_ref().and_then(|scan| scan.poll_in_progress(poll.pid));
            let is_same = |seen: &PollInProgress| {
                self.inspector.info_without_details(poll.pid).is_some_and(|info| info.polls == seen.polls)
            };
            if let Some(seen) = seen.filter(is_same) {
                poll.lasted = poll.lasted.max(Duration::from_millis(now_ms.saturating_sub(seen.since_ms)));
            }
        }
        polls.sort_by_key(|poll| std::cmp::Reverse(poll.lasted));
        polls
    }

    /// Returns the last scan, even if it is old. Makes the first scan if there is none.
    pub(crate) fn seen(&mut self) -> Arc<Scan> {
        match &self.scan {
            Some(scan) => scan.clone(),
            None => self.scan(),
        }
    }

    /// Returns the last scan. If there is none, or the last one is older than [`refresh`](Collector::refresh), makes a new one.
    pub(crate) fn scan(&mut self) -> Arc<Scan> {
        match &self.scan {
            Some(scan) if !self.scanned.is_due(MIN_REFRESH, SHARE_WITH_CLIENTS) => scan.clone(),
            _ => self.scan_now(),
        }
    }

    /// Makes a new scan: reads all processes.
    pub(crate) fn scan_now(&mut self) -> Arc<Scan> {
        let at_ms = self.clock.now_ms();
        let last = self.scan.take();
        let inspector = &self.inspector;
        let (scan, timed) = Timed::new(|| {
            // Frees the last scan before the next one is made, because the two would need twice the memory. If an answer in progress
            // still holds the last scan, its memory is freed later.
            let before = last.map(|scan| scan.before());
            Arc::new(Scan::new(inspector, at_ms, before))
        });
        self.watched.record(&scan);
        self.server_totals.record(&scan);
        self.read_crashes();
        self.scanned = timed;
        self.scan = Some(scan.clone());
        scan
    }

    /// Returns how old a scan may be while a client is connected: 1 s, or more if scans are expensive.
    pub(crate) fn refresh(&self) -> Duration {
        MIN_REFRESH.max(self.scanned.cost * SHARE_WITH_CLIENTS)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use cordial::process;

    use super::{Collector, Timed};

    #[test]
    #[cfg(target_os = "linux")]
    fn the_cost_of_work_does_not_include_the_time_without_a_processor() {
        // A virtual machine may count some time in which it had no processor.
        let sleep = || Timed::new(|| std::thread::sleep(Duration::from_millis(20))).1.cost;
        let costs = [(); 5].map(|()| sleep());
        assert!(costs.iter().any(|cost| *cost < Duration::from_millis(10)), "{costs:?}");
    }

    #[test]
    fn the_first_point_has_the_number_of_processes() {
        cordial::testing::run(async {
            let mut collector = Collector::new(process::inspector());
            collector.tick(false);
            assert_eq!(collector.now().live, 1);
        });
    }
}

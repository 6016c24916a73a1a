//! Makes rates of counters: what happened between two readings.

use std::time::Duration;

use cordial::Statistics;
use cordial::process::{ThreadInfo, Totals};
use tokio::time::Instant;

use crate::source::Usage;
use crate::view::Point;

/// How many threads have a share of their own in a point.
const MAX_THREADS: usize = 64;

/// Compares each reading with the one before.
#[derive(Debug)]
pub(crate) struct Meter {
    last: Option<Counters>,
    /// When the processes were last counted, and the result: not every reading counts them.
    counted: Option<(Instant, Totals)>,
    /// The last point, whose numbers of processes stay until the processes are counted again.
    point: Point,
}

/// Counters at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Counters {
    pub(crate) at: Instant,
    pub(crate) statistics: Statistics,
    pub(crate) threads: Vec<ThreadInfo>,
    pub(crate) usage: Usage,
    /// How many processes there are and were; `None` if they were not counted this time.
    pub(crate) totals: Option<Totals>,
}

impl Meter {
    pub(crate) fn new() -> Meter {
        Meter { last: None, counted: None, point: Point::default() }
    }

    /// Returns what the program does, and what it did since the last reading.
    pub(crate) fn read(&mut self, at_ms: u64, reading: Counters) -> Point {
        let last = self.last.take().unwrap_or_else(|| reading.clone());
        let seconds = reading.at.duration_since(last.at).as_secs_f64();
        let rate = |now: u64, before: u64| per_second(now.saturating_sub(before) as f64, seconds);
        let (now, before) = (&reading.statistics, &last.statistics);
        let mut shares = shares(&reading.threads, &last.threads, seconds);
        // Of all threads, also of those that have no share of their own in the point.
        let utilization = shares.iter().sum::<f32>() / now.workers.max(1) as f32;
        shares.truncate(MAX_THREADS);
        let cpu = reading.usage.cpu.zip(last.usage.cpu);
        let mut point = Point {
            at_ms,
            utilization,
            workers: shares,
            threads: now.workers,
            stand_ins: now.stand_ins,
            queued: now.queued + now.injected,
            polls: rate(now.polls, before.polls),
            long_polls: rate(now.long_polls, before.long_polls),
            steals: rate(now.steals, before.steals),
            cpu: cpu.map(|(now, before)| per_second(now.saturating_sub(before).as_secs_f64(), seconds)),
            rss_bytes: reading.usage.rss_bytes,
            ..self.point.clone()
        };
        if let Some(totals) = &reading.totals {
            let (counted, before) = self.counted.replace((reading.at, *totals)).unwrap_or((reading.at, *totals));
            let seconds = reading.at.duration_since(counted).as_secs_f64();
            let rate = |now: u64, before: u64| per_second(now.saturating_sub(before) as f64, seconds);
            point.live = totals.alive as u64;
            point.spawned = rate(totals.spawned, before.spawned);
            point.ended = rate(totals.ended, before.ended);
            point.crashed = rate(totals.crashed.total(), before.crashed.total());
        }
        self.last = Some(reading);
        self.point = point.clone();
        point
    }

    /// Returns the threads of the last reading; none before the first one.
    pub(crate) fn threads(&self) -> &[ThreadInfo] {
        self.last.as_ref().map_or(&[], |reading| &reading.threads)
    }
}

/// Returns the busy share of each thread, by its index.
fn shares(now: &[ThreadInfo], before: &[ThreadInfo], seconds: f64) -> Vec<f32> {
    let n = now.iter().map(|thread| thread.index + 1).max().unwrap_or(0);
    let mut shares = vec![0.0; n];
    for thread in now {
        let earlier =
            before.iter().find(|other| other.index == thread.index).map_or(Duration::ZERO, |other| other.busy);
        shares[thread.index] = per_second(thread.busy.saturating_sub(earlier).as_secs_f64(), seconds).min(1.0);
    }
    shares
}

fn per_second(n: f64, seconds: f64) -> f32 {
    if seconds > 0.0 { (n / seconds) as f32 } else { 0.0 }
}

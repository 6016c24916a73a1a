//! The past in two resolutions, in rings of fixed size.

use std::collections::VecDeque;

use crate::view::{Columns, History, Point};

/// The past: one point per second for 10 minutes, and one point per 10 seconds for 6 hours.
#[derive(Debug)]
pub(crate) struct Rings {
    seconds: Ring,
    ten_seconds: Ring,
    /// The points that are not in `ten_seconds` yet, fewer than 10.
    recent: Vec<Option<Point>>,
    n_dropped: u64,
}

/// How many points of the first ring make one of the second.
const RATIO: usize = 10;

/// How early a timer may seem to be: as much as the tick to which its time is compared was late.
const TOLERANCE_MS: u64 = 20;

/// Points at a fixed distance, oldest first. `None` is a moment at which nothing was measured.
#[derive(Debug)]
struct Ring {
    points: VecDeque<Option<Point>>,
    capacity: usize,
    step_ms: u64,
    /// When the newest point was due. It may have been taken later.
    last_at_ms: u64,
}

impl Rings {
    pub(crate) fn new() -> Rings {
        Rings {
            seconds: Ring::new(600, 1000),
            ten_seconds: Ring::new(2160, 10_000),
            recent: Vec::with_capacity(RATIO),
            n_dropped: 0,
        }
    }

    /// Adds a point, and empty ones before it for the seconds that were missed. A tick is never early, but may be late, and the next one is on time
    /// again: so a point belongs to the second in which it was due, and the points stay a second apart.
    pub(crate) fn push(&mut self, point: &Point) {
        let Ring { step_ms, last_at_ms, .. } = self.seconds;
        let passed = if last_at_ms == 0 { step_ms } else { point.at_ms.saturating_sub(last_at_ms) };
        if passed < step_ms / 2 {
            self.replace_newest(point);
            return;
        }
        let n_due = ((passed + TOLERANCE_MS) / step_ms).max(1);
        // If this is earlier than a step after the last point, the last point was due earlier than it seemed.
        let due_at_ms = if last_at_ms == 0 { point.at_ms } else { point.at_ms.min(last_at_ms + n_due * step_ms) };
        let missed = n_due - 1;
        self.n_dropped += missed;
        // So many empty points push all others out of both rings, and those of `recent` as well.
        let n_empty = missed.min(((self.ten_seconds.capacity + 1) * RATIO) as u64);
        for before in (1..=n_empty).rev() {
            self.push_one(None, due_at_ms - before * step_ms);
        }
        self.push_one(Some(point), due_at_ms);
    }

    /// Takes a point for the same second as the newest one, which was so late that it was taken for a point of the next second. A mean that has the
    /// newest one stays.
    fn replace_newest(&mut self, point: &Point) {
        for newest in [self.seconds.points.back_mut(), self.recent.last_mut()].into_iter().flatten() {
            *newest = Some(point.clone());
        }
        self.seconds.last_at_ms = point.at_ms;
    }

    fn push_one(&mut self, point: Option<&Point>, at_ms: u64) {
        self.seconds.push(point.cloned(), at_ms);
        self.recent.push(point.cloned());
        if self.recent.len() == RATIO {
            let mean = mean(&self.recent);
            self.ten_seconds.push(mean, at_ms);
            self.recent.clear();
        }
    }

    /// Returns how many seconds were not measured.
    pub(crate) fn n_dropped(&self) -> u64 {
        self.n_dropped
    }

    pub(crate) fn newest(&self) -> Option<&Point> {
        self.seconds.points.back()?.as_ref()
    }

    /// Returns the most recent points, newest first, up to the last second that was not measured.
    pub(crate) fn newest_first(&self) -> impl Iterator<Item = &Point> {
        self.seconds.points.iter().rev().map_while(Option::as_ref)
    }

    pub(crate) fn view(&self) -> History {
        History { seconds: self.seconds.columns(), ten_seconds: self.ten_seconds.columns() }
    }
}

impl Ring {
    fn new(capacity: usize, step_ms: u64) -> Ring {
        Ring { points: VecDeque::new(), capacity, step_ms, last_at_ms: 0 }
    }

    fn push(&mut self, point: Option<Point>, at_ms: u64) {
        if self.points.len() == self.capacity {
            self.points.pop_front();
        }
        self.points.push_back(point);
        self.last_at_ms = at_ms;
    }

    fn columns(&self) -> Columns {
        let n_before_last = self.points.len().saturating_sub(1) as u64;
        let n_threads = self.points.iter().flatten().map(|point| point.workers.len()).max().unwrap_or(0);
        let worker =
            |index: usize| self.column(|point| point.workers.get(index).copied()).map(Option::flatten).collect();
        Columns {
            step_ms: self.step_ms,
            first_at_ms: self.last_at_ms.saturating_sub(n_before_last * self.step_ms),
            workers: (0..n_threads).map(worker).collect(),
            utilization: self.column(|point| point.utilization).collect(),
            threads: self.column(|point| point.threads as f32).collect(),
            stand_ins: self.column(|point| point.stand_ins as f32).collect(),
            queued: self.column(|point| point.queued as f32).collect(),
            live: self.column(|point| point.live as f64).collect(),
            spawned: self.column(|point| point.spawned).collect(),
            ended: self.column(|point| point.ended).collect(),
            crashed: self.column(|point| point.crashed).collect(),
            polls: self.column(|point| point.polls).collect(),
            long_polls: self.column(|point| point.long_polls).collect(),
            cpu: self.column(|point| point.cpu).map(Option::flatten).collect(),
            rss_bytes: self.column(|point| point.rss_bytes).map(Option::flatten).collect(),
        }
    }

    fn column<T>(&self, of: impl Fn(&Point) -> T) -> impl Iterator<Item = Option<T>> {
        self.points.iter().map(move |point| point.as_ref().map(&of))
    }
}

/// Returns the mean of the points that were measured, at the time of the last one; `None` if there are none.
fn mean(points: &[Option<Point>]) -> Option<Point> {
    let points: Vec<&Point> = points.iter().flatten().collect();
    let last = *points.last()?;
    let n = points.len() as f64;
    let of = |field: &dyn Fn(&Point) -> f64| points.iter().map(|point| field(point)).sum::<f64>() / n;
    let of_all = |field: &dyn Fn(&Point) -> Option<f64>| {
        let values: Option<Vec<f64>> = points.iter().map(|point| field(point)).collect();
        values.map(|values| values.iter().sum::<f64>() / n)
    };
    let worker = |index: usize| of(&|point| f64::from(point.workers.get(index).copied().unwrap_or(0.0))) as f32;
    Some(Point {
        at_ms: last.at_ms,
        workers: (0..last.workers.len()).map(worker).collect(),
        utilization: of(&|point| f64::from(point.utilization)) as f32,
        threads: last.threads,
        stand_ins: of(&|point| point.stand_ins as f64).round() as usize,
        queued: of(&|point| point.queued as f64).round() as usize,
        live: of(&|point| point.live as f64).round() as u64,
        spawned: of(&|point| f64::from(point.spawned)) as f32,
        ended: of(&|point| f64::from(point.ended)) as f32,
        crashed: of(&|point| f64::from(point.crashed)) as f32,
        polls: of(&|point| f64::from(point.polls)) as f32,
        long_polls: of(&|point| f64::from(point.long_polls)) as f32,
        steals: of(&|point| f64::from(point.steals)) as f32,
        cpu: of_all(&|point| point.cpu.map(f64::from)).map(|cpu| cpu as f32),
        rss_bytes: of_all(&|point| point.rss_bytes.map(|bytes| bytes as f64)).map(|bytes| bytes.round() as u64),
    })
}

#[cfg(test)]
mod tests;

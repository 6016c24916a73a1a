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
    /// Whether the newest point may belong to the empty second before it, because its tick was late by almost a second. Until the next point
    /// shows whether it does, that second is not counted in `n_dropped`.
    may_be_late: bool,
}

/// How many points of the first ring make one of the second.
const RATIO: usize = 10;

/// By how much the time between two ticks may be shorter than a whole number of seconds: the first of the two may have been late.
const TOLERANCE_MS: u64 = 20;

/// Points at a fixed distance, oldest first. `None` is a moment at which nothing was measured.
#[derive(Debug)]
struct Ring {
    points: VecDeque<Option<Point>>,
    capacity: usize,
    step_ms: u64,
    /// When the newest point was due, as far as the times of the points show. It may have been taken later.
    last_at_ms: u64,
}

impl Rings {
    pub(crate) fn new() -> Rings {
        Rings {
            seconds: Ring::new(600, 1000),
            ten_seconds: Ring::new(2160, 10_000),
            recent: Vec::with_capacity(RATIO),
            n_dropped: 0,
            may_be_late: false,
        }
    }

    /// Adds a point, and an empty point for each second that was missed before it. The observer takes a point at each tick, once a second. A tick
    /// may be late, but is never early, and a late tick does not delay the next one. So a point belongs to the second in which its tick was due,
    /// and the points are one second apart.
    pub(crate) fn push(&mut self, point: &Point) {
        let Ring { step_ms, last_at_ms, .. } = self.seconds;
        let passed = if last_at_ms == 0 { step_ms } else { point.at_ms.saturating_sub(last_at_ms) };
        if passed < step_ms / 2 {
            self.replace_newest(point);
            return;
        }
        self.n_dropped += u64::from(std::mem::take(&mut self.may_be_late));
        let n_due = ((passed + TOLERANCE_MS) / step_ms).max(1);
        // A tick is never early. So if this one comes less than `n_due` steps after `last_at_ms`, the last point was late, and was due before
        // `last_at_ms`. This tick was due when it came, or earlier.
        let due_at_ms = if last_at_ms == 0 { point.at_ms } else { point.at_ms.min(last_at_ms + n_due * step_ms) };
        let missed = n_due - 1;
        self.may_be_late = missed > 0 && passed < n_due * step_ms;
        self.n_dropped += missed - u64::from(self.may_be_late);
        // This many empty points push all other points out of both rings and out of `recent`.
        let n_empty = missed.min(((self.ten_seconds.capacity + 1) * RATIO) as u64);
        for before in (1..=n_empty).rev() {
            self.push_one(None, due_at_ms - before * step_ms);
        }
        self.push_one(Some(point), due_at_ms);
    }

    /// Replaces the newest point by another one of the same second: the newest point was so late that it was taken for a point of the next second.
    /// If the second before it is empty, the replaced point belongs there. A mean that already contains the newest point stays as it is.
    fn replace_newest(&mut self, point: &Point) {
        let is_late = std::mem::take(&mut self.may_be_late);
        for newest_two in [self.seconds.points.make_contiguous(), &mut self.recent] {
            let Some((newest, before)) = newest_two.split_last_mut() else { continue };
            let replaced = newest.replace(point.clone());
            if let Some(before) = before.last_mut().filter(|_| is_late) {
                *before = replaced;
            }
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

/// Returns the mean of the points that were measured, with the time and the number of threads of the last one; `None` if there are none.
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

//! The rows of the table: pairs of measurements, their medians, and the printed line.

use std::time::{Duration, Instant};

use cordial::Runtime;

/// The number of pairs of most rows.
pub(crate) const PAIRS: usize = 15;

/// Our runtime and the peer's, with the same number of workers.
pub(crate) struct Bench {
    pub(crate) cordial: Runtime,
    pub(crate) tokio: tokio::runtime::Runtime,
    pub(crate) workers: usize,
}

/// One row of the table.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) measure: fn(&Bench) -> Pair,
    pub(crate) unit: Unit,
    pub(crate) budget: Budget,
    pub(crate) workers: usize,
    pub(crate) pairs: usize,
}

impl Row {
    pub(crate) const fn new(name: &'static str, measure: fn(&Bench) -> Pair, budget: Budget) -> Row {
        Row { name, measure, unit: Unit::Seconds, budget, workers: 2, pairs: PAIRS }
    }
}

/// The unit of a row's values.
#[derive(Clone, Copy)]
pub(crate) enum Unit {
    Seconds,
    Bytes,
    PerSecond,
    Count,
    /// The share of one processor.
    Share,
}

/// The floor, which must be reached, and the aim of a row.
#[derive(Clone, Copy)]
pub(crate) enum Budget {
    /// As ratios of our value to the peer's.
    Ratio(f64, f64),
    /// As values of ours.
    Ours(f64, f64),
    /// The row has neither a floor nor an aim.
    NoTarget,
}

/// One measurement of each side, taken one after the other. A side that has no number is NaN.
#[derive(Clone, Copy)]
pub(crate) struct Pair {
    pub(crate) ours: f64,
    pub(crate) peer: f64,
}

impl Bench {
    pub(crate) fn start(workers: usize) -> Bench {
        let cordial = Runtime::builder().workers(workers).build().expect("the system has threads");
        let tokio = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(workers)
            .enable_all()
            .build()
            .expect("the system has threads");
        Bench { cordial, tokio, workers }
    }

    /// Runs a future as the root of our runtime.
    pub(crate) fn ours<F>(&self, future: F) -> F::Output
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.cordial.block_on(future).expect("no task of a benchmark fails")
    }

    /// Runs a future as a spawned task of the peer.
    pub(crate) fn peer<F>(&self, future: F) -> F::Output
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.tokio.block_on(async { in_tokio(future).await })
    }

    /// Runs both futures, each of which does `n` units of work. Returns the seconds per unit.
    pub(crate) fn pair<A, B>(&self, n: u32, ours: A, peer: B) -> Pair
    where
        A: Future<Output: Send> + Send + 'static,
        B: Future<Output: Send> + Send + 'static,
    {
        let ours = timed(|| drop(self.ours(ours)));
        let peer = timed(|| drop(self.peer(peer)));
        Pair { ours: ours.as_secs_f64() / f64::from(n), peer: peer.as_secs_f64() / f64::from(n) }
    }
}

/// Spawns a task on the peer's runtime. Returns a future of its output.
#[expect(clippy::disallowed_methods, reason = "tokio is the peer")]
pub(crate) fn in_tokio<F>(future: F) -> impl Future<Output = F::Output> + Send + 'static
where
    F: Future<Output: Send> + Send + 'static,
{
    let handle = tokio::spawn(future);
    async { handle.await.expect("no task of a benchmark fails") }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Computes for 2 s.
pub(crate) fn spin() {
    let started = now();
    while started.elapsed() < Duration::from_secs(2) {
        std::hint::spin_loop();
    }
}

/// Returns how long `work` takes.
pub(crate) fn timed(work: impl FnOnce()) -> Duration {
    let started = now();
    work();
    started.elapsed()
}

/// Returns the row's line of the table.
pub(crate) fn line(row: &Row, pairs: &[Pair]) -> String {
    let ratios = sorted(pairs.iter().map(|pair| pair.ours / pair.peer));
    let ours = median(&sorted(pairs.iter().map(|pair| pair.ours)));
    let peer = median(&sorted(pairs.iter().map(|pair| pair.peer)));
    let (floor, aim) = match row.budget {
        Budget::Ratio(floor, aim) => (format!("{floor:.2}"), format!("{aim:.2}")),
        Budget::Ours(floor, aim) => (row.unit.show(floor), row.unit.show(aim)),
        Budget::NoTarget => (String::new(), String::new()),
    };
    let has_peer = peer.is_finite() && peer > 0.0;
    let (ratio, spread) = if has_peer && !ours.is_nan() {
        (format!("{:.2}", median(&ratios)), format!("{:.2}..{:.2}", ratios[0], ratios[ratios.len() - 1]))
    } else {
        (String::new(), String::new())
    };
    let peer = if has_peer { row.unit.show(peer) } else { String::new() };
    format!("{:<50} {:>10} {peer:>10} {ratio:>6} {spread:>15} {floor:>10} {aim:>10}", row.name, row.unit.show(ours))
}

impl Unit {
    /// A value that could not be measured is an empty text.
    fn show(self, value: f64) -> String {
        match self {
            _ if value.is_nan() => String::new(),
            Unit::Seconds => format!("{:.1?}", Duration::from_secs_f64(value)),
            Unit::Bytes => format!("{value:.0} B"),
            Unit::PerSecond => format!("{value:.0}/s"),
            Unit::Count => format!("{value:.0}"),
            Unit::Share => format!("{value:.3}"),
        }
    }
}

pub(crate) fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

pub(crate) fn median(sorted: &[f64]) -> f64 {
    sorted[sorted.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::{Budget, Pair, Row, Unit, line};

    fn cells(unit: Unit, pair: Pair) -> Vec<String> {
        let row = Row { unit, ..Row::new("name", |_| unreachable!(), Budget::NoTarget) };
        line(&row, &[pair]).split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn a_side_that_could_not_be_measured_has_no_number() {
        for unit in [Unit::Seconds, Unit::Bytes] {
            assert_eq!(cells(unit, Pair { ours: f64::NAN, peer: f64::NAN }), ["name"]);
        }
        assert_eq!(cells(Unit::Seconds, Pair { ours: f64::NAN, peer: 2.0 }), ["name", "2.0s"]);
        assert_eq!(cells(Unit::Seconds, Pair { ours: 1.0, peer: f64::NAN }), ["name", "1.0s"]);
        assert_eq!(cells(Unit::Seconds, Pair { ours: 1.0, peer: 2.0 }), ["name", "1.0s", "2.0s", "0.50", "0.50..0.50"]);
    }
}

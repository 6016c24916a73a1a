//! Pairs, medians and the line that is printed for them.

use std::time::{Duration, Instant};

use cordial::Runtime;

/// Pairs per row.
pub(crate) const PAIRS: usize = 15;

/// Both runtimes, with the same number of workers.
pub(crate) struct Bench {
    pub(crate) cordial: Runtime,
    pub(crate) tokio: tokio::runtime::Runtime,
}

/// One question.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// Times of one unit of work, ours and the peer's.
    pub(crate) measure: fn(&Bench) -> Pair,
    /// The ratio that must be reached, and the one that we want.
    pub(crate) budget: (f64, f64),
}

/// One measurement of each side, one after the other.
pub(crate) struct Pair {
    pub(crate) ours: Duration,
    pub(crate) peer: Duration,
}

impl Bench {
    pub(crate) fn start(workers: usize) -> Bench {
        let cordial = Runtime::builder().workers(workers).build().expect("threads can be started");
        let tokio = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(workers)
            .enable_all()
            .build()
            .expect("threads can be started");
        Bench { cordial, tokio }
    }

    /// Times both futures per unit. Each runs as a task of its runtime and does `n` units.
    pub(crate) fn pair<A, B>(&self, n: u32, ours: A, peer: B) -> Pair
    where
        A: Future<Output: Send> + Send + 'static,
        B: Future<Output: Send> + Send + 'static,
    {
        let ours = timed(|| drop(self.cordial.block_on(ours).expect("no task of a bench fails")));
        let peer = timed(|| drop(self.tokio.block_on(async { in_tokio(peer).await })));
        Pair { ours: ours / n, peer: peer / n }
    }
}

/// A task on the runtime of the peer.
#[expect(clippy::disallowed_methods, reason = "this is the peer")]
pub(crate) fn in_tokio<F>(future: F) -> impl Future<Output = F::Output> + Send + 'static
where
    F: Future<Output: Send> + Send + 'static,
{
    let handle = tokio::spawn(future);
    async { handle.await.expect("no task of a bench fails") }
}

#[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
pub(crate) fn timed(work: impl FnOnce()) -> Duration {
    let started = Instant::now();
    work();
    started.elapsed()
}

/// The line of the table.
pub(crate) fn line(row: &Row, pairs: &[Pair]) -> String {
    let ratios = sorted(pairs.iter().map(|pair| pair.ours.as_secs_f64() / pair.peer.as_secs_f64()));
    let ours = median(&sorted(pairs.iter().map(|pair| pair.ours.as_secs_f64())));
    let peer = median(&sorted(pairs.iter().map(|pair| pair.peer.as_secs_f64())));
    let (low, high) = (ratios[0], ratios[ratios.len() - 1]);
    format!(
        "{:<52} {:>11.1?} {:>11.1?} {:>7.2} {:>15} {:>7.2} {:>7.2}",
        row.name,
        Duration::from_secs_f64(ours),
        Duration::from_secs_f64(peer),
        median(&ratios),
        format!("{low:.2}..{high:.2}"),
        row.budget.0,
        row.budget.1
    )
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

fn median(sorted: &[f64]) -> f64 {
    sorted[sorted.len() / 2]
}

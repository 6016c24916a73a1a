//! Does `let t = Task::spawn(work()); other_work(); t.await` run in parallel?

use std::hint::black_box;
use std::time::Duration;

use cordial::Task;

use crate::measure::{Bench, Pair, in_tokio, now};

const ROUNDS: u32 = 200;

fn compute(length: Duration) {
    let started = now();
    while started.elapsed() < length {
        black_box((0..100).sum::<u64>());
    }
}

/// Two computations of 200 us; the peer's time is that of tokio, which runs one after the other.
pub(crate) fn two(bench: &Bench) -> Pair {
    after(bench, Duration::ZERO)
}

/// The same when the caller has just computed for 5 ms, so that the other worker sleeps. The 5 ms are not counted.
pub(crate) fn two_after_long(bench: &Bench) -> Pair {
    after(bench, Duration::from_millis(5))
}

fn after(bench: &Bench, before: Duration) -> Pair {
    let work = Duration::from_micros(200);
    let ours = async move {
        for _ in 0..ROUNDS {
            compute(before);
            let other = Task::spawn(async move { compute(work) });
            compute(work);
            other.await.expect("it does not fail");
        }
    };
    let peer = async move {
        for _ in 0..ROUNDS {
            compute(before);
            let other = in_tokio(async move { compute(work) });
            compute(work);
            other.await;
        }
    };
    let Pair { ours, peer } = bench.pair(ROUNDS, ours, peer);
    Pair { ours: ours - before.as_secs_f64(), peer: peer - before.as_secs_f64() }
}

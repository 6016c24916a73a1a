//! Does `let t = Task::spawn(work()); other_work(); t.await` run in parallel, and a stream of computations?

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::time::Duration;

use cordial::Task;
use rayon::ThreadPoolBuilder;
use rayon::prelude::*;

use crate::measure::{Bench, Pair, in_tokio, now, timed};

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

/// The same without a scheduler: a thread that sleeps is woken to compute, and this one waits for it, spinning. What is beyond
/// the 200 us is the system's, and the least that a scheduler can reach. The peer is tokio still.
pub(crate) fn bare_threads_after_long(bench: &Bench) -> Pair {
    let work = Duration::from_micros(200);
    let has_ended = Arc::new(AtomicU32::new(0));
    let (other, ended) = (Arc::new(AtomicU32::new(0)), has_ended.clone());
    let asked = other.clone();
    #[expect(clippy::disallowed_methods, reason = "the question is what a bare thread does")]
    let thread = std::thread::spawn(move || {
        for round in 1..=ROUNDS {
            while asked.load(Acquire) < round {
                std::thread::park();
            }
            compute(work);
            ended.store(round, Release);
        }
    });
    let mut took = Duration::ZERO;
    for round in 1..=ROUNDS {
        compute(Duration::from_millis(5));
        took += timed(|| {
            other.store(round, Release);
            thread.thread().unpark();
            compute(work);
            while has_ended.load(Acquire) < round {
                std::hint::spin_loop();
            }
        });
    }
    thread.join().expect("it does not panic");
    Pair { ours: took.as_secs_f64() / f64::from(ROUNDS), peer: two_after_long(bench).peer }
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

/// Computations of about 50 us through a stream as it is made, against a parallel map of rayon with as many threads. Per
/// computation.
pub(crate) fn map(bench: &Bench) -> Pair {
    const N: u32 = 4000;
    let pool = ThreadPoolBuilder::new().num_threads(bench.workers).build().expect("threads can be started");
    let ours = timed(|| drop(bench.ours(Task::async_stream(0..N, |n| async move { mix(n) }).collect())));
    let peer = timed(|| drop(pool.install(|| (0..N).into_par_iter().map(mix).collect::<Vec<_>>())));
    Pair { ours: ours.as_secs_f64() / f64::from(N), peer: peer.as_secs_f64() / f64::from(N) }
}

/// About 50 us of computing, always the same: a clock would count the waits as work.
fn mix(seed: u32) -> u64 {
    let mut state = u64::from(seed) + 1;
    for _ in 0..30_000 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
    }
    state
}

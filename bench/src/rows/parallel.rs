//! Does `let t = Task::spawn(work()); other_work(); t.await` run in parallel? Does a stream of computations?

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

/// Keeps the processor busy for `length`.
fn compute(length: Duration) {
    let started = now();
    while started.elapsed() < length {
        black_box((0..100).sum::<u64>());
    }
}

/// Two computations of 200 us. tokio, the peer, runs them one after the other.
pub(crate) fn two(bench: &Bench) -> Pair {
    after(bench, Duration::ZERO)
}

/// The same after the caller has computed for 5 ms, so that the other worker sleeps. The 5 ms are not counted.
pub(crate) fn two_after_long(bench: &Bench) -> Pair {
    after(bench, Duration::from_millis(5))
}

/// The same without a scheduler, for comparison: this thread unparks another one, computes, and spins until the other
/// one has finished. The time beyond 200 us is what the kernel takes to wake a thread. The peer is still tokio.
pub(crate) fn bare_threads_after_long(bench: &Bench) -> Pair {
    let work = Duration::from_micros(200);
    let (requested, finished) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let (request, finish) = (requested.clone(), finished.clone());
    #[expect(clippy::disallowed_methods, reason = "the row measures a bare thread")]
    let thread = std::thread::spawn(move || {
        for round in 1..=ROUNDS {
            while request.load(Acquire) < round {
                std::thread::park();
            }
            compute(work);
            finish.store(round, Release);
        }
    });
    let mut elapsed = Duration::ZERO;
    for round in 1..=ROUNDS {
        compute(Duration::from_millis(5));
        elapsed += timed(|| {
            requested.store(round, Release);
            thread.thread().unpark();
            compute(work);
            while finished.load(Acquire) < round {
                std::hint::spin_loop();
            }
        });
    }
    thread.join().expect("the thread does not panic");
    Pair { ours: elapsed.as_secs_f64() / f64::from(ROUNDS), peer: two_after_long(bench).peer }
}

fn after(bench: &Bench, before: Duration) -> Pair {
    let work = Duration::from_micros(200);
    let ours = async move {
        for _ in 0..ROUNDS {
            compute(before);
            let other = Task::spawn(async move { compute(work) });
            compute(work);
            other.await.expect("the task does not fail");
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

/// Computations of about 50 us in a stream with default options, against rayon's parallel map with as many threads.
/// Elapsed time divided by the number of computations.
pub(crate) fn map(bench: &Bench) -> Pair {
    const N: u32 = 4000;
    let pool = ThreadPoolBuilder::new().num_threads(bench.workers).build().expect("the system has threads");
    let ours = timed(|| drop(bench.ours(Task::async_stream(0..N, |n| async move { mix(n) }).collect())));
    let peer = timed(|| drop(pool.install(|| (0..N).into_par_iter().map(mix).collect::<Vec<_>>())));
    Pair { ours: ours.as_secs_f64() / f64::from(N), peer: peer.as_secs_f64() / f64::from(N) }
}

/// Computes for about 50 us: a fixed amount of work, because a clock would count preemption as work.
fn mix(seed: u32) -> u64 {
    let mut state = u64::from(seed) + 1;
    for _ in 0..30_000 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
    }
    state
}

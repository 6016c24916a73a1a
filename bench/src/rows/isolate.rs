//! What does a call in another OS process cost, and how soon does a kill end one that computes?

use std::collections::VecDeque;
use std::fs;
use std::process::Command;
use std::time::Duration;

use cordial::Shutdown;
use cordial_isolate::{Function, Functions, Pool, WorkerActivity};

use crate::measure::{Bench, Pair, median, now, sorted};

const SQUARE: Function<u64, u64> = Function::new("square");
const LENGTH: Function<Vec<u8>, u64> = Function::new("length");
const SPIN: Function<(), ()> = Function::new("spin");

const CALLS: u32 = 2000;
const MANY_CALLS: u32 = 50_000;

/// The number of workers in the rows that count calls per second.
const WORKERS: usize = 4;

const LARGE: usize = 16 << 20;

/// The peer in Python. Its workers are forked before the clock starts. The first argument is the number of calls, the second the number of workers.
const PYTHON: &str = "
import sys, time
from concurrent.futures import ProcessPoolExecutor
def square(n): return n * n
calls, workers = int(sys.argv[1]), int(sys.argv[2])
with ProcessPoolExecutor(workers) as pool:
    list(pool.map(square, range(10 * workers)))
    started = time.perf_counter()
    if workers == 1:
        for n in range(calls): pool.submit(square, n).result()
    else:
        list(pool.map(square, range(calls)))
    print((time.perf_counter() - started) / calls)
";

/// The functions of the workers of this program.
pub(crate) fn functions() -> Functions {
    Functions::new()
        .add_blocking(SQUARE, |n| n * n)
        .add_blocking(LENGTH, |bytes: Vec<u8>| bytes.len() as u64)
        .add_blocking(SPIN, |()| {
            loop {
                std::hint::spin_loop();
            }
        })
}

fn pool(workers: usize) -> Pool {
    Pool::builder().workers(workers).start().expect("the system has processes")
}

/// Seconds per call, one call after the other, to a worker that has run calls before.
fn warm_call(bench: &Bench) -> f64 {
    bench.ours(async {
        let pool = pool(1);
        for n in 0..100 {
            pool.call(SQUARE, n).await.expect("the function returns");
        }
        let started = now();
        for n in 0..CALLS {
            pool.call(SQUARE, u64::from(n)).await.expect("the function returns");
        }
        started.elapsed().as_secs_f64() / f64::from(CALLS)
    })
}

/// Seconds per call of a warm worker, compared with procspawn.
pub(crate) fn warm(bench: &Bench) -> Pair {
    let ours = warm_call(bench);
    let peer = procspawn::Pool::new(1).expect("the system has processes");
    for n in 0..100u64 {
        procspawn::spawn!(in peer, (n) || n * n).join().expect("the closure returns");
    }
    let started = now();
    for n in 0..u64::from(CALLS) {
        procspawn::spawn!(in peer, (n) || n * n).join().expect("the closure returns");
    }
    Pair { ours, peer: started.elapsed().as_secs_f64() / f64::from(CALLS) }
}

/// Seconds per call of a warm worker, compared with Python.
pub(crate) fn warm_to_python(bench: &Bench) -> Pair {
    Pair { ours: warm_call(bench), peer: python(CALLS, 1) }
}

/// Returns the seconds per call of the peer in Python. NaN if there is no Python.
fn python(calls: u32, workers: usize) -> f64 {
    let output = Command::new("python3").args(["-c", PYTHON, &calls.to_string(), &workers.to_string()]).output();
    let printed = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    printed.ok().and_then(|number| number.parse().ok()).unwrap_or(f64::NAN)
}

/// Calls per second of a stream over four workers.
fn many_calls(bench: &Bench) -> f64 {
    bench.ours(async {
        let pool = pool(WORKERS);
        let inputs = 0..u64::from(MANY_CALLS);
        let started = now();
        let (squares, _) =
            pool.async_stream(SQUARE, inputs).max_concurrency(16 * WORKERS).unordered().partition().await;
        assert_eq!(squares.len(), MANY_CALLS as usize);
        f64::from(MANY_CALLS) / started.elapsed().as_secs_f64()
    })
}

/// Calls per second, compared with procspawn.
pub(crate) fn many(bench: &Bench) -> Pair {
    let ours = many_calls(bench);
    let calls = MANY_CALLS / 5;
    let peer = procspawn::Pool::new(WORKERS).expect("the system has processes");
    let started = now();
    // As many at once as ours: each call of procspawn that is not joined holds file descriptors.
    let mut handles = VecDeque::new();
    let join = |handle: procspawn::JoinHandle<u64>| assert!(handle.join().is_ok(), "the closure returns");
    for n in 0..u64::from(calls) {
        if handles.len() == 16 * WORKERS {
            handles.pop_front().into_iter().for_each(join);
        }
        handles.push_back(procspawn::spawn!(in peer, (n) || n * n));
    }
    handles.into_iter().for_each(join);
    Pair { ours, peer: f64::from(calls) / started.elapsed().as_secs_f64() }
}

/// Calls per second, compared with Python.
pub(crate) fn many_to_python(bench: &Bench) -> Pair {
    Pair { ours: many_calls(bench), peer: 1.0 / python(MANY_CALLS / 5, WORKERS) }
}

/// From the start of a pool with one worker to the result of its first call.
pub(crate) fn cold(bench: &Bench) -> Pair {
    let ours = bench.ours(async {
        let started = now();
        let pool = pool(1);
        pool.call(SQUARE, 3).await.expect("the function returns");
        let elapsed = started.elapsed();
        pool.stop().await;
        elapsed
    });
    Pair { ours: ours.as_secs_f64(), peer: f64::NAN }
}

/// An argument of 16 MiB, to a warm worker.
pub(crate) fn large(bench: &Bench) -> Pair {
    let ours = bench.ours(async {
        let pool = pool(1);
        pool.call(SQUARE, 3).await.expect("the function returns");
        let bytes = vec![1; LARGE];
        let started = now();
        assert_eq!(pool.call(LENGTH, bytes).await, Ok(LARGE as u64));
        started.elapsed()
    });
    Pair { ours: ours.as_secs_f64(), peer: f64::NAN }
}

/// From the kill of a task to the end of the OS process that computes for it; the median of 20.
pub(crate) fn kill(bench: &Bench) -> Pair {
    let ours = bench.ours(async {
        let pool = pool(1);
        let mut times = Vec::new();
        for _ in 0..20 {
            pool.call(SQUARE, 3).await.expect("the function returns");
            let spin = pool.call(SPIN, ());
            let os_pid = loop {
                let workers = pool.statistics().workers;
                let runs = |activity: &WorkerActivity| matches!(activity, WorkerActivity::Running(_));
                if let Some(worker) = workers.iter().find(|worker| runs(&worker.activity)) {
                    break worker.os_pid;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            };
            tokio::time::sleep(Duration::from_millis(2)).await;
            let started = now();
            let _ = spin.shutdown(Shutdown::BrutalKill).await;
            while fs::read_to_string(format!("/proc/{os_pid}/stat")).is_ok_and(|stat| !stat.contains(") Z")) {}
            times.push(started.elapsed().as_secs_f64());
        }
        median(&sorted(times.into_iter()))
    });
    Pair { ours, peer: f64::NAN }
}

//! What share of a processor do long computations get beside tasks that yield, and how late are their results and locks?
//!
//! The peer is a program of bare threads, which the operating system treats alike: one for each computation, and one
//! for each worker that has something to do.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cordial::{Task, Timeout};
use tokio::task::yield_now;

use crate::measure::{Bench, Pair, now};
use crate::subprocess::BusyProgram;
use crate::usage::cpu_time;

/// How long a share or a lock is measured.
const WINDOW: Duration = Duration::from_millis(1500);

/// The time that a yielding task computes before it yields.
const SLICE: Duration = Duration::from_micros(200);

/// The smallest share of one processor that one of `LONG` computations gets, beside `YIELDING` tasks that compute for
/// 200 µs and yield.
pub(crate) fn share<const LONG: usize, const YIELDING: usize>(bench: &Bench) -> Pair {
    beside(bench, LONG, YIELDING, || share_of(WINDOW), f64::min)
}

/// The same while another program keeps all processors busy.
pub(crate) fn share_beside_program<const LONG: usize, const YIELDING: usize>(bench: &Bench) -> Pair {
    let _program = BusyProgram::start();
    share::<LONG, YIELDING>(bench)
}

/// How long the slowest of `LONG` computations of 50 ms takes beside 8 yielding tasks and another program.
pub(crate) fn fifty_milliseconds_beside_program<const LONG: usize>(bench: &Bench) -> Pair {
    let _program = BusyProgram::start();
    let long = || {
        let (started, before) = (now(), cpu_time());
        while cpu_time() - before < Duration::from_millis(50) {
            spin(Duration::from_millis(1));
        }
        started.elapsed().as_secs_f64()
    };
    beside(bench, LONG, 8, long, f64::max)
}

/// The 99th percentile of the wait for a lock that `LONG` computations hold for 20 µs in every 200, beside 8 yielding
/// tasks.
pub(crate) fn lock<const LONG: usize>(bench: &Bench) -> Pair {
    let hold = |lock: &Mutex<()>, is_over: &AtomicBool| {
        while !is_over.load(Ordering::Relaxed) {
            let held = lock.lock().unwrap_or_else(PoisonError::into_inner);
            spin(Duration::from_micros(20));
            drop(held);
            spin(Duration::from_micros(180));
        }
    };
    let wait = |lock: &Mutex<()>| {
        let started = now();
        drop(lock.lock().unwrap_or_else(PoisonError::into_inner));
        started.elapsed().as_secs_f64()
    };
    let ours = bench.ours(async move {
        let (lock, is_over) = (Arc::new(Mutex::new(())), Arc::new(AtomicBool::new(false)));
        let yielding = start_yielding(8, &is_over);
        let start = |_| {
            let (held, until) = (lock.clone(), is_over.clone());
            Task::spawn(async move { hold(&held, &until) }).timeout(Timeout::Infinity)
        };
        let holders: Vec<_> = (0..LONG).map(start).collect();
        let started = now();
        let mut waits = Vec::new();
        while started.elapsed() < WINDOW {
            tokio::time::sleep(Duration::from_millis(1)).await;
            waits.push(wait(&lock));
        }
        is_over.store(true, Ordering::Relaxed);
        for task in yielding.into_iter().chain(holders) {
            task.await.expect("the task does not fail");
        }
        p99(waits)
    });
    let (lock, is_over) = (Mutex::new(()), AtomicBool::new(false));
    let peer = std::thread::scope(|scope| {
        (0..bench.workers).for_each(|_| drop(scope.spawn(|| spin_until(&is_over))));
        (0..LONG).for_each(|_| drop(scope.spawn(|| hold(&lock, &is_over))));
        let started = now();
        let mut waits = Vec::new();
        while started.elapsed() < WINDOW {
            std::thread::sleep(Duration::from_millis(1));
            waits.push(wait(&lock));
        }
        is_over.store(true, Ordering::Relaxed);
        p99(waits)
    });
    Pair { ours, peer }
}

/// Runs `long` in tasks beside yielding ones, and on bare threads beside bare threads. Returns the worst results.
fn beside(bench: &Bench, n_long: usize, n_yielding: usize, long: fn() -> f64, worst: fn(f64, f64) -> f64) -> Pair {
    let ours = bench.ours(async move {
        let is_over = Arc::new(AtomicBool::new(false));
        let yielding = start_yielding(n_yielding, &is_over);
        let start = |_| Task::spawn(async move { long() }).timeout(Timeout::Infinity);
        let all: Vec<_> = (0..n_long).map(start).collect();
        let mut ours = f64::NAN;
        for task in all {
            ours = worst(ours, task.await.expect("the task does not fail"));
        }
        is_over.store(true, Ordering::Relaxed);
        for task in yielding {
            task.await.expect("the task does not fail");
        }
        ours
    });
    let is_over = AtomicBool::new(false);
    let peer = std::thread::scope(|scope| {
        (0..n_yielding.min(bench.workers)).for_each(|_| drop(scope.spawn(|| spin_until(&is_over))));
        let all: Vec<_> = (0..n_long).map(|_| scope.spawn(long)).collect();
        let results = all.into_iter().map(|thread| thread.join().expect("the thread does not panic"));
        let peer = results.fold(f64::NAN, worst);
        is_over.store(true, Ordering::Relaxed);
        peer
    });
    Pair { ours, peer }
}

/// Starts tasks that compute for a moment and yield, until `is_over`.
fn start_yielding(n: usize, is_over: &Arc<AtomicBool>) -> Vec<Task<()>> {
    let start = |_| {
        let is_over = is_over.clone();
        let yielding = async move {
            while !is_over.load(Ordering::Relaxed) {
                spin(SLICE);
                yield_now().await;
            }
        };
        Task::spawn(yielding).timeout(Timeout::Infinity)
    };
    (0..n).map(start).collect()
}

/// Computes for `window`. Returns the share of one processor that this thread had.
fn share_of(window: Duration) -> f64 {
    let (started, before) = (now(), cpu_time());
    spin(window);
    (cpu_time() - before).as_secs_f64() / started.elapsed().as_secs_f64()
}

fn spin(time: Duration) {
    let started = now();
    while started.elapsed() < time {
        std::hint::spin_loop();
    }
}

fn spin_until(is_over: &AtomicBool) {
    while !is_over.load(Ordering::Relaxed) {
        std::hint::spin_loop();
    }
}

fn p99(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() * 99 / 100]
}

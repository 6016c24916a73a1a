//! A long poll gets its share of the processors beside other tasks, even when its thread is deprioritized.
//!
//! Both tests count the steps that other tasks make meanwhile. On a busy machine all threads of a program slow down, so
//! the counts depend little on what else runs there. Where a single thread gets no processor for a second, they do, so each test
//! is tried several times.

use std::hint::black_box;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use cordial_sched::{Executor, JoinHandle};

use crate::hooks::{spawn, wait, with_deprioritization};

/// How many steps a long poll computes.
const LONG: usize = 1000;

/// How many steps the other tasks may make meanwhile. A deprioritized thread gets two thirds of the time of a worker, so
/// two workers should make three steps for each of its steps. They make up to fourteen, because the system does not
/// spread threads over processors evenly. A thread of the lowest priority would let them make hundreds.
const MAX: usize = 30 * LONG;

/// How often a test is tried.
const ATTEMPTS: usize = 5;

/// Computes for some ten microseconds.
fn compute_step() {
    for n in 0..10_000 {
        black_box(n);
    }
}

/// Tasks that compute a step and yield, again and again.
struct Yielding {
    n_steps: Arc<AtomicUsize>,
    is_over: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Yielding {
    fn start(executor: &Executor) -> Yielding {
        let (n_steps, is_over) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let start = |_| {
            let (n_steps, is_over) = (n_steps.clone(), is_over.clone());
            spawn(executor, async move {
                while !is_over.load(Ordering::SeqCst) {
                    compute_step();
                    n_steps.fetch_add(1, Ordering::SeqCst);
                    tokio::task::yield_now().await;
                }
            })
        };
        let tasks = (0..8).map(start).collect();
        Yielding { n_steps, is_over, tasks }
    }

    fn stop(self) {
        self.is_over.store(true, Ordering::SeqCst);
        self.tasks.into_iter().for_each(wait);
    }
}

/// With one long poll more than processors, all of them are deprioritized.
fn one_more_than_processors() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get) + 1
}

/// Fails unless the other tasks make few steps in one of the attempts.
#[track_caller]
fn check(n_steps_of_others: fn() -> usize) {
    let mut all = Vec::new();
    while all.len() < ATTEMPTS && all.last().is_none_or(|n_steps| *n_steps >= MAX) {
        all.push(n_steps_of_others());
    }
    assert!(all.last().is_some_and(|n_steps| *n_steps < MAX), "the other tasks made {all:?} steps");
}

#[test]
fn long_computations_end_while_tasks_that_yield_run_for_ever() {
    check(steps_during_long_computations);
}

fn steps_during_long_computations() -> usize {
    let executor = with_deprioritization(2);
    let yielding = Yielding::start(&executor);
    let start = |_| spawn(&executor, async { (0..LONG).for_each(|_| compute_step()) });
    let long: Vec<_> = (0..one_more_than_processors()).map(start).collect();
    long.into_iter().for_each(wait);
    let n_steps = yielding.n_steps.load(Ordering::SeqCst);
    yielding.stop();
    executor.close(std::time::Duration::MAX);
    n_steps
}

#[test]
fn a_mutex_held_by_a_long_computation_is_released_while_tasks_that_yield_run_for_ever() {
    check(steps_while_a_mutex_is_held);
}

fn steps_while_a_mutex_is_held() -> usize {
    let executor = with_deprioritization(2);
    let yielding = Yielding::start(&executor);
    let n_long = one_more_than_processors();
    let others: Vec<_> = (1..n_long)
        .map(|_| {
            let is_over = yielding.is_over.clone();
            spawn(&executor, async move {
                while !is_over.load(Ordering::SeqCst) {
                    compute_step();
                }
            })
        })
        .collect();
    let mutex = Arc::new(Mutex::new(()));
    let (locked, is_locked) = mpsc::channel();
    let (inner, held) = (executor.clone(), mutex.clone());
    let holder = spawn(&executor, async move {
        while cfg!(target_os = "linux") && inner.statistics().deprioritized < n_long {
            compute_step();
        }
        let _guard = held.lock();
        locked.send(()).unwrap();
        (0..LONG).for_each(|_| compute_step());
    });
    is_locked.recv().unwrap();
    let before = yielding.n_steps.load(Ordering::SeqCst);
    wait(spawn(&executor, async move { drop(mutex.lock()) }));
    let n_steps = yielding.n_steps.load(Ordering::SeqCst) - before;
    yielding.stop();
    others.into_iter().chain([holder]).for_each(wait);
    executor.close(std::time::Duration::MAX);
    n_steps
}

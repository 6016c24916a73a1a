//! Checked by loom: `RUSTFLAGS='--cfg cordial_loom' cargo test --release -p cordial-sched --lib`.
//!
//! A worker that sleeps through a push is a deadlock, which loom reports. Each model ends with a look at which ways it
//! was taken, so that a protocol that never sleeps does not pass for one that never loses a wake-up.

use std::sync::atomic::{AtomicUsize as Count, Ordering::Relaxed};

use loom::sync::Arc;
use loom::thread;

use super::*;
use crate::sync::Parker;

/// A queue that only counts. Its orderings are the weakest: the protocol must not lean on the queue.
struct Queue(AtomicUsize);

impl Queue {
    fn push(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn take(&self) -> Option<()> {
        let mut n = self.0.load(Ordering::Relaxed);
        while n > 0 {
            match self.0.compare_exchange(n, n - 1, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Some(()),
                Err(now) => n = now,
            }
        }
        None
    }
}

struct Model {
    idle: Idle,
    queue: Queue,
    watch: Parker,
}

impl Model {
    fn new() -> Arc<Model> {
        let watch = Parker::new();
        Arc::new(Model { idle: Idle::new(watch.unparker().clone()), queue: Queue(AtomicUsize::new(0)), watch })
    }

    fn push(&self) {
        self.queue.push();
        self.idle.notify();
    }

    /// The life of a worker until it has run `n` tasks, as `worker::run` does it.
    fn work(&self, seat: usize, n: usize, ways: &Ways) {
        let parker = Parker::new();
        let mut duty: Option<Looking> = None;
        let mut left = n;
        while left > 0 {
            let mut found = self.queue.take();
            if found.is_none() {
                duty = duty.or_else(|| self.idle.look());
                if duty.is_some() {
                    found = self.queue.take();
                }
            }
            self.put_down(&mut duty);
            if found.is_none() {
                match self.idle.sleep(seat, parker.unparker(), || parker.park(), || self.queue.take()) {
                    Slept::Found(work, handed) => {
                        ways.found_at_last.fetch_add(1, Relaxed);
                        found = Some(work);
                        duty = handed;
                        self.put_down(&mut duty);
                    }
                    Slept::Woken(handed) => {
                        ways.woken.fetch_add(1, Relaxed);
                        duty = Some(handed);
                    }
                    Slept::Roused => unreachable!("nobody rouses without work here"),
                }
            }
            left -= usize::from(found.is_some());
        }
        self.put_down(&mut duty);
    }

    /// As `worker::put_down`.
    fn put_down(&self, duty: &mut Option<Looking>) {
        if let Some(looking) = duty.take() {
            self.idle.put_down(looking);
            if self.queue.0.load(Ordering::Relaxed) > 0 {
                self.idle.notify();
            }
        }
    }
}

/// For three threads with loops: every interleaving of up to two preemptions.
fn bounded() -> loom::model::Builder {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder
}

#[derive(Default)]
struct Ways {
    found_at_last: Count,
    woken: Count,
}

#[test]
fn a_push_is_never_slept_through() {
    let ways = std::sync::Arc::new(Ways::default());
    let seen = ways.clone();
    loom::model(move || {
        let model = Model::new();
        let worker = {
            let (model, ways) = (model.clone(), ways.clone());
            thread::spawn(move || model.work(0, 1, &ways))
        };
        model.push();
        worker.join().unwrap();
    });
    assert!(seen.found_at_last.load(Relaxed) > 0, "the last look was never what found it");
    assert!(seen.woken.load(Relaxed) > 0, "the worker never slept");
}

#[test]
fn two_pushes_from_two_threads_reach_a_worker_that_sleeps_between() {
    let ways = std::sync::Arc::new(Ways::default());
    bounded().check(move || {
        let model = Model::new();
        let worker = {
            let (model, ways) = (model.clone(), ways.clone());
            thread::spawn(move || model.work(0, 2, &ways))
        };
        let other = {
            let model = model.clone();
            thread::spawn(move || model.push())
        };
        model.push();
        other.join().unwrap();
        worker.join().unwrap();
    });
}

#[test]
fn the_duty_to_look_is_never_lost_between_two_workers() {
    let ways = std::sync::Arc::new(Ways::default());
    bounded().check(move || {
        let model = Model::new();
        let workers: Vec<_> = (0..2)
            .map(|seat| {
                let (model, ways) = (model.clone(), ways.clone());
                thread::spawn(move || model.work(seat, 1, &ways))
            })
            .collect();
        model.push();
        model.push();
        for worker in workers {
            worker.join().unwrap();
        }
    });
}

#[test]
fn the_watch_does_not_sleep_while_a_worker_is_awake() {
    loom::model(|| {
        let model = Model::new();
        let parker = Parker::new();
        model.idle.sleepers.lock().push(Sleeper { seat: 0, unparker: parker.unparker().clone() });
        model.idle.n_sleepers.store(1, Ordering::SeqCst);
        let watch = {
            let model = model.clone();
            // Deadlocks if it parks although the worker was woken.
            thread::spawn(move || {
                while model.idle.n_sleepers() == 1 {
                    model.idle.watch_sleeps(|| model.idle.n_sleepers() == 1, || model.watch.park());
                }
            })
        };
        model.push();
        watch.join().unwrap();
    });
}

//! Checked by loom: `RUSTFLAGS='--cfg cordial_loom' cargo test --release -p cordial-sched --lib`.
//!
//! A worker or a watch that sleeps through what it should see is a deadlock, which loom reports. Each model ends with a
//! look at which ways it was taken, so that a protocol that never sleeps does not pass for one that loses no wake-up.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize as Count, Ordering::Relaxed};

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

    fn is_empty(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }
}

/// How often a model went which way, over all its runs.
#[derive(Default)]
struct Ways {
    found_at_once: Count,
    found_at_last: Count,
    found_and_woken: Count,
    woken: Count,
    woken_for_nothing: Count,
    roused: Count,
    watch_parked: Count,
    watch_stayed_up: Count,
    kept_quiet: Count,
}

impl Ways {
    #[track_caller]
    fn assert_taken<const N: usize>(&self, ways: [(&str, &Count); N]) {
        for (name, way) in ways {
            assert!(way.load(Relaxed) > 0, "it never went this way: {name}");
        }
    }
}

fn once(way: &Count) {
    way.fetch_add(1, Relaxed);
}

struct Model {
    idle: Idle,
    queue: Queue,
    watch: Parker,
    n_looking: Count,
    ways: Arc<Ways>,
}

impl Model {
    fn new(ways: &Arc<Ways>) -> loom::sync::Arc<Model> {
        let watch = Parker::new();
        loom::sync::Arc::new(Model {
            idle: Idle::new(watch.unparker().clone()),
            queue: Queue(AtomicUsize::new(0)),
            watch,
            n_looking: Count::new(0),
            ways: ways.clone(),
        })
    }

    fn push(&self) {
        self.queue.push();
        self.idle.notify();
    }

    /// The life of a worker until it has found `n` tasks, as `worker::run` does it. The last one never ends.
    fn work(&self, seat: usize, parker: &Parker, n: usize) {
        let mut duty: Option<Searching> = None;
        let mut left = n;
        while left > 0 {
            let mut found = self.queue.take();
            if found.is_none() {
                duty = duty.or_else(|| self.idle.look().inspect(|_| self.looks()));
                if duty.is_some() {
                    found = self.queue.take();
                }
            }
            if found.is_some() {
                once(&self.ways.found_at_once);
            }
            self.stop_searching(&mut duty);
            if found.is_none() {
                (found, duty) = self.sleep(seat, parker);
                if found.is_some() {
                    self.stop_searching(&mut duty);
                }
            }
            left -= usize::from(found.is_some());
        }
    }

    /// As `worker::sleep`.
    fn sleep(&self, seat: usize, parker: &Parker) -> (Option<()>, Option<Searching>) {
        match self.idle.sleep(seat, parker.unparker(), || parker.park(), || self.queue.take()) {
            Slept::Found(work, None) => {
                once(&self.ways.found_at_last);
                (Some(work), None)
            }
            Slept::Found(work, Some(duty)) => {
                once(&self.ways.found_and_woken);
                self.looks();
                (Some(work), Some(duty))
            }
            Slept::Woken(duty) => {
                once(if self.queue.is_empty() { &self.ways.woken_for_nothing } else { &self.ways.woken });
                self.looks();
                (None, Some(duty))
            }
            Slept::Spurious => {
                once(&self.ways.roused);
                (None, None)
            }
        }
    }

    /// As `worker::stop_searching`.
    fn stop_searching(&self, duty: &mut Option<Searching>) {
        if let Some(looking) = duty.take() {
            self.n_looking.fetch_sub(1, Relaxed);
            self.idle.stop_searching(looking);
            if !self.queue.is_empty() {
                self.idle.notify();
            }
        }
    }

    /// The watch would never sleep, or nobody be woken, if the number lagged behind for good.
    fn assert_counted(&self) {
        assert_eq!(self.idle.n_sleepers(), self.idle.sleepers.lock().len(), "the sleepers are not counted");
    }

    fn looks(&self) {
        assert_eq!(self.n_looking.fetch_add(1, Relaxed), 0, "two have the duty to look");
    }
}

/// For three threads and more: every interleaving of up to so many preemptions.
fn check(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(model);
}

#[test]
fn a_push_is_never_slept_through() {
    let ways = Arc::new(Ways::default());
    let seen = ways.clone();
    loom::model(move || {
        let model = Model::new(&ways);
        let worker = {
            let model = model.clone();
            thread::spawn(move || model.work(0, &Parker::new(), 1))
        };
        model.push();
        worker.join().unwrap();
    });
    seen.assert_taken([
        ("it did not sleep", &seen.found_at_once),
        ("the last look found it", &seen.found_at_last),
        ("the last look found it, and somebody woke the worker", &seen.found_and_woken),
        ("woken", &seen.woken),
    ]);
}

#[test]
fn two_pushes_from_two_threads_reach_a_worker_that_sleeps_between() {
    let ways = Arc::new(Ways::default());
    let seen = ways.clone();
    check(3, move || {
        let model = Model::new(&ways);
        let worker = {
            let model = model.clone();
            thread::spawn(move || model.work(0, &Parker::new(), 2))
        };
        let other = {
            let model = model.clone();
            thread::spawn(move || model.push())
        };
        model.push();
        other.join().unwrap();
        worker.join().unwrap();
    });
    assert_eq!(seen.roused.load(Relaxed), 0, "a sleep was ended by a token of the one before");
    seen.assert_taken([("the last look found it", &seen.found_at_last), ("woken", &seen.woken)]);
}

#[test]
fn a_worker_that_never_comes_back_leaves_no_task_to_a_sleeper() {
    let ways = Arc::new(Ways::default());
    let seen = ways.clone();
    check(2, move || {
        let model = Model::new(&ways);
        let workers = [0, 1].map(|seat| {
            let model = model.clone();
            thread::spawn(move || model.work(seat, &Parker::new(), 1))
        });
        // A thread of its own, so that no preemption is spent on getting it out of the way.
        let pusher = {
            let model = model.clone();
            thread::spawn(move || {
                model.push();
                model.push();
            })
        };
        pusher.join().unwrap();
        for worker in workers {
            worker.join().unwrap();
        }
        model.assert_counted();
    });
    seen.assert_taken([("the last look found it", &seen.found_at_last), ("woken", &seen.woken)]);
}

#[test]
fn pushes_from_two_threads_reach_two_workers() {
    let ways = Arc::new(Ways::default());
    let seen = ways.clone();
    check(2, move || {
        let model = Model::new(&ways);
        let workers = [0, 1].map(|seat| {
            let model = model.clone();
            thread::spawn(move || model.work(seat, &Parker::new(), 1))
        });
        let other = {
            let model = model.clone();
            thread::spawn(move || model.push())
        };
        model.push();
        other.join().unwrap();
        for worker in workers {
            worker.join().unwrap();
        }
        model.assert_counted();
    });
    seen.assert_taken([("the last look found it", &seen.found_at_last), ("woken", &seen.woken)]);
}

/// The worker goes into a poll that never ends; `is_up` stands for what it tells of its polls.
fn watch_sees_a_worker(preemptions: usize, has_token: bool) -> Arc<Ways> {
    let ways = Arc::new(Ways::default());
    let seen = ways.clone();
    check(preemptions, move || {
        let model = Model::new(&ways);
        let is_up = loom::sync::Arc::new(AtomicBool::new(false));
        let worker = {
            let (model, is_up) = (model.clone(), is_up.clone());
            thread::spawn(move || {
                let parker = Parker::new();
                if has_token {
                    // Somebody has unparked the worker for another reason than work, before.
                    parker.unparker().unpark();
                }
                let (mut found, mut duty) = model.sleep(0, &parker);
                while found.is_none() {
                    found = model.queue.take();
                    model.stop_searching(&mut duty);
                    if found.is_none() {
                        (found, duty) = model.sleep(0, &parker);
                    }
                }
                model.stop_searching(&mut duty);
                is_up.store(true, Ordering::Relaxed);
            })
        };
        let watch = {
            let (model, is_up) = (model.clone(), is_up.clone());
            thread::spawn(move || {
                let is_everybody_asleep = || model.idle.n_sleepers() == 1;
                while !is_up.load(Ordering::Relaxed) {
                    if is_everybody_asleep() {
                        let mut has_parked = false;
                        model.idle.sysmon_sleeps(is_everybody_asleep, || {
                            has_parked = true;
                            model.watch.park();
                        });
                        once(if has_parked { &model.ways.watch_parked } else { &model.ways.watch_stayed_up });
                    }
                    thread::yield_now();
                }
            })
        };
        model.push();
        worker.join().unwrap();
        watch.join().unwrap();
    });
    seen.assert_taken([
        ("the watch parked", &seen.watch_parked),
        ("the watch stayed up after all", &seen.watch_stayed_up),
    ]);
    seen
}

#[test]
fn the_watch_does_not_sleep_while_a_worker_is_up() {
    let seen = watch_sees_a_worker(3, false);
    seen.assert_taken([
        ("the last look found it", &seen.found_at_last),
        ("the last look found it, and somebody woke the worker", &seen.found_and_woken),
        ("woken", &seen.woken),
    ]);
}

#[test]
fn the_watch_does_not_sleep_while_a_worker_is_up_that_nobody_woke_for_work() {
    let seen = watch_sees_a_worker(3, true);
    seen.assert_taken([("roused", &seen.roused), ("woken", &seen.woken)]);
}

/// The pusher goes on in a poll that never ends, so only the watch can schedule_remote what is in its slot to the sleeper. The hint
/// that waking is in vain may be old, or come at any moment.
#[test]
fn a_push_into_a_slot_that_wakes_nobody_is_found_by_the_watch() {
    let ways = Arc::new(Ways::default());
    let seen = ways.clone();
    check(2, move || {
        let model = Model::new(&ways);
        let slot = loom::sync::Arc::new(Queue(AtomicUsize::new(0)));
        let worker = {
            let model = model.clone();
            thread::spawn(move || {
                model.idle.record_search(SearchResult::Nothing);
                model.work(0, &Parker::new(), 1);
            })
        };
        let pusher = {
            let (model, slot) = (model.clone(), slot.clone());
            thread::spawn(move || {
                slot.push();
                if model.idle.was_in_vain.load(Ordering::Relaxed) {
                    once(&model.ways.kept_quiet);
                }
                model.idle.notify_of_slot();
            })
        };
        // As `watch::watch` and `watch::look`.
        loop {
            model.idle.record_search(SearchResult::Found);
            if slot.take().is_some() {
                model.push();
                break;
            }
            thread::yield_now();
        }
        pusher.join().unwrap();
        worker.join().unwrap();
    });
    seen.assert_taken([
        ("nobody was woken for the slot", &seen.kept_quiet),
        ("somebody was woken for the slot", &seen.woken_for_nothing),
        ("woken for what the watch has moved", &seen.woken),
    ]);
}

/// The pusher is left alone, and gets slow all the same. The hint may be old, or come at any moment.
#[test]
fn a_push_into_a_queue_that_wakes_nobody_is_told_by_the_watch() {
    let ways = Arc::new(Ways::default());
    let seen = ways.clone();
    check(2, move || {
        let model = Model::new(&ways);
        let worker = {
            let model = model.clone();
            thread::spawn(move || {
                model.idle.record_search(SearchResult::Skipped);
                model.work(0, &Parker::new(), 1);
            })
        };
        let pusher = {
            let model = model.clone();
            thread::spawn(move || {
                model.queue.push();
                if model.idle.was_left_alone.load(Ordering::Relaxed) {
                    once(&model.ways.kept_quiet);
                }
                model.idle.notify_of_queue();
            })
        };
        pusher.join().unwrap();
        // As `watch::watch`.
        model.idle.record_search(SearchResult::Found);
        if !model.queue.is_empty() {
            model.idle.notify();
        }
        worker.join().unwrap();
    });
    seen.assert_taken([("nobody was woken for the queue", &seen.kept_quiet), ("woken", &seen.woken)]);
}

/// The end of the pool unparks every seat that it sees. A worker whose seat it does not see yet sees the flag.
#[test]
fn a_worker_that_comes_while_the_pool_ends_does_not_sleep_through_it() {
    let ways = Arc::new(Ways::default());
    let seen = ways.clone();
    check(3, move || {
        let model = Model::new(&ways);
        let [is_open, is_stopping] = [(); 2].map(|()| loom::sync::Arc::new(AtomicBool::new(false)));
        let parker = Parker::new();
        let unparker = parker.unparker().clone();
        let worker = {
            let (model, is_open, is_stopping) = (model.clone(), is_open.clone(), is_stopping.clone());
            thread::spawn(move || {
                // As `Pool::follow`, whose thread this is.
                is_open.store(true, Ordering::Relaxed);
                let last_look = || is_stopping.load(Ordering::Relaxed).then_some(());
                while !is_stopping.load(Ordering::Relaxed) {
                    match model.idle.sleep(0, parker.unparker(), || parker.park(), last_look) {
                        Slept::Found((), None) => return once(&model.ways.found_at_last),
                        Slept::Spurious => once(&model.ways.roused),
                        Slept::Found((), Some(_)) | Slept::Woken(_) => panic!("there is no work"),
                    }
                }
            })
        };
        // As `Pool::stop`.
        is_stopping.store(true, Ordering::Relaxed);
        model.idle.wake_sysmon();
        if is_open.load(Ordering::Relaxed) {
            unparker.unpark();
        }
        worker.join().unwrap();
    });
    seen.assert_taken([("the last look found it", &seen.found_at_last), ("unparked", &seen.roused)]);
}

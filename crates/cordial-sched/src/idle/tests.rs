//! Models of the idle protocol, which loom checks: `RUSTFLAGS='--cfg cordial_loom' cargo test --release -p cordial-sched --lib`.
//!
//! The models run the shipped loops of worker and sysmon (`worker/run_loop.rs`, `sysmon/run_loop.rs`); only the one in
//! `clock` calls the functions of `Idle` itself. A worker or a sysmon that sleeps through what it should see is a deadlock,
//! which loom reports. Each model ends by checking which outcomes its runs have reached: a model in which no thread ever
//! sleeps would lose no wake-up, and test nothing.

mod clock;
mod stop;

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize as Count, Ordering::Relaxed};

use loom::thread;

use super::*;
use crate::sync::Parker;
use crate::sync::models::{assert_reached, check, count};
use crate::sysmon::run_loop::{self as sysmon_loop, SysmonOps};
use crate::worker::run_loop::{self, LoopEnd, WorkerOps};

/// A queue that only counts. Its orderings are the weakest: the protocol must not rely on the queue.
struct Queue(AtomicUsize);

impl Queue {
    fn new() -> Queue {
        Queue(AtomicUsize::new(0))
    }

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

/// How often each outcome was reached, over all runs of a model.
#[derive(Default)]
struct Outcomes {
    found_awake: Count,
    found_by_recheck: Count,
    found_and_woken: Count,
    woken: Count,
    woken_in_vain: Count,
    spurious: Count,
    sysmon_parked: Count,
    sysmon_stayed_awake: Count,
    skipped_wakeup: Count,
}

/// What the threads of a model share.
struct Model {
    idle: Idle,
    queue: Queue,
    sysmon: Parker,
    n_searching: Count,
    outcomes: Arc<Outcomes>,
}

impl Model {
    fn new(outcomes: &Arc<Outcomes>) -> loom::sync::Arc<Model> {
        let sysmon = Parker::new();
        loom::sync::Arc::new(Model {
            idle: Idle::new(sysmon.unparker().clone()),
            queue: Queue::new(),
            sysmon,
            n_searching: Count::new(0),
            outcomes: outcomes.clone(),
        })
    }

    fn push(&self) {
        self.queue.push();
        self.idle.notify();
    }

    /// Runs a worker until it has polled `n` tasks. In place of a last poll that never ends, the worker then leaves its loop.
    fn work(&self, index: usize, n: usize) {
        let parker = Parker::new();
        let worker =
            ModelWorker { model: self, index, parker: &parker, left: Cell::new(n), has_slept: Cell::new(false) };
        assert_eq!(run_loop::run(&worker), LoopEnd::Replaced);
    }

    /// Asserts that `n_sleepers` is the length of the list. Otherwise sysmon would never sleep, or pushes would wake no worker.
    fn assert_counted(&self) {
        assert_eq!(self.idle.n_sleepers(), self.idle.sleepers.lock().len(), "the sleepers are not counted");
    }

    fn begins_search(&self) {
        assert_eq!(self.n_searching.fetch_add(1, Relaxed), 0, "two workers are searching");
    }
}

/// A worker that ends after some tasks, as if it was replaced during its last poll.
struct ModelWorker<'a> {
    model: &'a Model,
    index: usize,
    parker: &'a Parker,
    left: Cell<usize>,
    has_slept: Cell<bool>,
}

impl WorkerOps for ModelWorker<'_> {
    type Task = ();

    fn is_replaced(&self) -> bool {
        self.left.get() == 0
    }

    fn is_stopping(&self) -> bool {
        false
    }

    fn next_task(&self) -> Option<()> {
        self.model.queue.take()
    }

    fn search(&self) -> Option<()> {
        self.model.queue.take()
    }

    fn recheck(&self) -> Option<()> {
        self.model.queue.take()
    }

    fn poll(&self, (): ()) {
        if !self.has_slept.get() {
            count(&self.model.outcomes.found_awake);
        }
        self.left.set(self.left.get() - 1);
    }

    fn has_injected(&self) -> bool {
        !self.model.queue.is_empty()
    }

    fn has_queued(&self) -> bool {
        false
    }

    fn idle(&self) -> &Idle {
        &self.model.idle
    }

    fn index(&self) -> usize {
        self.index
    }

    fn unparker(&self) -> &Unparker {
        self.parker.unparker()
    }

    fn park(&self) {
        self.parker.park();
    }

    fn start_searching(&self) -> Option<Searching> {
        self.model.idle.start_searching().inspect(|_| self.model.begins_search())
    }

    fn stop_searching(&self, searching: Searching) {
        self.model.n_searching.fetch_sub(1, Relaxed);
        self.model.idle.stop_searching(searching);
    }

    fn sleep(&self) -> SleepResult<Option<()>> {
        self.has_slept.set(true);
        let Model { outcomes, queue, .. } = self.model;
        let slept = run_loop::sleep(self);
        match &slept {
            SleepResult::Found(_, None) => count(&outcomes.found_by_recheck),
            SleepResult::Found(_, Some(_)) => {
                count(&outcomes.found_and_woken);
                self.model.begins_search();
            }
            SleepResult::Woken(_) => {
                count(if queue.is_empty() { &outcomes.woken_in_vain } else { &outcomes.woken });
                self.model.begins_search();
            }
            SleepResult::Spurious => count(&outcomes.spurious),
        }
        slept
    }
}

#[test]
fn a_worker_does_not_sleep_through_a_push() {
    let outcomes = Arc::new(Outcomes::default());
    let seen = outcomes.clone();
    loom::model(move || {
        let model = Model::new(&outcomes);
        let worker = {
            let model = model.clone();
            thread::spawn(move || model.work(0, 1))
        };
        model.push();
        worker.join().unwrap();
    });
    assert_reached([
        ("it did not sleep", &seen.found_awake),
        ("the recheck found it", &seen.found_by_recheck),
        ("the recheck found it, and the worker was woken", &seen.found_and_woken),
        ("woken", &seen.woken),
    ]);
}

#[test]
fn two_pushes_from_two_threads_reach_a_worker_that_sleeps_in_between() {
    let outcomes = Arc::new(Outcomes::default());
    let seen = outcomes.clone();
    check(3, move || {
        let model = Model::new(&outcomes);
        let worker = {
            let model = model.clone();
            thread::spawn(move || model.work(0, 2))
        };
        let other = {
            let model = model.clone();
            thread::spawn(move || model.push())
        };
        model.push();
        other.join().unwrap();
        worker.join().unwrap();
    });
    assert_eq!(seen.spurious.load(Relaxed), 0, "a sleep was ended by a token of the one before");
    assert_reached([("the recheck found it", &seen.found_by_recheck), ("woken", &seen.woken)]);
}

#[test]
fn a_worker_whose_poll_never_ends_leaves_no_task_beside_a_sleeper() {
    let outcomes = Arc::new(Outcomes::default());
    let seen = outcomes.clone();
    check(2, move || {
        let model = Model::new(&outcomes);
        let workers = [0, 1].map(|index| {
            let model = model.clone();
            thread::spawn(move || model.work(index, 1))
        });
        // On a thread of its own: if this thread pushed, a run in which a worker comes first would use up one of the preemptions.
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
    assert_reached([("the recheck found it", &seen.found_by_recheck), ("woken", &seen.woken)]);
}

#[test]
fn pushes_from_two_threads_reach_two_workers() {
    let outcomes = Arc::new(Outcomes::default());
    let seen = outcomes.clone();
    check(2, move || {
        let model = Model::new(&outcomes);
        let workers = [0, 1].map(|index| {
            let model = model.clone();
            thread::spawn(move || model.work(index, 1))
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
    assert_reached([("the recheck found it", &seen.found_by_recheck), ("woken", &seen.woken)]);
}

/// A sysmon that sleeps when the one worker does, and ends when the worker has published its poll.
struct ModelSysmon<'a> {
    model: &'a Model,
    is_polling: &'a AtomicBool,
}

impl SysmonOps for ModelSysmon<'_> {
    fn has_ended(&self) -> bool {
        self.is_polling.load(Ordering::Relaxed)
    }

    fn is_all_asleep(&self) -> bool {
        self.model.idle.n_sleepers() == 1
    }

    fn should_sleep(&mut self) -> bool {
        let should_sleep = self.is_all_asleep();
        if should_sleep {
            // `park` subtracts this again, so the count is how often the recheck has kept sysmon awake.
            count(&self.model.outcomes.sysmon_stayed_awake);
        }
        should_sleep
    }

    fn park(&self) {
        count(&self.model.outcomes.sysmon_parked);
        self.model.outcomes.sysmon_stayed_awake.fetch_sub(1, Relaxed);
        self.model.sysmon.park();
    }

    fn wait(&self) {}

    fn observe(&mut self) -> bool {
        thread::yield_now();
        false
    }

    /// Always `false`: the pusher has to wake the worker, without the help of sysmon.
    fn has_queued(&self) -> bool {
        false
    }

    fn deprioritize(&mut self) {}

    fn idle(&self) -> &Idle {
        &self.model.idle
    }
}

/// The worker takes one task, whose poll never ends. `is_polling` stands for the progress that a worker publishes.
fn sysmon_sees_a_worker(preemptions: usize, has_token: bool) -> Arc<Outcomes> {
    let outcomes = Arc::new(Outcomes::default());
    let seen = outcomes.clone();
    check(preemptions, move || {
        let model = Model::new(&outcomes);
        let is_polling = loom::sync::Arc::new(AtomicBool::new(false));
        let worker = {
            let (model, is_polling) = (model.clone(), is_polling.clone());
            thread::spawn(move || {
                let parker = Parker::new();
                if has_token {
                    // The worker was unparked before, but not by a push.
                    parker.unparker().unpark();
                }
                let (left, has_slept) = (Cell::new(1), Cell::new(false));
                let worker = ModelWorker { model: &model, index: 0, parker: &parker, left, has_slept };
                assert_eq!(run_loop::run(&worker), LoopEnd::Replaced);
                is_polling.store(true, Ordering::Relaxed);
            })
        };
        let sysmon = {
            let (model, is_polling) = (model.clone(), is_polling.clone());
            thread::spawn(move || sysmon_loop::run(&mut ModelSysmon { model: &model, is_polling: &is_polling }))
        };
        model.push();
        worker.join().unwrap();
        sysmon.join().unwrap();
    });
    assert_reached([
        ("sysmon parked", &seen.sysmon_parked),
        ("sysmon stayed awake after all", &seen.sysmon_stayed_awake),
    ]);
    seen
}

#[test]
fn sysmon_does_not_sleep_while_a_worker_is_awake() {
    let seen = sysmon_sees_a_worker(3, false);
    assert_reached([
        ("the recheck found it", &seen.found_by_recheck),
        ("the recheck found it, and the worker was woken", &seen.found_and_woken),
        ("woken", &seen.woken),
    ]);
}

#[test]
fn sysmon_does_not_sleep_while_a_worker_that_was_unparked_without_a_push_is_awake() {
    let seen = sysmon_sees_a_worker(3, true);
    assert_reached([("spurious", &seen.spurious), ("woken", &seen.woken)]);
}

/// A sysmon whose rounds move the task in `slot` to the queue.
struct HelpingSysmon<'a> {
    model: &'a Model,
    slot: &'a Queue,
    ends: Ends,
    has_moved: bool,
    n_rounds: usize,
}

#[derive(PartialEq, Eq)]
enum Ends {
    AfterOneRound,
    WhenATaskWasMoved,
}

impl<'a> HelpingSysmon<'a> {
    fn run(model: &'a Model, slot: &'a Queue, ends: Ends) {
        sysmon_loop::run(&mut HelpingSysmon { model, slot, ends, has_moved: false, n_rounds: 0 });
    }
}

impl SysmonOps for HelpingSysmon<'_> {
    fn has_ended(&self) -> bool {
        match self.ends {
            Ends::AfterOneRound => self.n_rounds > 0,
            Ends::WhenATaskWasMoved => self.has_moved,
        }
    }

    fn is_all_asleep(&self) -> bool {
        false
    }

    fn should_sleep(&mut self) -> bool {
        false
    }

    fn park(&self) {
        panic!("`should_sleep` returns false");
    }

    fn wait(&self) {
        if self.n_rounds > 0 {
            thread::yield_now();
        }
    }

    /// Takes the task out of the slot in each round. The real sysmon does so only if the pusher was in the same poll in the round before.
    fn observe(&mut self) -> bool {
        self.n_rounds += 1;
        if self.slot.take().is_some() {
            self.has_moved = true;
            self.model.push();
        }
        false
    }

    fn has_queued(&self) -> bool {
        !self.model.queue.is_empty()
    }

    fn deprioritize(&mut self) {}

    fn idle(&self) -> &Idle {
        &self.model.idle
    }
}

/// The pusher stays in a poll that never ends, so only sysmon can bring the task in its slot to the sleeper. The worker
/// sets the hint `skips_slot_wakeups` before, during or after the push.
#[test]
fn a_push_into_a_slot_that_wakes_no_worker_is_found_by_sysmon() {
    let outcomes = Arc::new(Outcomes::default());
    let seen = outcomes.clone();
    check(2, move || {
        let model = Model::new(&outcomes);
        let slot = loom::sync::Arc::new(Queue::new());
        let worker = {
            let model = model.clone();
            thread::spawn(move || {
                model.idle.record_search(SearchResult::Nothing);
                model.work(0, 1);
            })
        };
        let pusher = {
            let (model, slot) = (model.clone(), slot.clone());
            thread::spawn(move || {
                slot.push();
                if model.idle.skips_slot_wakeups.load(Ordering::Relaxed) {
                    count(&model.outcomes.skipped_wakeup);
                }
                model.idle.notify_slot_push();
            })
        };
        HelpingSysmon::run(&model, &slot, Ends::WhenATaskWasMoved);
        pusher.join().unwrap();
        worker.join().unwrap();
    });
    assert_reached([
        ("no worker was woken for the slot", &seen.skipped_wakeup),
        ("a worker was woken for the slot", &seen.woken_in_vain),
        ("woken for the task that sysmon has moved", &seen.woken),
    ]);
}

/// The worker has searched, and has skipped the queue of the pusher, whose polls were short: it sets the hint `skips_queue_wakeups`, before,
/// during or after the push. Now the pusher stays in a poll.
#[test]
fn a_push_into_a_queue_that_wakes_no_worker_is_found_by_sysmon() {
    let outcomes = Arc::new(Outcomes::default());
    let seen = outcomes.clone();
    check(2, move || {
        let model = Model::new(&outcomes);
        let worker = {
            let model = model.clone();
            thread::spawn(move || {
                model.idle.record_search(SearchResult::Skipped);
                model.work(0, 1);
            })
        };
        let pusher = {
            let model = model.clone();
            thread::spawn(move || {
                model.queue.push();
                if model.idle.skips_queue_wakeups.load(Ordering::Relaxed) {
                    count(&model.outcomes.skipped_wakeup);
                }
                model.idle.notify_queue_push();
            })
        };
        pusher.join().unwrap();
        HelpingSysmon::run(&model, &Queue::new(), Ends::AfterOneRound);
        worker.join().unwrap();
    });
    assert_reached([("no worker was woken for the queue", &seen.skipped_wakeup), ("woken", &seen.woken)]);
}

//! Checked by loom: `RUSTFLAGS='--cfg cordial_loom' cargo test --release -p cordial-sched --lib`.

use std::sync::atomic::{AtomicUsize as Count, Ordering::Relaxed};

use loom::sync::Arc;
use loom::thread;

use super::*;
use crate::idle::Idle;
use crate::sync::{AtomicBool, Parker};

/// A queue that only counts. Its orderings are the weakest: the protocol must not lean on the queue.
///
/// Both ends read and write in one step: the model checker does not order a plain store among such steps of others.
struct Model {
    running: RunningThreads,
    idle: Idle,
    queue: AtomicUsize,
    is_stopping: AtomicBool,
}

impl Model {
    fn new(n_running: usize) -> Arc<Model> {
        let running = RunningThreads::new();
        (0..n_running).for_each(|_| running.enter());
        let idle = Idle::new(Parker::new().unparker().clone());
        Arc::new(Model { running, idle, queue: AtomicUsize::new(0), is_stopping: AtomicBool::new(true) })
    }

    /// As `Pool::inject`.
    fn push(&self) {
        self.queue.fetch_add(1, Ordering::Relaxed);
        self.idle.notify();
    }

    fn take_all(&self) -> usize {
        self.queue.swap(0, Ordering::Relaxed)
    }

    /// As `Pool::leave`.
    fn leave(&self) -> usize {
        if self.running.leave() && self.is_stopping.load(Ordering::Relaxed) { self.take_all() } else { 0 }
    }

    /// As `Pool::stop`, and what `Executor::close` does after it.
    fn stop(&self) -> usize {
        self.is_stopping.store(true, Ordering::Relaxed);
        self.idle.wake_sysmon();
        if self.running.is_over() { self.take_all() } else { 0 }
    }
}

#[test]
fn what_is_pushed_while_the_last_thread_leaves_is_run_once() {
    static BY_PUSHER: Count = Count::new(0);
    static BY_THREAD: Count = Count::new(0);
    static BY_LAST_LOOK: Count = Count::new(0);
    loom::model(|| {
        let model = Model::new(1);
        let leaving = {
            let model = model.clone();
            thread::spawn(move || (model.take_all(), model.leave()))
        };
        model.push();
        let by_pusher = if model.running.is_over() { model.take_all() } else { 0 };
        let (by_thread, by_last_look) = leaving.join().unwrap();
        BY_PUSHER.fetch_add(by_pusher, Relaxed);
        BY_THREAD.fetch_add(by_thread, Relaxed);
        BY_LAST_LOOK.fetch_add(by_last_look, Relaxed);
        assert_eq!(by_pusher + by_thread + by_last_look, 1, "a task was lost, or run twice");
    });
    for (who, n) in [("the pusher", &BY_PUSHER), ("the thread", &BY_THREAD), ("its last look", &BY_LAST_LOOK)] {
        assert!(n.load(Relaxed) > 0, "never taken by {who}");
    }
}

#[test]
fn what_a_thread_hands_over_is_run_by_the_last() {
    static BY_FIRST: Count = Count::new(0);
    static BY_SECOND: Count = Count::new(0);
    loom::model(|| {
        let model = Model::new(2);
        let other = {
            let model = model.clone();
            thread::spawn(move || model.leave())
        };
        model.push();
        let by_first = model.leave();
        let by_second = other.join().unwrap();
        BY_FIRST.fetch_add(by_first, Relaxed);
        BY_SECOND.fetch_add(by_second, Relaxed);
        assert_eq!(by_first + by_second, 1, "a task was lost, or run twice");
    });
    for (who, n) in [("the first thread", &BY_FIRST), ("the second thread", &BY_SECOND)] {
        assert!(n.load(Relaxed) > 0, "never taken by {who}");
    }
}

#[test]
fn what_the_last_thread_leaves_to_a_pool_that_stops_is_run_once() {
    static BY_THREAD: Count = Count::new(0);
    static BY_STOPPER: Count = Count::new(0);
    loom::model(|| {
        let model = Model::new(1);
        model.is_stopping.store(false, Ordering::Relaxed);
        model.queue.store(1, Ordering::Relaxed);
        let leaving = {
            let model = model.clone();
            thread::spawn(move || model.leave())
        };
        let by_stopper = model.stop();
        let by_thread = leaving.join().unwrap();
        BY_THREAD.fetch_add(by_thread, Relaxed);
        BY_STOPPER.fetch_add(by_stopper, Relaxed);
        assert_eq!(by_thread + by_stopper, 1, "a task was lost, or run twice");
    });
    for (who, n) in [("the thread", &BY_THREAD), ("who stops the pool", &BY_STOPPER)] {
        assert!(n.load(Relaxed) > 0, "never taken by {who}");
    }
}

#[test]
fn who_sees_that_all_have_left_sees_what_they_did() {
    static OVER: Count = Count::new(0);
    static NOT_OVER: Count = Count::new(0);
    loom::model(|| {
        let model = Model::new(2);
        let done = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
        let threads = [0, 1].map(|thread| {
            let (model, done) = (model.clone(), done.clone());
            thread::spawn(move || {
                done[thread].store(1, Ordering::Relaxed);
                let _ = model.running.leave();
            })
        });
        if model.running.n_running() == 0 {
            OVER.fetch_add(1, Relaxed);
            assert_eq!(done.each_ref().map(|one| one.load(Ordering::Relaxed)), [1, 1], "what was done is not seen");
        } else {
            NOT_OVER.fetch_add(1, Relaxed);
        }
        for thread in threads {
            thread.join().unwrap();
        }
    });
    for (name, n) in [("over", &OVER), ("not over", &NOT_OVER)] {
        assert!(n.load(Relaxed) > 0, "never seen: {name}");
    }
}

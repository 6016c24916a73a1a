//! Checked by loom: `RUSTFLAGS='--cfg cordial_loom' cargo test --release -p cordial-sched --lib`.

use std::sync::atomic::{AtomicUsize as Count, Ordering::Relaxed};

use loom::sync::Arc;
use loom::thread::{self, JoinHandle};

use super::*;
use crate::sync::Parker;
use crate::sync::models::assert_reached;

/// The running threads, and a queue that only counts. Its orderings are the weakest: the protocol must not rely on the
/// queue.
///
/// A push and a take are one read-modify-write operation each: loom may order a plain store wrongly among the
/// read-modify-writes of other threads, and tasks would seem lost.
struct Model {
    running: RunningThreads,
    idle: Idle,
    queue: AtomicUsize,
}

impl Model {
    fn new(n_running: usize) -> Arc<Model> {
        let running = RunningThreads::new();
        (0..n_running).for_each(|_| assert!(running.thread_starts()));
        let idle = Idle::new(Parker::new().unparker().clone());
        Arc::new(Model { running, idle, queue: AtomicUsize::new(0) })
    }

    /// Makes the model of a pool that is stopping already.
    fn stopping(n_running: usize) -> Arc<Model> {
        let model = Model::new(n_running);
        model.running.stop(&model.idle);
        model
    }

    /// Like `Pool::inject`.
    fn push(&self) {
        self.queue.fetch_add(1, Ordering::Relaxed);
        self.idle.notify();
    }

    fn take_all(&self) -> usize {
        self.queue.swap(0, Ordering::Relaxed)
    }

    /// Like `Core::inject` after a push and `Executor::close` after a stop: if all threads have exited, none will take the
    /// tasks, so the caller takes them.
    fn take_if_all_have_exited(&self) -> usize {
        if self.running.have_all_exited() { self.take_all() } else { 0 }
    }

    /// Like `Pool::exit_worker`.
    fn exit(&self) -> usize {
        if self.running.thread_exited() { self.take_all() } else { 0 }
    }
}

/// Runs a function on another thread of the model.
fn spawn<T: 'static>(model: &Arc<Model>, f: impl FnOnce(&Model) -> T + 'static) -> JoinHandle<T> {
    let model = model.clone();
    thread::spawn(move || f(&model))
}

#[test]
fn a_task_that_is_pushed_while_the_last_thread_exits_runs_once() {
    static BY_PUSHER: Count = Count::new(0);
    static BY_THREAD: Count = Count::new(0);
    static BY_RECHECK: Count = Count::new(0);
    loom::model(|| {
        let model = Model::stopping(1);
        let exiting = spawn(&model, |model| (model.take_all(), model.exit()));
        model.push();
        let by_pusher = model.take_if_all_have_exited();
        let (by_thread, by_recheck) = exiting.join().unwrap();
        BY_PUSHER.fetch_add(by_pusher, Relaxed);
        BY_THREAD.fetch_add(by_thread, Relaxed);
        BY_RECHECK.fetch_add(by_recheck, Relaxed);
        assert_eq!(by_pusher + by_thread + by_recheck, 1, "a task was lost, or run twice");
    });
    assert_reached([("the pusher", &BY_PUSHER), ("the thread", &BY_THREAD), ("its recheck", &BY_RECHECK)]);
}

#[test]
fn a_task_that_an_exiting_thread_hands_over_is_run_by_the_last_thread() {
    static BY_FIRST: Count = Count::new(0);
    static BY_SECOND: Count = Count::new(0);
    loom::model(|| {
        let model = Model::stopping(2);
        let other = spawn(&model, Model::exit);
        model.push();
        let by_first = model.exit();
        let by_second = other.join().unwrap();
        BY_FIRST.fetch_add(by_first, Relaxed);
        BY_SECOND.fetch_add(by_second, Relaxed);
        assert_eq!(by_first + by_second, 1, "a task was lost, or run twice");
    });
    assert_reached([("the first thread", &BY_FIRST), ("the second thread", &BY_SECOND)]);
}

#[test]
fn a_task_that_the_last_thread_leaves_runs_once_if_the_pool_stops_meanwhile() {
    static BY_THREAD: Count = Count::new(0);
    static BY_STOPPER: Count = Count::new(0);
    loom::model(|| {
        let model = Model::new(1);
        model.queue.store(1, Ordering::Relaxed);
        let exiting = spawn(&model, Model::exit);
        model.running.stop(&model.idle);
        let by_stopper = model.take_if_all_have_exited();
        let by_thread = exiting.join().unwrap();
        BY_THREAD.fetch_add(by_thread, Relaxed);
        BY_STOPPER.fetch_add(by_stopper, Relaxed);
        assert_eq!(by_thread + by_stopper, 1, "a task was lost, or run twice");
    });
    assert_reached([("the thread", &BY_THREAD), ("the thread that stops the pool", &BY_STOPPER)]);
}

#[test]
fn a_thread_that_sees_that_all_have_exited_sees_their_effects() {
    static ALL_EXITED: Count = Count::new(0);
    static SOME_RUNNING: Count = Count::new(0);
    loom::model(|| {
        let model = Model::new(2);
        let effects = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
        let threads = [0, 1].map(|thread| {
            let effects = effects.clone();
            spawn(&model, move |model| {
                effects[thread].store(1, Ordering::Relaxed);
                let _ = model.running.thread_exited();
            })
        });
        if model.running.n_running() == 0 {
            ALL_EXITED.fetch_add(1, Relaxed);
            let effects = effects.each_ref().map(|effect| effect.load(Ordering::Relaxed));
            assert_eq!(effects, [1, 1], "an effect is not seen");
        } else {
            SOME_RUNNING.fetch_add(1, Relaxed);
        }
        for thread in threads {
            thread.join().unwrap();
        }
    });
    assert_reached([("all exited", &ALL_EXITED), ("some running", &SOME_RUNNING)]);
}

#[test]
fn no_thread_starts_after_the_last_one_has_exited() {
    static STARTED: Count = Count::new(0);
    static TOO_LATE: Count = Count::new(0);
    loom::model(|| {
        let model = Model::stopping(1);
        let sysmon = spawn(&model, |model| model.running.thread_starts());
        let was_last = model.running.thread_exited();
        let has_started = sysmon.join().unwrap();
        if has_started { &STARTED } else { &TOO_LATE }.fetch_add(1, Relaxed);
        assert_ne!(was_last, has_started, "a thread has started although the last one has shut tokio down");
    });
    assert_reached([("a start before the exit", &STARTED), ("a start after the exit", &TOO_LATE)]);
}

//! Checked by loom: `RUSTFLAGS='--cfg cordial_loom' cargo test --release -p cordial-sched --lib`.
//!
//! A handle that is not woken is a deadlock. The slot is the shipped one. A task is a box with its number.

use std::sync::atomic::{AtomicUsize as Count, Ordering::Relaxed};
use std::task::Wake;

use loom::sync::Arc;
use loom::thread;

use super::*;
use crate::sync::models::{assert_reached, check};
use crate::sync::{AtomicUsize, Parker, Unparker};

type Task = Box<u8>;

/// What two tasks use, one after the other.
struct Model {
    join: JoinSlot<Task>,
    /// Written by the first task before it finishes. Relaxed: only the end of the task orders it.
    result: AtomicUsize,
}

impl Model {
    fn new() -> Arc<Model> {
        Arc::new(Model { join: JoinSlot::new(), result: AtomicUsize::new(0) })
    }

    /// Finishes the first task. The caller that gets the box of that task makes the second task from it.
    fn run_first(&self) -> Option<Task> {
        self.result.store(1, Relaxed);
        self.join.finish(Box::new(1))
    }

    /// Runs the second task, and polls its handle. Nothing of the first task may be left in the slot.
    fn run_second(&self, mut task: Task) {
        assert_eq!(*task, 1, "the box comes from the first task");
        let cx = &Context::from_waker(Waker::noop());
        assert!(!self.join.is_finished(), "the second task has not finished");
        assert!(self.join.poll_join(cx).is_pending());
        *task = 2;
        assert!(self.join.finish(task).is_none(), "the second task has a handle");
        assert!(self.join.is_finished());
        match self.join.poll_join(cx) {
            Poll::Ready(task) => assert_eq!(*task, 2),
            Poll::Pending => panic!("the second task has finished"),
        }
        assert!(!self.join.is_finished());
    }
}

struct Unpark(Unparker);

impl Wake for Unpark {
    fn wake(self: std::sync::Arc<Unpark>) {
        self.0.unpark();
    }
}

/// Waits like a handle. Returns the task, and how often the handle was polled.
fn wait(model: &Model) -> (Task, usize) {
    let parker = Parker::new();
    let waker = Waker::from(std::sync::Arc::new(Unpark(parker.unparker().clone())));
    for n_polls in 1.. {
        if let Poll::Ready(task) = model.join.poll_join(&Context::from_waker(&waker)) {
            return (task, n_polls);
        }
        parker.park();
    }
    unreachable!("it returns when it is ready")
}

#[test]
fn a_handle_that_waits_gets_the_task() {
    static AT_ONCE: Count = Count::new(0);
    static WOKEN: Count = Count::new(0);
    check(3, || {
        let model = Model::new();
        let worker = {
            let model = model.clone();
            thread::spawn(move || assert!(model.run_first().is_none(), "the handle waits"))
        };
        let (task, n_polls) = wait(&model);
        let outcome = if n_polls == 1 { &AT_ONCE } else { &WOKEN };
        outcome.fetch_add(1, Relaxed);
        model.run_second(task);
        worker.join().unwrap();
        assert!(!model.join.is_finished(), "set late, by the first task");
    });
    assert_reached([("it was ready at once", &AT_ONCE), ("it was woken", &WOKEN)]);
}

/// A waker that is replaced is not needed any more.
#[test]
fn the_last_waker_of_a_handle_is_woken() {
    static REPLACED: Count = Count::new(0);
    static READY: Count = Count::new(0);
    check(3, || {
        let model = Model::new();
        let worker = {
            let model = model.clone();
            thread::spawn(move || assert!(model.run_first().is_none(), "the handle waits"))
        };
        let (task, outcome) = match model.join.poll_join(&Context::from_waker(Waker::noop())) {
            Poll::Ready(task) => (task, &READY),
            Poll::Pending => (wait(&model).0, &REPLACED),
        };
        outcome.fetch_add(1, Relaxed);
        model.run_second(task);
        worker.join().unwrap();
    });
    assert_reached([("the waker was replaced", &REPLACED), ("there was no need for a second", &READY)]);
}

#[test]
fn a_task_whose_handle_is_dropped_goes_to_the_worker_or_to_the_handle() {
    static TO_WORKER: Count = Count::new(0);
    static TO_HANDLE: Count = Count::new(0);
    static SEEN: Count = Count::new(0);
    check(3, || {
        let model = Model::new();
        let worker = {
            let model = model.clone();
            thread::spawn(move || {
                if let Some(task) = model.run_first() {
                    TO_WORKER.fetch_add(1, Relaxed);
                    model.run_second(task);
                }
            })
        };
        if model.join.is_finished() {
            SEEN.fetch_add(1, Relaxed);
            assert_eq!(model.result.load(Relaxed), 1, "the handle sees what its task has done");
        }
        if let Some(task) = model.join.detach() {
            TO_HANDLE.fetch_add(1, Relaxed);
            model.run_second(task);
        }
        worker.join().unwrap();
        assert!(!model.join.is_finished(), "set late, by the first task");
        assert!(model.join.detach().is_none(), "the slot is empty");
    });
    assert_reached([
        ("the worker had the task", &TO_WORKER),
        ("the handle had the task", &TO_HANDLE),
        ("the handle saw that the task has finished", &SEEN),
    ]);
}

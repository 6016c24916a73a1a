//! The loop of a worker, generic over its operations.
//!
//! The shipped worker implements [`WorkerOps`] with real queues; the loom models of `idle` and
//! `threads` implement it with queues that only count, or with none. So the models check the loop
//! that ships.

use crate::idle::{Idle, Searching, SleepResult};
use crate::sync::Unparker;

/// The operations of a worker.
pub(crate) trait WorkerOps {
    type Task;

    /// Returns whether the worker was replaced, by a stand-in or by a worker that has taken its place back.
    fn is_replaced(&self) -> bool;

    fn is_stopping(&self) -> bool;

    /// Takes a task: from the worker's own slot or queue, from the injector, or from another worker.
    fn next_task(&self) -> Option<Self::Task>;

    /// Looks into all queues, for a longer time than [`next_task`](WorkerOps::next_task) does. Called by the searcher only.
    fn search(&self) -> Option<Self::Task>;

    /// Checks all queues once more, when the worker is on the list of sleepers already.
    fn recheck(&self) -> Option<Self::Task>;

    /// Polls a task once. Panics of the task may pass through.
    fn poll(&self, task: Self::Task);

    fn has_injected(&self) -> bool;

    /// Returns whether a task is in the injector or in the queue of a worker.
    fn has_queued(&self) -> bool;

    fn idle(&self) -> &Idle;

    /// Returns the index of the worker.
    fn index(&self) -> usize;

    fn unparker(&self) -> &Unparker;

    fn park(&self);

    /// Becomes the searcher, unless there is a searcher already.
    #[inline(always)]
    fn start_searching(&self) -> Option<Searching> {
        self.idle().start_searching()
    }

    /// Ends the search.
    #[inline(always)]
    fn stop_searching(&self, searching: Searching) {
        self.idle().stop_searching(searching);
    }

    /// Sleeps until a push, sysmon or the end of the pool unparks the worker. Does not sleep if the recheck finds a
    /// task, or if the pool is stopping.
    #[inline(always)]
    fn sleep(&self) -> SleepResult<Option<Self::Task>> {
        sleep(self)
    }
}

/// Why a worker has left its loop.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LoopEnd {
    /// The pool is stopping, and no task is in the injector or in a queue.
    Stopping,
    /// The worker was replaced.
    Replaced,
}

/// Runs tasks until the pool stops or the worker is replaced.
#[inline(always)]
pub(crate) fn run<W: WorkerOps>(worker: &W) -> LoopEnd {
    let mut searching: Option<Searching> = None;
    loop {
        if worker.is_replaced() {
            stop_searching(worker, &mut searching);
            return LoopEnd::Replaced;
        }
        let mut task = worker.next_task();
        if task.is_none() && !worker.is_stopping() {
            searching = searching.or_else(|| worker.start_searching());
            if searching.is_some() {
                task = worker.search();
            }
        }
        stop_searching(worker, &mut searching);
        if task.is_none() {
            if worker.is_stopping() && !worker.has_queued() {
                return LoopEnd::Stopping;
            }
            (task, searching) = match worker.sleep() {
                SleepResult::Found(task, searching) => (task, searching),
                SleepResult::Woken(searching) => (None, Some(searching)),
                SleepResult::Spurious => (None, None),
            };
            if task.is_some() {
                stop_searching(worker, &mut searching);
            }
        }
        if let Some(task) = task {
            worker.poll(task);
        }
    }
}

/// Ends the search, so that pushes wake a worker again. Wakes one for a push that came before and relied on the search.
#[inline(always)]
fn stop_searching<W: WorkerOps>(worker: &W, searching: &mut Option<Searching>) {
    if let Some(searching) = searching.take() {
        worker.stop_searching(searching);
        if worker.has_injected() {
            worker.idle().notify();
        } else if worker.has_queued() {
            worker.idle().notify_queue_push();
        }
    }
}

/// The default of [`WorkerOps::sleep`]. If the pool is stopping, the recheck finds `None`, and the worker does not sleep.
#[inline(always)]
pub(crate) fn sleep<W: WorkerOps + ?Sized>(worker: &W) -> SleepResult<Option<W::Task>> {
    let recheck = || if worker.is_stopping() { Some(None) } else { worker.recheck().map(Some) };
    worker.idle().sleep(worker.index(), worker.unparker(), || worker.park(), recheck)
}

//! From a woken task to a queue: how a task finds its scheduler, and which scheduler the calling thread serves.
//!
//! ```text
//!  wake ─► does this thread poll the task? ── yes ─► noted: it is queued again when the poll returns
//!            │ no: take the task out of its slot, or leave a mark there
//!            ▼
//!          does this thread serve the task's scheduler? ── yes ─► LocalSchedule::push: the thread's own queue
//!            │ no
//!            ▼
//!          Schedule::schedule, from any thread ── the scheduler is gone ─► the future is dropped
//! ```
//!
//! A handle on an executor keeps its scheduler alive, and so does every worker. A task does not.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::{Arc, Weak};
use std::task::{Poll, Waker};

use crate::free_list::FreeListRef;
use crate::sync::Mutex;
use crate::task::header::Header;
use crate::task::kept_headers::KeptHeaders;
use crate::task::runnable::Runnable;
use crate::task::turns::drop_in_turn;
use crate::unwind;

/// A scheduler, as its tasks see it.
pub(crate) trait Schedule: Send + Sync {
    /// Queues a runnable task. Called on any thread.
    fn schedule(self: Arc<Self>, runnable: Runnable);
}

/// How a thread that serves one scheduler queues the tasks of that scheduler: the fast path of a wake-up.
pub(crate) trait LocalSchedule {
    /// Queues a runnable task of this thread's scheduler. Gives back a task of another scheduler.
    fn push(&self, runnable: Runnable, placement: Placement) -> Result<(), Runnable>;

    /// Returns whether this thread is a worker of `scheduler`, and not merely one of its I/O threads.
    fn is_worker_of(&self, scheduler: &SchedulerRef) -> bool;

    /// Returns when sysmon first saw the current poll of this thread, on the coarse clock, if it has seen that poll in two
    /// rounds.
    fn poll_first_seen(&self) -> Option<u64>;
}

/// Where a runnable task goes in the queue of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placement {
    /// Before the other ready tasks: the task was just started, or woken by another task.
    Next,
    /// Behind the other ready tasks: the task was woken during its own poll, or by [`wake_last`].
    Last,
}

/// Whether the header of a task that has ended is used for a later task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeaderReuse {
    /// Even if wakers to it are left. Such a waker may cause a spurious wake-up of the later task.
    Eager,
    /// If no waker to it is left when the task ends, so that every poll of a task follows from its start or from a wake-up of that task.
    Exact,
}

/// A task's reference to its scheduler.
#[derive(Clone)]
pub(crate) struct SchedulerRef(Arc<SharedScheduler>);

struct SharedScheduler {
    /// `None` before the scheduler exists.
    scheduler: Mutex<Option<Weak<dyn Schedule>>>,
    header_reuse: HeaderReuse,
    free_tasks: FreeListRef<Runnable>,
}

impl SchedulerRef {
    /// Refers to a scheduler that does not exist yet.
    pub(crate) fn new(header_reuse: HeaderReuse, free_tasks: FreeListRef<Runnable>) -> SchedulerRef {
        SchedulerRef(Arc::new(SharedScheduler { scheduler: Mutex::new(None), header_reuse, free_tasks }))
    }

    /// Makes this refer to `scheduler`. Must be called before the first task is queued.
    pub(crate) fn connect(&self, scheduler: Weak<dyn Schedule>) {
        *self.0.scheduler.lock() = Some(scheduler);
    }

    pub(crate) fn header_reuse(&self) -> HeaderReuse {
        self.0.header_reuse
    }

    /// Returns the free list for tasks that have ended.
    #[inline]
    pub(crate) fn free_tasks(&self) -> &FreeListRef<Runnable> {
        &self.0.free_tasks
    }

    fn upgrade(&self) -> Option<Arc<dyn Schedule>> {
        self.0.scheduler.lock().as_ref().and_then(Weak::upgrade)
    }
}

impl PartialEq for SchedulerRef {
    #[inline]
    fn eq(&self, other: &SchedulerRef) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// The address of a header, to compare it.
type HeaderAddress = usize;

fn address(header: &Header<Runnable>) -> HeaderAddress {
    std::ptr::from_ref(header).addr()
}

/// Which scheduler the calling thread serves, and which task it polls.
struct ThreadContext {
    /// A worker or an I/O thread; `None` on any other thread.
    local: RefCell<Option<Rc<dyn LocalSchedule>>>,
    /// The task that is polled now, the innermost if a poll runs another poll.
    polled: Cell<Option<HeaderAddress>>,
    /// Whether that task was woken on this thread since its poll began.
    is_woken: Cell<bool>,
    /// Whether tasks that are queued now go behind those that are ready.
    wakes_last: Cell<bool>,
    kept_headers: RefCell<KeptHeaders>,
    /// The reference that the polled task has left for its end.
    left: Cell<Option<Arc<Header<Runnable>>>>,
}

thread_local!(static CONTEXT: ThreadContext = const {
    ThreadContext {
        local: RefCell::new(None),
        polled: Cell::new(None),
        is_woken: Cell::new(false),
        wakes_last: Cell::new(false),
        kept_headers: RefCell::new(KeptHeaders::new()),
        left: Cell::new(None),
    }
});

/// Makes the calling thread serve a scheduler, until [`leave`] or its end.
pub(crate) fn enter(local: Rc<dyn LocalSchedule>) {
    CONTEXT.with(|context| *context.local.borrow_mut() = Some(local));
}

/// Ends what [`enter`] has begun: the calling thread serves no scheduler any more.
pub(crate) fn leave() {
    // Fails if the thread ends and its context is destroyed: then it serves no scheduler any more.
    let local = CONTEXT.try_with(|context| context.local.take());
    drop(local);
}

/// Returns whether the calling thread is a worker of `scheduler`.
pub(crate) fn is_worker_of(scheduler: &SchedulerRef) -> bool {
    let is_worker =
        |context: &ThreadContext| context.local.borrow().as_ref().is_some_and(|local| local.is_worker_of(scheduler));
    CONTEXT.try_with(is_worker).unwrap_or(false)
}

/// Returns when sysmon first saw the current poll of the calling thread, if it has seen that poll in two rounds.
pub(crate) fn poll_first_seen() -> Option<u64> {
    let first_seen = |context: &ThreadContext| context.local.borrow().as_ref()?.poll_first_seen();
    CONTEXT.try_with(first_seen).ok().flatten()
}

/// Polls a task once, then queues, parks or finishes it. Calls `end` when the poll is over: if the task is pending,
/// before another thread can poll it, so that two threads never seem to poll it at once; if it has finished, after the
/// join handle was woken or the output was dropped. `end` is not called if the poll, the waker or the destructor
/// panics.
#[inline]
pub(crate) fn poll(mut runnable: Runnable, end: impl FnOnce()) {
    let header = address(runnable.header());
    let (polled, is_woken) = CONTEXT
        .try_with(|context| {
            let _outer =
                Outer { context, polled: context.polled.replace(Some(header)), is_woken: context.is_woken.take() };
            let polled = runnable.poll();
            (polled, context.is_woken.get())
        })
        // A thread that ends may still poll tasks after its context was destroyed.
        .unwrap_or_else(|_| (runnable.poll(), false));
    if let Poll::Ready(sink) = polled {
        let left = CONTEXT.try_with(|context| context.left.take());
        runnable.finish(sink, left.ok().flatten());
        return end();
    }
    end();
    // A task that was woken on this thread during its poll is queued at once, and not put into its slot first.
    let runnable = if is_woken {
        runnable.header().join.count_self_wake();
        Some(runnable)
    } else {
        park(runnable)
    };
    if let Some(runnable) = runnable {
        queue(runnable, Placement::Last);
    }
}

/// Keeps a reference to the header of the task that this thread polls, for the end of that task. The task ends in this poll.
#[inline]
pub(crate) fn leave_reference(header: Arc<Header<Runnable>>) {
    let _ = CONTEXT.try_with(|context| context.left.set(Some(header)));
}

/// Puts a task into its slot. Returns the task if it was woken during the poll.
#[inline]
fn park(runnable: Runnable) -> Option<Runnable> {
    let mut runnable = Some(runnable);
    let parked = CONTEXT.try_with(|context| Some(context.kept_headers.borrow_mut().park(runnable.take()?)));
    match parked {
        Ok(Some((woken, _replaced))) => woken,
        // A thread that ends, and whose context is destroyed, keeps no headers.
        _ => runnable.and_then(Runnable::park),
    }
}

/// Polls a task once. Discards a panic that the layer above has not caught.
pub(crate) fn poll_caught(runnable: Runnable) {
    let _ = unwind::catch(|| poll(runnable, || {}));
}

/// The state of the outer poll. Restored when the inner poll returns or panics.
struct Outer<'a> {
    context: &'a ThreadContext,
    polled: Option<HeaderAddress>,
    is_woken: bool,
}

impl Drop for Outer<'_> {
    #[inline]
    fn drop(&mut self) {
        self.context.polled.set(self.polled);
        self.context.is_woken.set(self.is_woken);
    }
}

/// Wakes a task.
pub(crate) fn wake(header: &Header<Runnable>) {
    let rest = CONTEXT.try_with(|context| {
        if context.polled.get() == Some(address(header)) {
            context.is_woken.set(true);
            return None;
        }
        context.push(header.owner.take()?, Placement::Next).err()
    });
    if let Some(runnable) = rest.unwrap_or_else(|_| header.owner.take()) {
        schedule_remote(runnable);
    }
}

/// Queues a runnable task: on this thread if it serves the task's scheduler, otherwise through the scheduler.
pub(crate) fn queue(runnable: Runnable, placement: Placement) {
    let mut runnable = Some(runnable);
    let _ = CONTEXT.try_with(|context| {
        runnable = context.push(runnable.take()?, placement).err();
        Some(())
    });
    if let Some(runnable) = runnable {
        schedule_remote(runnable);
    }
}

/// Queues a runnable task through its scheduler, because the calling thread does not serve that scheduler.
fn schedule_remote(runnable: Runnable) {
    match runnable.scheduler().upgrade() {
        Some(scheduler) => scheduler.schedule(runnable),
        None => drop_in_turn(|| runnable.abort()),
    }
}

impl ThreadContext {
    #[inline]
    fn push(&self, runnable: Runnable, placement: Placement) -> Result<(), Runnable> {
        let placement = if self.wakes_last.get() { Placement::Last } else { placement };
        match &*self.local.borrow() {
            Some(local) => local.push(runnable, placement),
            None => Err(runnable),
        }
    }
}

/// Wakes a task so that it runs after all tasks that are ready on this worker. If the ready tasks
/// wake it as well, one poll serves all of these wake-ups.
///
/// On a thread that is not a worker of the task's executor this is [`Waker::wake`].
pub fn wake_last(waker: Waker) {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            set_wakes_last(self.0);
        }
    }
    let _restore = Restore(set_wakes_last(true));
    waker.wake();
}

/// Sets whether tasks that are queued now go behind those that are ready. Returns what was set before.
fn set_wakes_last(wakes_last: bool) -> bool {
    CONTEXT.try_with(|context| context.wakes_last.replace(wakes_last)).unwrap_or(false)
}

#[cfg(all(test, not(cordial_loom)))]
mod tests;

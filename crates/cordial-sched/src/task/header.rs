//! The header of a task: where it is while it waits, and once it is done, and what its wakers know.

use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use crate::Key;
use crate::sync::{AtomicBool, AtomicU32, AtomicU64, Mutex, Ordering};
use crate::task::runnable::Runnable;
use crate::task::schedule::{self, Placement};
use crate::task::slot::OwnerSlot;
use crate::unwind;

/// Never freed: one task after another lives here. In one line of the cache.
#[repr(align(64))]
pub(crate) struct Header {
    parked: OwnerSlot<Runnable>,
    /// The task that lives here has to end. Relaxed: whoever sets it wakes the task afterwards.
    is_ending: AtomicBool,
    /// A hint, so that a look that finds nothing takes no lock.
    is_done: AtomicBool,
    /// The key of the task that lives here, in one word. Relaxed: written before the task is started.
    key: AtomicU64,
    join: Mutex<Join>,
    /// How many tasks have ended here, in a simulation. Wraps. Relaxed: written and decided upon under the lock of `join`.
    ended: AtomicU32,
}

/// Between a task that has a handle and the handle.
enum Join {
    /// For the end of the task; with whom to wake then.
    Waits(Option<Waker>),
    Done(Runnable),
    /// The handle is gone.
    Abandoned,
}

/// A live task, for the layer above. Once the task has ended it means the next one of the same header: waking that is a poll
/// in vain, and nothing else may be done with it.
#[derive(Clone, Copy)]
pub struct TaskRef(&'static Header);

impl TaskRef {
    /// The task is to be polled.
    pub fn wake(self) {
        schedule::wake(self.0);
    }

    /// Marks the task as one that has to end. To be followed by [`wake`](TaskRef::wake); the poll after that sees the mark.
    #[inline]
    pub fn mark_ending(self) {
        self.0.is_ending.store(true, Ordering::Relaxed);
    }

    /// Whether the task was marked.
    #[inline]
    #[must_use]
    pub fn is_ending(self) -> bool {
        self.0.is_ending.load(Ordering::Relaxed)
    }

    /// The key of the task.
    ///
    /// # Panics
    ///
    /// Never: there is no `TaskRef` before there is a key.
    #[inline]
    #[must_use]
    pub fn key(self) -> Key {
        self.0.key()
    }

    /// How many polls of the task have begun. Wraps.
    #[must_use]
    pub fn polls(self) -> u32 {
        self.0.parked.polls()
    }
}

impl std::fmt::Debug for TaskRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TaskRef").finish_non_exhaustive()
    }
}

impl Header {
    pub(crate) fn new() -> Header {
        Header {
            parked: OwnerSlot::empty(),
            is_ending: AtomicBool::new(false),
            is_done: AtomicBool::new(false),
            key: AtomicU64::new(0),
            join: Mutex::new(Join::Waits(None)),
            ended: AtomicU32::new(0),
        }
    }

    pub(crate) fn task_ref(&'static self) -> TaskRef {
        TaskRef(self)
    }

    /// A new task comes to live here.
    pub(crate) fn reset(&self, key: Key) {
        self.key.store(key.to_bits(), Ordering::Relaxed);
        self.parked.forget_polls();
        self.is_ending.store(false, Ordering::Relaxed);
    }

    /// The key of the task that lives here.
    #[inline]
    pub(crate) fn key(&self) -> Key {
        Key::from_bits(self.key.load(Ordering::Relaxed)).expect("asked only of a header in which a task lives")
    }

    /// The task, to be queued, if nobody has it. Whoever has it learns that it was woken.
    pub(crate) fn take(&'static self) -> Option<Runnable> {
        self.parked.take(|| Runnable::empty(self, Waker::noop().clone()))
    }

    /// For whoever is about to poll the task.
    pub(crate) fn begin_poll(&self) {
        self.parked.begin_poll();
    }

    pub(crate) fn park(&self, task: Runnable) -> Option<Runnable> {
        self.parked.put(task)
    }

    /// The waker of all tasks that will ever live here.
    pub(crate) fn waker(&'static self) -> Waker {
        Waker::from(Arc::new(CellWaker(self)))
    }

    /// A waker of the task that lives here now, and of no later one.
    pub(crate) fn generation_waker(&'static self) -> Waker {
        Waker::from(Arc::new(GenerationWaker { header: self, ended: self.ended.load(Ordering::Relaxed) }))
    }

    /// The task has ended, and wakers from `generation_waker` wake nobody any more.
    pub(crate) fn bump_generation(&self) {
        let _join = self.join.lock();
        self.ended.store(self.ended.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
        self.parked.forget_marks();
    }

    /// The task is done, and has a handle.
    pub(crate) fn finish(&self, task: Runnable) {
        let mut join = self.join.lock();
        if let Join::Waits(waker) = &mut *join {
            let waker = waker.take();
            *join = Join::Done(task);
            self.is_done.store(true, Ordering::Release);
            drop(join);
            if let Some(waker) = waker {
                waker.wake();
            }
        } else {
            *join = Join::Waits(None);
            drop(join);
            task.retire();
        }
    }

    /// The task when it is done, for the handle, which is not to come back after that.
    pub(crate) fn poll_join(&self, cx: &Context<'_>) -> Poll<Runnable> {
        // Wakers are the user's: they are cloned before the lock is taken, and dropped after it is released.
        let mut waker = if self.is_done() { None } else { Some(cx.waker().clone()) };
        let mut join = self.join.lock();
        if let Join::Waits(known) = &mut *join {
            std::mem::swap(known, &mut waker);
            drop(join);
            return Poll::Pending;
        }
        let done = std::mem::replace(&mut *join, Join::Waits(None));
        self.is_done.store(false, Ordering::Relaxed);
        drop(join);
        // The clone was made in vain, and dropping it must not take the task along.
        let _ = unwind::catch(|| drop(waker));
        match done {
            Join::Done(task) => Poll::Ready(task),
            Join::Waits(_) | Join::Abandoned => Poll::Pending,
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.is_done.load(Ordering::Acquire)
    }

    /// The handle is dropped before it had the task.
    pub(crate) fn abandon(&self) {
        let mut join = self.join.lock();
        let before = std::mem::replace(&mut *join, Join::Abandoned);
        if let Join::Done(task) = before {
            *join = Join::Waits(None);
            self.is_done.store(false, Ordering::Relaxed);
            drop(join);
            task.retire();
        } else {
            drop(join);
            drop(before);
        }
    }
}

struct CellWaker(&'static Header);

impl Wake for CellWaker {
    fn wake(self: Arc<Self>) {
        schedule::wake(self.0);
        // What is never freed need not be counted, and counting costs each wake-up an exchange. A count of 64 bits does not
        // run over in the life of a machine.
        if usize::BITS >= 64 {
            std::mem::forget(self);
        }
    }

    fn wake_by_ref(self: &Arc<Self>) {
        schedule::wake(self.0);
    }
}

struct GenerationWaker {
    header: &'static Header,
    ended: u32,
}

impl Wake for GenerationWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let ready = {
            // Whoever asks from another thread must not find the next task of the header, which may be another simulation's.
            let _join = self.header.join.lock();
            if self.header.ended.load(Ordering::Relaxed) != self.ended {
                return;
            }
            self.header.take()
        };
        if let Some(ready) = ready {
            schedule::queue(ready, Placement::Next);
        }
    }
}

#[cfg(all(test, not(cordial_loom)))]
mod tests;

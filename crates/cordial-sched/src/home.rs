//! The home of a task: where it is while it waits, and once it is done, and what its wakers know.

use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use crate::parked::Parked;
use crate::sync::{AtomicU32, Mutex, Ordering};
use crate::task::Task;
use crate::worker::{self, Woken};

/// Never freed: one task after another lives here.
#[repr(align(64))]
pub(crate) struct Home {
    parked: Parked<Box<Task>>,
    join: Mutex<Join>,
    /// How many tasks have ended here, in a simulation. Wraps. Relaxed: written and decided upon under the lock of `join`.
    ended: AtomicU32,
}

/// Between a task that has a handle and the handle.
enum Join {
    /// For the end of the task; with whom to wake then.
    Waits(Option<Waker>),
    Done(Box<Task>),
    /// The handle is gone.
    Abandoned,
}

/// What wakes a task for the layer above. It may wake the next task of the same home, if that one has ended: a poll in vain.
#[derive(Clone, Copy)]
pub struct Rouse(&'static Home);

impl Rouse {
    /// The task is to be polled.
    pub fn wake(self) {
        worker::wake(self.0);
    }
}

impl std::fmt::Debug for Rouse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rouse").finish_non_exhaustive()
    }
}

impl Home {
    pub(crate) fn new() -> Home {
        Home { parked: Parked::empty(), join: Mutex::new(Join::Waits(None)), ended: AtomicU32::new(0) }
    }

    pub(crate) fn rouse(&'static self) -> Rouse {
        Rouse(self)
    }

    /// The task, to be queued, if nobody has it. Whoever has it learns that it was woken.
    pub(crate) fn take(&'static self) -> Option<Box<Task>> {
        self.parked.take(|| Task::empty(self, Waker::noop().clone()))
    }

    /// For whoever is about to poll the task: what woke it so far needs no poll of its own.
    pub(crate) fn forget_marks(&self) {
        self.parked.forget_marks();
    }

    pub(crate) fn park(&self, task: Box<Task>) -> Option<Box<Task>> {
        self.parked.put(task)
    }

    /// The waker of all tasks that will ever live here.
    pub(crate) fn waker(&'static self) -> Waker {
        Waker::from(Arc::new(Knock(self)))
    }

    /// A waker of the task that lives here now, and of no later one.
    pub(crate) fn exact_waker(&'static self) -> Waker {
        Waker::from(Arc::new(ExactKnock { home: self, ended: self.ended.load(Ordering::Relaxed) }))
    }

    /// The task has ended, and wakers from `exact_waker` wake nobody any more.
    pub(crate) fn turn_over(&self) {
        let _join = self.join.lock();
        self.ended.store(self.ended.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
        self.parked.forget_marks();
    }

    /// The task is done, and has a handle.
    pub(crate) fn finish(&self, task: Box<Task>) {
        let mut join = self.join.lock();
        if let Join::Waits(waker) = &mut *join {
            let waker = waker.take();
            *join = Join::Done(task);
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
    pub(crate) fn poll_join(&self, cx: &Context<'_>) -> Poll<Box<Task>> {
        match self.take_done() {
            Err(Some(known)) if known.will_wake(cx.waker()) => self.wait_for_end(known),
            Err(_unknown) => self.wait_for_end(cx.waker().clone()),
            Ok(task) => Poll::Ready(task),
        }
    }

    fn take_done(&self) -> Result<Box<Task>, Option<Waker>> {
        match std::mem::replace(&mut *self.join.lock(), Join::Waits(None)) {
            Join::Done(task) => Ok(task),
            Join::Waits(waker) => Err(waker),
            Join::Abandoned => Err(None),
        }
    }

    /// Wakers are the user's: they are cloned before the lock is taken, and dropped after it is released.
    fn wait_for_end(&self, waker: Waker) -> Poll<Box<Task>> {
        let mut join = self.join.lock();
        if let Join::Waits(_) = &*join {
            *join = Join::Waits(Some(waker));
            return Poll::Pending;
        }
        drop(join);
        self.take_done().map_or(Poll::Pending, Poll::Ready)
    }

    pub(crate) fn is_done(&self) -> bool {
        matches!(&*self.join.lock(), Join::Done(_))
    }

    /// The handle is dropped before it had the task.
    pub(crate) fn abandon(&self) {
        let mut join = self.join.lock();
        let before = std::mem::replace(&mut *join, Join::Abandoned);
        if let Join::Done(task) = before {
            *join = Join::Waits(None);
            drop(join);
            task.retire();
        } else {
            drop(join);
            drop(before);
        }
    }
}

struct Knock(&'static Home);

impl Wake for Knock {
    fn wake(self: Arc<Self>) {
        worker::wake(self.0);
        // What is never freed need not be counted, and counting costs each wake-up an exchange. A count of 64 bits does not
        // run over in the life of a machine.
        if usize::BITS >= 64 {
            std::mem::forget(self);
        }
    }

    fn wake_by_ref(self: &Arc<Self>) {
        worker::wake(self.0);
    }
}

struct ExactKnock {
    home: &'static Home,
    ended: u32,
}

impl Wake for ExactKnock {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let ready = {
            // Whoever asks from another thread must not find the next task of the home, which may be another simulation's.
            let _join = self.home.join.lock();
            if self.home.ended.load(Ordering::Relaxed) != self.ended {
                return;
            }
            self.home.take()
        };
        if let Some(ready) = ready {
            worker::queue(ready, Woken::AtRest);
        }
    }
}

//! The end of a task: how the thread that finishes it and its join handle agree on which of them gets the finished task.
//!
//! A task that finishes while its handle exists goes into its `JoinSlot`, and stays there until the
//! handle takes it or is dropped. The slot is in the task's header, which the next task may use
//! once this task has been retired.
//!
//! ```text
//!            the handle is polled: its waker is kept
//!             ┌──────┐
//!             ▼      │    finish: the waker is woken
//!  new ───► Running ─┴──────────────────────────────► Finished(task)
//!    ▲        │ detach: the waker is dropped             │
//!    │        ▼                                          ├ poll_join: the handle has the task ───┐
//!    │      Detached ── finish: the finisher has it ─┐   └ detach: the dropping thread has it ───┤
//!    └─────────────────── the slot is Running again ◄┴───────────────────────────────────────────┘
//! ```
//!
//! Each arrow but the first is one critical section of the slot's lock, so they happen one after another. User code, that is, the clone,
//! the wake and the destructor of a waker, runs before or after the critical section.
//!
//! **One owner at the end.** Of `finish` and `detach`, the later call gets the task, and returns it
//! to its caller. `poll_join` gets the task only if `finish` came before, and there is one handle,
//! which is polled or dropped by one thread at a time. So exactly one caller gets the task. In
//! the same critical section the slot becomes `Running` again, before the caller can give the
//! header to the next task.
//!
//! **The handle is woken.** If `poll_join` comes first, its waker is in the slot when `finish` comes, and `finish` takes it out
//! and wakes it. If `finish` comes first, `poll_join` finds the task. A waker that is replaced by a later poll is not woken.
//!
//! **No handle sees the flag `is_finished` of another task.** The flag saves `poll_join` the clone of a waker. `finish`
//! sets the flag under the lock (Release); a handle that sees it (Acquire) finds `Finished`, since only the same handle could have
//! changed that. The thread that takes the task clears the flag under the lock, together with `Finished`. The next task of the
//! header is made after that, and so is its handle, which does not see the old value.
//!
//! `join/tests.rs` checks this with loom: two tasks after one another in one slot, each with a handle that is polled or
//! dropped at any moment. What was removed or weakened, one at a time, and what the model says:
//!
//! | change | result |
//! |---|---|
//! | `finish` does not wake | deadlock: the handle waits forever |
//! | `poll_join` does not keep the waker | deadlock: the same |
//! | `finish` does not make the slot `Running` again | panic: the next handle finds `Detached` |
//! | `detach` does not make the slot `Running` again | panic: the same |
//! | `poll_join` does not clear `is_finished` | the handle of the next task says that it is finished |
//! | `detach` does not clear `is_finished` | the same |
//! | `finish` sets `is_finished` after the lock is released | the same |
//! | `finish` sets `is_finished` with a relaxed store, or the handle loads it relaxed | the handle does not see what the task did |

use std::task::{Context, Poll, Waker};

use crate::sync::{AtomicBool, AtomicU32, Ordering, SpinLock};
use crate::unwind;

/// Where a finished task of type `T` waits for its handle.
pub(crate) struct JoinSlot<T> {
    state: SpinLock<JoinState<T>>,
    /// Whether the state is `Finished`. Written under the lock.
    is_finished: AtomicBool,
    /// How many polls of the task have woken it. Wraps. Written by the owner of the task only. The number says nothing about the end of
    /// the task. It is here because the alignment of this type leaves room for it: the header must not grow.
    n_self_wakes: AtomicU32,
}

enum JoinState<T> {
    /// The task has not finished. Holds the waker of the handle, once the handle was polled.
    Running(Option<Waker>),
    Finished(T),
    /// The task has not finished, and its handle was dropped.
    Detached,
}

impl<T> JoinSlot<T> {
    pub(crate) fn new() -> JoinSlot<T> {
        JoinSlot {
            state: SpinLock::new(JoinState::Running(None)),
            is_finished: AtomicBool::new(false),
            n_self_wakes: AtomicU32::new(0),
        }
    }

    /// Finishes the task and wakes the handle. Returns the task if the handle was dropped before.
    ///
    /// # Panics
    ///
    /// If the waker of the handle panics. The task was put into its slot before that.
    #[must_use = "a task without a handle has to be retired"]
    pub(crate) fn finish(&self, task: T) -> Option<T> {
        let mut state = self.state.lock();
        let waker = match &mut *state {
            JoinState::Running(waker) => waker.take(),
            JoinState::Detached => {
                *state = JoinState::Running(None);
                return Some(task);
            }
            JoinState::Finished(_) => unreachable!("a task finishes once"),
        };
        *state = JoinState::Finished(task);
        // Pairs with the load in `is_finished`.
        self.is_finished.store(true, Ordering::Release);
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        None
    }

    /// Takes the task if it has finished. Otherwise keeps the waker of `cx`, which the end of the task wakes. Called by the handle, and not
    /// again after it has returned `Ready`.
    pub(crate) fn poll_join(&self, cx: &Context<'_>) -> Poll<T> {
        // Cloned before the lock is taken, and not at all if it is not needed.
        let mut waker = if self.is_finished() { None } else { Some(cx.waker().clone()) };
        let mut state = self.state.lock();
        if let JoinState::Running(kept) = &mut *state {
            std::mem::swap(&mut waker, kept);
            drop(state);
            drop(waker);
            return Poll::Pending;
        }
        match std::mem::replace(&mut *state, JoinState::Running(None)) {
            JoinState::Finished(task) => {
                self.is_finished.store(false, Ordering::Relaxed);
                drop(state);
                if waker.is_some() {
                    // If the destructor panics, the task must not be lost.
                    let _ = unwind::catch(|| drop(waker));
                }
                Poll::Ready(task)
            }
            JoinState::Running(_) | JoinState::Detached => unreachable!("the handle is polled, so it was not dropped"),
        }
    }

    /// Returns whether the task has finished and the handle has not taken it.
    pub(crate) fn is_finished(&self) -> bool {
        self.is_finished.load(Ordering::Acquire)
    }

    /// Counts a poll that has woken its own task. Called by the owner of the task.
    #[inline]
    pub(crate) fn count_self_wake(&self) {
        self.n_self_wakes.store(self.n_self_wakes.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }

    pub(crate) fn n_self_wakes(&self) -> u32 {
        self.n_self_wakes.load(Ordering::Relaxed)
    }

    /// Sets the number of self-wakes to zero for the next task of the header.
    pub(crate) fn reset_self_wakes(&self) {
        self.n_self_wakes.store(0, Ordering::Relaxed);
    }

    /// Detaches the handle, which is dropped. Returns the task if it has finished before.
    #[must_use = "a task without a handle has to be retired"]
    pub(crate) fn detach(&self) -> Option<T> {
        let mut state = self.state.lock();
        match std::mem::replace(&mut *state, JoinState::Detached) {
            JoinState::Running(waker) => {
                drop(state);
                // The caller is a destructor, which must not panic.
                let _ = unwind::catch(|| drop(waker));
                None
            }
            JoinState::Finished(task) => {
                *state = JoinState::Running(None);
                self.is_finished.store(false, Ordering::Relaxed);
                Some(task)
            }
            JoinState::Detached => unreachable!("the handle is dropped once"),
        }
    }
}

#[cfg(all(test, cordial_loom))]
mod tests;

//! Which thread sweeps after the executor has closed: the timer thread continues while a timeout is
//! armed, then ends. For a timeout that is armed later, another thread is started. A simulation has
//! no timer thread, so there a thread is started even for timeouts that are armed at the close.
//!
//! After the close, timeouts are needed by polls that have not returned and by waits of other executors. Usually there are none. A
//! timeout that has elapsed and was not disarmed is not armed any more in this sense.
//!
//! ```text
//!  a thread that arms         the thread that closes      the thread that sweeps
//!  ──────────────────         ──────────────────────      ──────────────────────
//!  1 insert into a shard      1 the executor closes       1 nothing is armed
//!  2 has the executor closed, 2 is anything armed, and    2 there is no thread any more
//!    and is no thread there?    no thread there?          3 is anything armed, and
//!    start one                  start one                   no thread there? continue
//! ```
//!
//! Shards are read and written under their locks, so of any two threads one comes first there. No other ordering is needed:
//! the flags in this file are relaxed. The timer thread, which may wait for a notification, is notified after the executor has
//! closed.
//!
//! **Armed during the close.** If the closing thread looks into the shard first, the thread that arms sees that the executor has
//! closed, since step 1 of the close comes before that look. If the thread that arms comes first, the closing thread sees the timeout.
//!
//! **Armed while the sweeping thread ends.** If step 3 of that thread comes first, the thread that arms sees that there is no
//! thread. If the thread that arms comes first, step 3 sees the timeout.
//!
//! **No two threads.** Only the caller that has changed `has_thread` from false to true, in one step, starts a thread or continues
//! itself.
//!
//! `timeout/tests.rs` checks this with loom. The model uses the shards of `Timeouts`, and takes the steps of `arm` and
//! of the close in the order of `timeout/mod.rs`. A *deadlock* is a timeout that never elapses. What was changed, one
//! at a time, and what the model says:
//!
//! | change | result |
//! |---|---|
//! | `arm` calls `armed` before it inserts | deadlock: armed during the close, or while the thread ends |
//! | `close` looks before it says that the executor has closed | deadlock: armed during the close |
//! | `thread_ends` looks before it says that there is no thread, or does not look | deadlock: armed while the thread ends |
//! | `has_thread` is read, then written | deadlock: armed while the thread ends, each believes that the other sweeps |

use crate::sync::{AtomicBool, Ordering};

/// Whether the executor has closed, and whether a thread sweeps.
#[derive(Debug)]
pub(super) struct AfterClose {
    is_closed: AtomicBool,
    has_thread: AtomicBool,
}

/// What the armed timeouts need.
#[must_use = "no thread would sweep the armed timeouts"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// Nothing: there is a sweeper, or no timeout.
    Nothing,
    /// A thread that sweeps: the caller starts it, or continues if it is that thread.
    Thread,
}

impl AfterClose {
    /// `has_thread` says whether there is a timer thread from the beginning.
    pub(super) fn new(has_thread: bool) -> AfterClose {
        AfterClose { is_closed: AtomicBool::new(false), has_thread: AtomicBool::new(has_thread) }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Relaxed)
    }

    /// Must be called after a timeout was armed.
    pub(super) fn armed(&self) -> Need {
        if self.is_closed() { self.claim() } else { Need::Nothing }
    }

    /// Must be called when the executor closes.
    pub(super) fn close(&self, has_armed: impl FnOnce() -> bool) -> Need {
        self.is_closed.store(true, Ordering::Relaxed);
        if has_armed() { self.claim() } else { Need::Nothing }
    }

    /// Must be called after the close, by the thread that sweeps, when nothing is armed. The thread
    /// ends if this returns `Nothing`, and continues otherwise.
    pub(super) fn thread_ends(&self, has_armed: impl FnOnce() -> bool) -> Need {
        // An exchange, as in `claim`: loom does not order a plain store among exchanges.
        self.has_thread.swap(false, Ordering::Relaxed);
        if has_armed() { self.claim() } else { Need::Nothing }
    }

    fn claim(&self) -> Need {
        if self.has_thread.swap(true, Ordering::Relaxed) { Need::Nothing } else { Need::Thread }
    }
}

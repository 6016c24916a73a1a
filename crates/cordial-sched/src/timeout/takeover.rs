//! Who sees to limits when tokio is gone: a thread, started by whoever arms a limit then, or left one armed.
//!
//! Polls that are stuck when the executor is closed may have limits, and there may be no such poll at all. So the thread
//! comes when one is armed, and ends when none is.
//!
//! ```text
//!  one who arms               close                      the thread
//!  ────────────               ─────                      ──────────
//!  1 put it into a shard      1 tokio is gone            1 nothing is armed
//!  2 is tokio gone, and       2 is anything armed, and   2 no thread any more
//!    no thread there?           no thread there?         3 is anything armed, and
//!    start it                   start it                   no thread there? go on
//! ```
//!
//! A shard is written and record_search at under its lock, and so one of any two comes first there. That is all the ordering
//! there is; what stands here is relaxed.
//!
//! **Armed while tokio goes.** If the look of `close` comes first, who arms later sees that tokio is gone: that was
//! written before the look. If it does not, the look sees the limit.
//!
//! **Armed while the thread ends.** If its last look comes first, who arms later sees that there is no thread. If it does
//! not, the look sees the limit.
//!
//! **Two threads.** Whoever is to start one has changed the mark from "none" to "there" in one step.
//!
//! # Each ordering was taken away
//!
//! `timer/tests.rs` runs this in loom, with the shards of `Timeouts`, and with who arms and who closes as in `timer.rs`. A
//! *deadlock* is a limit that never passes.
//!
//! | change | what failed |
//! |---|---|
//! | `arm` asks before the limit is in its shard | deadlock: armed while tokio goes, or while the thread ends |
//! | `leave_tokio` looks before it says that tokio is gone | deadlock: armed while tokio goes |
//! | `ends` looks before it says that there is no thread, or does not look | deadlock: armed while the thread ends |
//! | the mark is read, then written, in two steps | deadlock: armed while the thread ends, each takes the other for the thread |

use crate::sync::{AtomicBool, Ordering};

/// Whether tokio is gone, and whether there is a thread in its place.
#[derive(Debug)]
pub(super) struct Takeover {
    is_tokio_gone: AtomicBool,
    has_thread: AtomicBool,
}

/// What has to be done for what is armed.
#[must_use = "nobody would see to what is armed"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    Nothing,
    /// The caller starts the thread, or is it.
    Thread,
}

impl Takeover {
    pub(super) fn new() -> Takeover {
        Takeover { is_tokio_gone: AtomicBool::new(false), has_thread: AtomicBool::new(false) }
    }

    /// To be called after a limit was armed.
    pub(super) fn armed(&self) -> Need {
        if self.is_tokio_gone.load(Ordering::Relaxed) { self.take() } else { Need::Nothing }
    }

    /// Tokio is about to go.
    pub(super) fn leave_tokio(&self, is_armed: impl FnOnce() -> bool) -> Need {
        self.is_tokio_gone.store(true, Ordering::Relaxed);
        if is_armed() { self.take() } else { Need::Nothing }
    }

    /// The thread has seen that nothing is armed. It ends, or goes on.
    pub(super) fn ends(&self, is_armed: impl FnOnce() -> bool) -> Need {
        // As in `take`: the model checker does not order a plain store among such steps of others.
        self.has_thread.swap(false, Ordering::Relaxed);
        if is_armed() { self.take() } else { Need::Nothing }
    }

    fn take(&self) -> Need {
        if self.has_thread.swap(true, Ordering::Relaxed) { Need::Nothing } else { Need::Thread }
    }
}

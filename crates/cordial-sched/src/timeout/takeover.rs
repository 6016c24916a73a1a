//! What takes the place of the sweeper after tokio has shut down: a thread, which is started if a timeout is still armed then,
//! or is armed later.
//!
//! Only polls that have not returned when the executor is closed still need timeouts, and usually there are none. So the
//! thread is started only for an armed timeout, and ends when none is armed.
//!
//! ```text
//!  a thread that arms         the thread that closes      the thread in place of the sweeper
//!  ──────────────────         ──────────────────────      ──────────────────────────────────
//!  1 insert into a shard      1 tokio shuts down          1 nothing is armed
//!  2 does tokio shut down,    2 is anything armed, and    2 there is no thread any more
//!    and is no thread there?    no thread there?          3 is anything armed, and
//!    start one                  start one                   no thread there? go on
//! ```
//!
//! Shards are read and written under their locks, so of any two threads one comes first there. No other ordering is needed:
//! the flags in this file are relaxed.
//!
//! **Armed during the shutdown.** If the closing thread looks into the shard first, the thread that arms sees that tokio shuts
//! down, since that was written before the look. If the thread that arms comes first, the closing thread sees the timeout.
//!
//! **Armed while the thread ends.** If its last look comes first, the thread that arms sees that there is no thread. If the
//! thread that arms comes first, the last look sees the timeout.
//!
//! **Two threads.** Only the caller that has changed `has_thread` from false to true, in one step, starts a thread.
//!
//! `timeout/tests.rs` checks this with loom, with the shards of `Timeouts`, and with `arm` and the shutdown as in
//! `timeout/mod.rs`. A *deadlock* is a timeout that never elapses. What was changed, one at a time, and what the model says:
//!
//! | change | result |
//! |---|---|
//! | `arm` asks before the timeout is in its shard | deadlock: armed during the shutdown, or while the thread ends |
//! | `tokio_shuts_down` looks before it says that tokio shuts down | deadlock: armed during the shutdown |
//! | `thread_ends` looks before it says that there is no thread, or does not look | deadlock: armed while the thread ends |
//! | the flag is read, then written, in two steps | deadlock: armed while the thread ends, each takes the other for the thread |

use crate::sync::{AtomicBool, Ordering};

/// Whether tokio shuts down or has shut down, and whether a thread takes the place of the sweeper.
#[derive(Debug)]
pub(super) struct Takeover {
    is_tokio_gone: AtomicBool,
    has_thread: AtomicBool,
}

/// What the armed timeouts need.
#[must_use = "no thread would sweep the armed timeouts"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sweeper {
    /// Nothing: there is a sweeper, or no timeout.
    NotNeeded,
    /// The caller has to start the thread, or to go on if it is that thread.
    StartThread,
}

impl Takeover {
    pub(super) fn new() -> Takeover {
        Takeover { is_tokio_gone: AtomicBool::new(false), has_thread: AtomicBool::new(false) }
    }

    /// To be called after a timeout was armed.
    pub(super) fn armed(&self) -> Sweeper {
        if self.is_tokio_gone.load(Ordering::Relaxed) { self.claim() } else { Sweeper::NotNeeded }
    }

    /// To be called before tokio shuts down.
    pub(super) fn tokio_shuts_down(&self, has_armed: impl FnOnce() -> bool) -> Sweeper {
        self.is_tokio_gone.store(true, Ordering::Relaxed);
        if has_armed() { self.claim() } else { Sweeper::NotNeeded }
    }

    /// To be called by the thread when nothing is armed. Returns whether it ends (`NotNeeded`) or goes on.
    pub(super) fn thread_ends(&self, has_armed: impl FnOnce() -> bool) -> Sweeper {
        // An exchange, as in `claim`: loom does not order a plain store among exchanges.
        self.has_thread.swap(false, Ordering::Relaxed);
        if has_armed() { self.claim() } else { Sweeper::NotNeeded }
    }

    fn claim(&self) -> Sweeper {
        if self.has_thread.swap(true, Ordering::Relaxed) { Sweeper::NotNeeded } else { Sweeper::StartThread }
    }
}

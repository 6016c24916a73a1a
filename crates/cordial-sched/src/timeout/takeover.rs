//! What takes the place of the sweeper after tokio has shut down: a thread, which is started when a timeout is armed then,
//! or is still armed.
//!
//! Polls that have not returned when the executor is closed may have timeouts, and there may be no such poll. So the thread
//! is started when a timeout is armed, and ends when none is.
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
//! Shards are read and written under their locks, and so one of any two threads comes first there. That is all the ordering
//! there is; what stands here is relaxed.
//!
//! **Armed during the shutdown.** If the closing thread looks into the shard first, the thread that arms sees that tokio shuts
//! down: that was written before. If it does not, the closing thread sees the timeout.
//!
//! **Armed while the thread ends.** If its last look comes first, the thread that arms sees that there is no thread. If it
//! does not, the look sees the timeout.
//!
//! **Two threads.** A thread that is to start one has changed the flag from "none" to "there" in one step.
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
    /// The caller starts the thread, or is it.
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

    /// To be called by the thread when nothing is armed. It ends, or goes on.
    pub(super) fn thread_ends(&self, has_armed: impl FnOnce() -> bool) -> Sweeper {
        // As in `claim`: loom does not order a plain store among such steps of others.
        self.has_thread.swap(false, Ordering::Relaxed);
        if has_armed() { self.claim() } else { Sweeper::NotNeeded }
    }

    fn claim(&self) -> Sweeper {
        if self.has_thread.swap(true, Ordering::Relaxed) { Sweeper::NotNeeded } else { Sweeper::StartThread }
    }
}

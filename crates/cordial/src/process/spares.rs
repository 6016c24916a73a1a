//! The memory of a message that was sent, for the next message of the same poll.
//!
//! For each call of a server, a process needs an allocation, and references to the server and to its own task. The process reuses
//! those of its last call, if that call is over, was of the same type, and went to the same server. They are kept until the
//! poll ends, and so keep no server alive for longer.

use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::sync::Arc;

/// A call that is over.
pub(crate) type SpareCall = Arc<dyn Any + Send + Sync>;

/// A cast that is over.
pub(crate) type SpareCast = Box<dyn Any + Send>;

/// What a thread keeps during a poll.
pub(crate) struct Spares {
    call: Cell<Option<SpareCall>>,
    cast: Cell<Option<SpareCast>>,
    /// Whether something was kept since the last `take_all`.
    is_used: Cell<bool>,
}

impl Spares {
    pub(super) const fn new() -> Spares {
        Spares { call: Cell::new(None), cast: Cell::new(None), is_used: Cell::new(false) }
    }

    /// Keeps a call. Returns the one that was kept before.
    #[inline]
    pub(super) fn keep_call(&self, spare: SpareCall) -> Option<SpareCall> {
        self.is_used.set(true);
        self.call.replace(Some(spare))
    }

    /// Keeps a cast. Returns the one that was kept before.
    #[inline]
    pub(super) fn keep_cast(&self, spare: SpareCast) -> Option<SpareCast> {
        self.is_used.set(true);
        self.cast.replace(Some(spare))
    }

    #[inline]
    pub(super) fn take_call(&self) -> Option<SpareCall> {
        self.call.take()
    }

    #[inline]
    pub(super) fn take_cast(&self) -> Option<SpareCast> {
        self.cast.take()
    }

    /// Takes all that is kept, to drop it. `None` if nothing is kept.
    #[inline]
    pub(super) fn take_all(&self) -> Option<(Option<SpareCall>, Option<SpareCast>)> {
        if !self.is_used.take() {
            return None;
        }
        let kept = (self.call.take(), self.cast.take());
        // Usually what was kept has been taken again, for the message that the process waits for.
        (kept.0.is_some() || kept.1.is_some()).then_some(kept)
    }
}

impl fmt::Debug for Spares {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spares").field("is_used", &self.is_used.get()).finish_non_exhaustive()
    }
}

//! The headers that a thread keeps alive, so that it can park their tasks again without counting references.
//!
//! When a task is in its slot, another thread may take it and finish it at once, so the thread that parks it needs a reference to
//! the header of its own. To count that reference up and down costs two atomic operations for each poll. Two tasks that send
//! messages to each other are parked on the same thread again and again: it keeps their headers.

use std::sync::Arc;

use crate::task::header::Header;
use crate::task::runnable::Runnable;
use crate::task::schedule::HeaderReuse;

/// How many headers a thread keeps: a process, a server that it calls, and the server that this one calls in turn, and one more.
const KEPT: usize = 4;

type HeaderOfTask = Arc<Header<Runnable>>;

/// The headers of the tasks that a thread has parked last.
pub(crate) struct KeptHeaders {
    headers: [Option<HeaderOfTask>; KEPT],
    /// Which of them is replaced next.
    next: usize,
}

impl KeptHeaders {
    pub(crate) const fn new() -> KeptHeaders {
        KeptHeaders { headers: [const { None }; KEPT], next: 0 }
    }

    /// Puts a task into its slot. Returns the task if it was woken during its poll, and a header that is no longer kept, to be dropped
    /// when `self` is not borrowed: it may hold a waker of the user.
    #[inline]
    pub(crate) fn park(&mut self, runnable: Runnable) -> (Option<Runnable>, Option<HeaderOfTask>) {
        let of_task = Arc::as_ptr(runnable.header());
        let known = self.headers.iter().flatten().find(|kept| Arc::as_ptr(kept) == of_task);
        if let Some(header) = known {
            return (header.owner.put(runnable), None);
        }
        self.park_unknown(runnable)
    }

    fn park_unknown(&mut self, runnable: Runnable) -> (Option<Runnable>, Option<HeaderOfTask>) {
        let header = runnable.header().clone();
        if runnable.scheduler().header_reuse() == HeaderReuse::Exact {
            // A header that is kept would not be used again.
            return (header.owner.put(runnable), Some(header));
        }
        let woken = header.owner.put(runnable);
        let replaced = self.headers[self.next].replace(header);
        self.next = (self.next + 1) % KEPT;
        (woken, replaced)
    }
}

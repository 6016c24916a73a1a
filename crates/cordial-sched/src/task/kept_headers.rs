//! The headers that a thread keeps alive, so that it can park their tasks again without counting references.
//!
//! As soon as a task is in its slot, another thread may take it and finish it. So the thread that parks the task needs its own
//! reference to the header. To count that reference up and down would cost two atomic operations for each poll. Tasks that send messages
//! to each other are parked by one thread again and again, so the thread keeps references to a few headers.

use std::sync::Arc;

use crate::task::header::Header;
use crate::task::runnable::Runnable;
use crate::task::schedule::HeaderReuse;

/// How many headers a thread keeps. Enough for a task that calls a server, that server, another server which the first one calls, and one
/// more task.
const KEPT: usize = 4;

type HeaderOfTask = Arc<Header<Runnable>>;

/// The headers of tasks that a thread has parked lately.
pub(crate) struct KeptHeaders {
    headers: [Option<HeaderOfTask>; KEPT],
    /// The index of the header that is replaced next: the one that was kept first.
    next: usize,
}

impl KeptHeaders {
    pub(crate) const fn new() -> KeptHeaders {
        KeptHeaders { headers: [const { None }; KEPT], next: 0 }
    }

    /// Puts a task into its slot. Returns the task if it was woken during its poll, and a reference that is not kept: to the header of
    /// the task, or to the header that it replaces. The caller drops that reference when `self` is no longer borrowed, because that may
    /// drop a waker, which is user code.
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
            // With exact reuse, a header to which the thread keeps a reference would never be used for another task.
            return (header.owner.put(runnable), Some(header));
        }
        let woken = header.owner.put(runnable);
        let replaced = self.headers[self.next].replace(header);
        self.next = (self.next + 1) % KEPT;
        (woken, replaced)
    }
}

//! The owner of a task: a future, and what it takes to wake and to schedule it.
//!
//! A task has one owner at a time, and owning the `Runnable` is owning the task. The `Runnable` is in a queue, with the thread that
//! polls it, in a slot of its header while it waits and when it has finished, or in a free list between two tasks.
//!
//! ```text
//!  free list ─► filled ─► queue ─► polled ─┬─ Pending ─► Header::owner ── woken ──► queue
//!      ▲                                   └─ Ready ───► Header::join ─── joined ──┐ (without a handle: at once)
//!      └─────────────────────────────── retired ◄──────────────────────────────────┘
//! ```

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};
use std::task::{Context, Poll, Waker};
use std::thread::LocalKey;

use crate::free_list::{FreeListRef, Magazine, Recycle};
use crate::task::future::{DynFuture, OutputSink};
use crate::task::header::Header;
use crate::task::schedule::{HeaderReuse, SchedulerRef};
use crate::unwind;

/// The one owner of a task. One word.
pub(crate) struct Runnable(Box<Task>);

/// The part of a task that does not need a fixed address. Used by one task after another, as the header is.
struct Task {
    header: Arc<Header<Runnable>>,
    /// The waker with which the task is polled. It refers to `header`.
    waker: Waker,
    scheduler: SchedulerRef,
    /// `None` if no task has used this box, or if the box of the last future was not worth keeping.
    future: Option<DynFuture>,
    /// The reference that the last join handle had, for the next handle. Reusing it saves two atomic operations.
    spare_header: Option<Arc<Header<Runnable>>>,
}

impl Runnable {
    /// Makes a task without a future.
    pub(crate) fn new(scheduler: SchedulerRef) -> Runnable {
        let header = Arc::new(Header::new());
        let waker = Waker::from(header.clone());
        Runnable(Box::new(Task { header, waker, scheduler, future: None, spare_header: None }))
    }

    /// Gives the task its future, which is moved out of `future`. `future` must be `Some`.
    // Inlined for the same reason as `DynFuture::new`.
    #[inline(always)]
    pub(crate) fn fill<F>(&mut self, future: &mut Option<F>, sink: OutputSink)
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let is_filled = self.0.future.as_mut().is_some_and(|spare| spare.renew(sink, future));
        if !is_filled {
            self.0.future = Some(DynFuture::new(sink, future.take().expect("a task is filled with a future")));
        }
    }

    #[inline]
    pub(crate) fn header(&self) -> &Arc<Header<Runnable>> {
        &self.0.header
    }

    /// Returns a reference to the header, for a join handle.
    #[inline]
    pub(crate) fn header_of_handle(&mut self) -> Arc<Header<Runnable>> {
        self.0.spare_header.take().unwrap_or_else(|| self.0.header.clone())
    }

    /// Takes the reference of a join handle back, for the handle of the next task. With exact reuse, drops it.
    #[inline]
    pub(crate) fn keep_header(&mut self, of_handle: Option<Arc<Header<Runnable>>>) {
        if self.0.scheduler.header_reuse() == HeaderReuse::Eager {
            self.0.spare_header = of_handle;
        }
    }

    #[inline]
    pub(crate) fn scheduler(&self) -> &SchedulerRef {
        &self.0.scheduler
    }

    #[inline]
    pub(crate) fn poll(&mut self) -> Poll<OutputSink> {
        self.0.header.owner.begin_poll();
        let future = self.0.future.as_mut().expect("filled before it was queued");
        future.poll(&mut Context::from_waker(&self.0.waker))
    }

    /// Puts the task into the owner slot of its header. Returns the task if it was woken during the poll.
    pub(crate) fn park(self) -> Option<Runnable> {
        // Cloned, because another thread may take the task and finish it at once.
        let header = self.0.header.clone();
        header.owner.put(self)
    }

    /// Puts the task, whose future is ready or cleared, into its join slot. Retires the task instead if it was made without a handle or
    /// its handle was dropped. `left` is the reference that [`leave_reference`](super::schedule::leave_reference) has kept, if there is
    /// one. If it refers to the header of this task, no new reference has to be counted.
    ///
    /// # Panics
    ///
    /// If the waker of the handle or the destructor of the output panics.
    pub(crate) fn finish(self, sink: OutputSink, left: Option<Arc<Header<Runnable>>>) {
        let without_handle = match sink {
            OutputSink::Join => {
                // This thread needs a reference, because another thread may take the task and free it at once.
                let left = left.filter(|left| Arc::ptr_eq(left, &self.0.header));
                let header = left.unwrap_or_else(|| self.0.header.clone());
                header.join.finish(self)
            }
            OutputSink::Discard => {
                // Dropped before the task is retired, so that the header can be used again.
                drop(left);
                Some(self)
            }
        };
        if let Some(task) = without_handle {
            task.retire();
        }
    }

    /// Drops the future of a task that no thread can run any more, and finishes the task.
    pub(crate) fn abort(mut self) {
        let future = self.0.future.as_mut().expect("filled before it was queued");
        // A panic of the user's destructor is discarded.
        let _ = unwind::catch(|| future.clear());
        let sink = future.sink();
        self.finish(sink, None);
    }

    /// Moves the output into `output`. Leaves `output` as it is if there is no output of this type.
    pub(crate) fn take_output<T: 'static>(&mut self, output: &mut Option<T>) {
        self.0.future.as_mut().expect("it has finished").take_output(output);
    }

    /// Drops the future or the output, and gives the box and the header to the free list, for the next task. With exact reuse, frees the
    /// box instead if a waker of the task is left.
    ///
    /// # Panics
    ///
    /// If a destructor of the future or of the output panics. The box and the header are freed then.
    pub(crate) fn retire(mut self) {
        if let Some(future) = &mut self.0.future {
            future.clear();
        }
        self.retire_empty();
    }

    /// Like [`retire`](Runnable::retire), for a task whose output was taken.
    pub(crate) fn retire_empty(mut self) {
        if self.0.future.as_ref().is_some_and(|future| !future.is_worth_keeping()) {
            self.0.future = None;
        }
        if self.0.scheduler.header_reuse() == HeaderReuse::Exact && !self.has_only_waker() {
            // The header is freed with the last reference to it.
            return;
        }
        FreeListRef::give(self, |task| task.0.scheduler.free_tasks());
    }

    /// Returns whether only the box still refers to the header of the task, which has ended: then no other waker is left.
    fn has_only_waker(&self) -> bool {
        // The box has two references: `header` and `waker`. The others are the handle, references of the layer above, and clones of
        // the waker; no poll makes another clone any more.
        let has_only_waker = Arc::strong_count(&self.0.header) == 2;
        // Everything that was done through a dropped waker happens before this.
        fence(Ordering::Acquire);
        has_only_waker
    }
}

impl Recycle for Runnable {
    fn magazine() -> &'static LocalKey<RefCell<Magazine<Runnable>>> {
        thread_local!(static MAGAZINE: RefCell<Magazine<Runnable>> = const { RefCell::new(Magazine::new()) });
        &MAGAZINE
    }

    fn dispose(self) {}
}

//! A task before it runs: first a key, then a future, then the start.
//!
//! ```text
//!  reserve ─► Reserved ─┬─ prepare ──────────► Prepared ───────── start ─► JoinHandle
//!                       └─ prepare_detached ─► PreparedDetached ─ start
//! ```
//!
//! Between `reserve` and `start`, the layer above puts its own record of the task into its table. A task that is dropped before it is
//! started never runs.

use std::fmt;

use crate::executor::handle::Executor;
use crate::executor::join_handle::JoinHandle;
use crate::table::Key;
use crate::task::future::OutputSink;
use crate::task::runnable::Runnable;
use crate::task::schedule::{self, Placement};
use crate::task::task_ref::TaskRef;

/// A task with a key and without a future.
#[must_use = "a task that is not prepared never runs"]
pub struct Reserved(Unstarted);

/// A task that is ready to be started.
#[must_use = "a task that is not started never runs"]
pub struct Prepared<T> {
    task: Unstarted,
    take_output: fn(&mut Runnable, &mut Option<T>),
}

/// A task that is ready to be started, and whose output is dropped.
#[must_use = "a task that is not started never runs"]
pub struct PreparedDetached(Unstarted);

/// Owns a task that was not started. Dropping it returns the task to the free tasks, unless the task was taken out.
struct Unstarted(Option<Runnable>);

impl Executor {
    /// Takes a task from the free tasks, or makes one, and gives it `key`, which the caller has reserved in its `Table`. The result
    /// is passed to [`prepare`](Executor::prepare) or [`prepare_detached`](Executor::prepare_detached).
    ///
    /// # Panics
    ///
    /// If the index of `key` has more than 30 bits. No table hands out such a key.
    #[inline]
    pub fn reserve(&self, key: Key) -> Reserved {
        Reserved(Unstarted(Some(self.common().tasks.allocate(key))))
    }

    /// Gives a task its future. It does not run before [`Prepared::start`].
    ///
    /// The future must catch the panics of the user code that it polls and drops; dropping the future or its output must not
    /// panic. A panic in a poll is discarded, and the join handle is then never ready. A panic during the drop of a handle, or of a task
    /// that was not started, propagates to the code that drops it.
    // Inlined, because the future may be large, and each call on the way to its box would copy it.
    #[inline(always)]
    pub fn prepare<F>(&self, reserved: Reserved, future: F) -> Prepared<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let Reserved(mut task) = reserved;
        task.fill(&mut Some(future), OutputSink::Join);
        Prepared { task, take_output: Runnable::take_output }
    }

    /// Like [`prepare`](Executor::prepare), but the output is dropped.
    // Inlined for the same reason as `prepare`.
    #[inline(always)]
    pub fn prepare_detached<F>(&self, reserved: Reserved, future: F) -> PreparedDetached
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let Reserved(mut task) = reserved;
        task.fill(&mut Some(future), OutputSink::Discard);
        PreparedDetached(task)
    }
}

impl Reserved {
    /// Returns a reference to the task.
    pub fn task(&self) -> TaskRef {
        TaskRef::new(self.0.get().header().clone())
    }
}

impl<T> Prepared<T> {
    /// Starts the task. `executor` must be the executor that has reserved it.
    pub fn start(self, executor: &Executor) -> JoinHandle<T> {
        let mut task = self.task.take();
        let header = task.header_of_handle();
        schedule::queue(task, Placement::Next);
        JoinHandle::new(header, executor.clone(), self.take_output)
    }
}

impl PreparedDetached {
    /// Starts the task.
    pub fn start(self) {
        schedule::queue(self.0.take(), Placement::Next);
    }
}

impl Unstarted {
    fn get(&self) -> &Runnable {
        self.0.as_ref().expect("taken when it is started")
    }

    // Inlined for the same reason as `prepare`.
    #[inline(always)]
    fn fill<F>(&mut self, future: &mut Option<F>, sink: OutputSink)
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.0.as_mut().expect("taken when it is started").fill(future, sink);
    }

    #[inline]
    fn take(mut self) -> Runnable {
        self.0.take().expect("started once")
    }
}

impl Drop for Unstarted {
    #[inline]
    fn drop(&mut self) {
        if let Some(task) = self.0.take() {
            task.retire();
        }
    }
}

impl fmt::Debug for Reserved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reserved").field("key", &self.0.get().header().key()).finish()
    }
}

impl<T> fmt::Debug for Prepared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared").field("key", &self.task.get().header().key()).finish_non_exhaustive()
    }
}

impl fmt::Debug for PreparedDetached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PreparedDetached").field("key", &self.0.get().header().key()).finish()
    }
}

//! How far a stream has come, to be read while somebody else consumes it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts of one stream. Clones show the same counts.
///
/// # Examples
///
/// ```
/// use cordial::Task;
///
/// cordial::testing::run(async {
///     let stream = Task::async_stream(0..10, |n| async move { assert_ne!(n, 3) });
///     let progress = stream.progress();
///     stream.collect().await;
///     assert_eq!((progress.succeeded(), progress.failed(), progress.running()), (9, 1, 0));
/// });
/// ```
#[derive(Clone, Default)]
pub struct Progress(Arc<Counts>);

#[derive(Default)]
struct Counts {
    started: AtomicUsize,
    succeeded: AtomicUsize,
    failed: AtomicUsize,
    given_up: AtomicUsize,
    abandoned: AtomicUsize,
    retried: AtomicUsize,
}

impl Progress {
    /// Items that were started. One that is tried again counts once.
    #[must_use]
    pub fn started(&self) -> usize {
        self.0.started.load(Ordering::Relaxed)
    }

    /// Items that gave a value. Without `or_exit`, an `Err` inside it is a value like any other.
    #[must_use]
    pub fn succeeded(&self) -> usize {
        self.0.succeeded.load(Ordering::Relaxed)
    }

    /// Items that gave an exit, after their last attempt.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.0.failed.load(Ordering::Relaxed)
    }

    /// Items that run now, or wait for their next attempt.
    #[must_use]
    pub fn running(&self) -> usize {
        let ended = self.succeeded() + self.failed() + self.given_up();
        self.started().saturating_sub(ended)
    }

    /// Items that were running when the stream was dropped or ended early.
    #[must_use]
    pub fn given_up(&self) -> usize {
        self.0.given_up.load(Ordering::Relaxed)
    }

    /// Attempts after the first of their item.
    #[must_use]
    pub fn retried(&self) -> usize {
        self.0.retried.load(Ordering::Relaxed)
    }

    /// Attempts that could not be ended, because their poll did not return: nobody waits for them any more.
    #[must_use]
    pub fn abandoned(&self) -> usize {
        self.0.abandoned.load(Ordering::Relaxed)
    }

    pub(super) fn count_retry(&self) {
        self.0.retried.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_abandoned(&self) {
        self.0.abandoned.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_start(&self) {
        self.0.started.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_end(&self, is_ok: bool) {
        let count = if is_ok { &self.0.succeeded } else { &self.0.failed };
        count.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_given_up(&self, n: usize) {
        self.0.given_up.fetch_add(n, Ordering::Relaxed);
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Progress")
            .field("started", &self.started())
            .field("running", &self.running())
            .field("succeeded", &self.succeeded())
            .field("failed", &self.failed())
            .field("given_up", &self.given_up())
            .field("retried", &self.retried())
            .field("abandoned", &self.abandoned())
            .finish()
    }
}

//! Counters of a stream.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::process::{GroupCounters, GroupCounts};

/// Counters of one stream. Can be read from any thread while the stream is consumed. Clones share the same counters.
///
/// The stream counts while it is polled, and when it is dropped: an item that ends while the consumer is busy counts as running
/// until the next poll.
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
pub struct Progress(Arc<ProgressCounters>);

#[derive(Debug, Default)]
struct ProgressCounters {
    started: AtomicUsize,
    succeeded: AtomicUsize,
    failed: AtomicUsize,
    cancelled: AtomicUsize,
    abandoned: AtomicUsize,
    retried: AtomicUsize,
    timed_out: AtomicUsize,
    /// Results in the window that were not delivered, as of the end of the last poll.
    buffered: AtomicUsize,
}

impl Progress {
    /// Returns how many items have started. Retries are not counted.
    #[must_use]
    pub fn started(&self) -> usize {
        self.0.started.load(Ordering::Relaxed)
    }

    /// Returns how many items have returned a value. Without [`or_exit`](crate::AsyncStream::or_exit), an inner `Err` is a value too.
    #[must_use]
    pub fn succeeded(&self) -> usize {
        self.0.succeeded.load(Ordering::Relaxed)
    }

    /// Returns how many items have failed and are not retried.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.0.failed.load(Ordering::Relaxed)
    }

    /// Returns how many items are running, or wait for their next attempt.
    #[must_use]
    pub fn running(&self) -> usize {
        let ended = self.succeeded() + self.failed() + self.cancelled();
        self.started().saturating_sub(ended)
    }

    /// Returns how many items had started and had no result when the stream was dropped or ended early.
    #[must_use]
    pub fn cancelled(&self) -> usize {
        self.0.cancelled.load(Ordering::Relaxed)
    }

    /// Returns how many retries were scheduled. A retry that waits for its backoff is counted already.
    #[must_use]
    pub fn retried(&self) -> usize {
        self.0.retried.load(Ordering::Relaxed)
    }

    /// Returns how many attempts were abandoned: killed, and still in the same poll 100 ms later. The stream does not wait for
    /// them.
    #[must_use]
    pub fn abandoned(&self) -> usize {
        self.0.abandoned.load(Ordering::Relaxed)
    }

    /// Returns how many attempts have ended by their timeout, including attempts that were retried or abandoned.
    #[must_use]
    pub fn timed_out(&self) -> usize {
        self.0.timed_out.load(Ordering::Relaxed)
    }

    /// Returns how many results were not delivered at the end of the last poll of the stream: they wait for the consumer or for
    /// an older item.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.0.buffered.load(Ordering::Relaxed)
    }

    /// Returns the counters for an observer.
    pub(super) fn counters(&self) -> Arc<dyn GroupCounters> {
        self.0.clone()
    }

    pub(super) fn set_buffered(&self, n: usize) {
        self.0.buffered.store(n, Ordering::Relaxed);
    }

    pub(super) fn count_timeout(&self) {
        add(&self.0.timed_out, 1);
    }

    pub(super) fn count_start(&self) {
        add(&self.0.started, 1);
    }

    pub(super) fn count_success(&self) {
        add(&self.0.succeeded, 1);
    }

    pub(super) fn count_failure(&self) {
        add(&self.0.failed, 1);
    }

    pub(super) fn count_cancelled(&self, n: usize) {
        add(&self.0.cancelled, n);
    }

    pub(super) fn count_retry(&self) {
        add(&self.0.retried, 1);
    }

    pub(super) fn count_abandoned(&self) {
        add(&self.0.abandoned, 1);
    }
}

impl GroupCounters for ProgressCounters {
    fn counts(&self) -> GroupCounts {
        let read = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
        let (started, succeeded, failed) = (read(&self.started), read(&self.succeeded), read(&self.failed));
        GroupCounts {
            started,
            running: started.saturating_sub(succeeded + failed + read(&self.cancelled)),
            succeeded,
            failed,
            timed_out: read(&self.timed_out),
            retried: read(&self.retried),
            abandoned: read(&self.abandoned),
            buffered: read(&self.buffered),
        }
    }
}

/// Adds to a counter. Only the stream writes the counters, and it is borrowed mutably while it does: a load and a store are enough,
/// and cheaper than `fetch_add`.
fn add(counter: &AtomicUsize, n: usize) {
    counter.store(counter.load(Ordering::Relaxed) + n, Ordering::Relaxed);
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Progress")
            .field("started", &self.started())
            .field("running", &self.running())
            .field("succeeded", &self.succeeded())
            .field("failed", &self.failed())
            .field("cancelled", &self.cancelled())
            .field("retried", &self.retried())
            .field("abandoned", &self.abandoned())
            .field("timed_out", &self.timed_out())
            .field("buffered", &self.buffered())
            .finish()
    }
}

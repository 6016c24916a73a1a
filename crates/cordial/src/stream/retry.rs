//! Whether a failed item is retried, and when.

use std::fmt;
use std::sync::Arc;

use crate::backoff::Backoff;
use crate::exit::Exit;

/// How often a stream retries a failed item, after which delay, and after which exits.
///
/// | to decide by | call |
/// |---|---|
/// | how the attempt ended: a panic, a timeout, a kill, any error | [`when`](Retry::when) |
/// | the error that the item returned, with the type that it had | [`when_err`](Retry::when_err) |
///
/// # Examples
///
/// ```
/// use cordial::{Backoff, Exit, Retry};
/// use std::time::Duration;
///
/// let retry = Retry::times(3)
///     .backoff(Backoff::exponential(Duration::from_millis(100), Duration::from_secs(5)))
///     .when(|exit| !matches!(exit, Exit::Timeout(_)));
/// # let _ = retry;
/// ```
#[derive(Clone)]
pub struct Retry {
    max_retries: usize,
    backoff: Option<Backoff>,
    filter: Option<RetryFilter>,
}

/// Returns whether an item that failed with this exit is retried.
type RetryFilter = Arc<dyn Fn(&Exit) -> bool + Send + Sync>;

impl Retry {
    /// Returns a policy of up to `n` retries. With 0, each item has a single attempt.
    #[must_use]
    pub fn times(n: usize) -> Retry {
        Retry { max_retries: n, backoff: None, filter: None }
    }

    /// Sets the delays between attempts. Default: none, the next attempt starts at once. With
    /// [`give_up_after`](Backoff::give_up_after), the backoff limits the attempts as well.
    #[must_use]
    pub fn backoff(self, backoff: Backoff) -> Retry {
        Retry { backoff: Some(backoff), ..self }
    }

    /// Sets after which exits an item is retried; after any other exit the item fails. Default: after all exits. In a forked
    /// process, where no attempt can start, no item is retried.
    ///
    /// The filter runs where the stream is polled, once for each failed attempt that has a retry left.
    #[must_use]
    pub fn when(self, filter: impl Fn(&Exit) -> bool + Send + Sync + 'static) -> Retry {
        Retry { filter: Some(Arc::new(filter)), ..self }
    }

    /// Sets after which errors of type `E` an item is retried. `E` is the error type of the future of the item, before
    /// [`or_exit`](crate::AsyncStream::or_exit) converts the error into an [`Exit`]; another type does not compile. The filter of
    /// [`RetryErr::when`] decides about exits without such an error, such as timeouts and panics.
    ///
    /// The filter runs where the stream is polled, once for each attempt that returns an `Err` and has a retry left.
    ///
    /// Without `when_err`, the filter of [`when`](Retry::when) gets the exit that [`Exit::error`] makes of the error.
    /// [`Exit::downcast_ref`] finds the error in that exit, unless the error is an `anyhow::Error` without a context.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::{Error, ErrorKind};
    ///
    /// use cordial::{Retry, Task};
    ///
    /// cordial::testing::run(async {
    ///     let read = |kind: ErrorKind| async move { Err::<(), anyhow::Error>(Error::from(kind).into()) };
    ///     let is_transient = |error: &anyhow::Error| {
    ///         error.downcast_ref::<Error>().is_some_and(|error| error.kind() == ErrorKind::TimedOut)
    ///     };
    ///     let reads = Task::async_stream([ErrorKind::TimedOut, ErrorKind::NotFound], read).or_exit();
    ///     let reads = reads.retry(Retry::times(3).when_err(is_transient));
    ///     let progress = reads.progress();
    ///     assert_eq!(reads.partition().await.1.len(), 2);
    ///     assert_eq!(progress.retried(), 3, "of the first read only");
    /// });
    /// ```
    #[must_use]
    pub fn when_err<E>(self, filter: impl Fn(&E) -> bool + Send + Sync + 'static) -> RetryErr<E> {
        RetryErr { retry: self, filter: Arc::new(filter) }
    }

    /// Returns whether an item that has made this number of attempts may be retried.
    pub(super) fn has_retry_left(&self, n_attempts: usize) -> bool {
        let is_over = |backoff: Backoff| backoff.is_over_after(u32::try_from(n_attempts).unwrap_or(u32::MAX));
        n_attempts <= self.max_retries && !self.backoff.is_some_and(is_over)
    }

    /// Returns whether the filter of `when`, if there is one, accepts a retry after this exit.
    pub(super) fn is_retried(&self, exit: &Exit) -> bool {
        self.filter.as_ref().is_none_or(|filter| filter(exit))
    }

    pub(super) fn configured_backoff(&self) -> Option<Backoff> {
        self.backoff
    }
}

impl fmt::Debug for Retry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retry")
            .field("times", &self.max_retries)
            .field("backoff", &self.backoff)
            .finish_non_exhaustive()
    }
}

/// A [`Retry`] with a filter for errors of type `E`, made by [`Retry::when_err`].
pub struct RetryErr<E> {
    retry: Retry,
    filter: Arc<dyn Fn(&E) -> bool + Send + Sync>,
}

impl<E> RetryErr<E> {
    /// Sets the delays between attempts. Default: none, the next attempt starts at once. With
    /// [`give_up_after`](Backoff::give_up_after), the backoff limits the attempts as well.
    #[must_use]
    pub fn backoff(self, backoff: Backoff) -> RetryErr<E> {
        RetryErr { retry: self.retry.backoff(backoff), ..self }
    }

    /// Sets after which exits without an error of type `E`, such as timeouts and panics, an item is retried. Default: after
    /// all of them.
    #[must_use]
    pub fn when(self, filter: impl Fn(&Exit) -> bool + Send + Sync + 'static) -> RetryErr<E> {
        RetryErr { retry: self.retry.when(filter), ..self }
    }
}

impl<E> Clone for RetryErr<E> {
    fn clone(&self) -> RetryErr<E> {
        RetryErr { retry: self.retry.clone(), filter: self.filter.clone() }
    }
}

impl<E> fmt::Debug for RetryErr<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.retry, f)
    }
}

/// A filter for the outputs of items. It returns whether an attempt with this output is retried; `None` if the output is not an
/// error.
pub(super) type OutputFilter<O> = Arc<dyn Fn(&O) -> Option<bool> + Send + Sync>;

/// What [`AsyncStream::retry`](crate::AsyncStream::retry) accepts: a [`Retry`], or a [`RetryErr`] for the error type of the items.
///
/// This trait is sealed: it cannot be implemented outside this crate.
#[diagnostic::on_unimplemented(
    message = "the items of this stream do not fail with the error type of this `{Self}`",
    note = "the items output `{O}`: the filter of `when_err` takes a reference to the error in it",
    note = "call `or_exit` before `retry`, so that an inner `Err` is a failure"
)]
pub trait RetryPolicy<O, T>: sealed::Sealed {
    #[doc(hidden)]
    fn into_parts(self) -> (Retry, Option<OutputFilter<O>>);
}

#[expect(unnameable_types, reason = "that is what seals the trait")]
mod sealed {
    /// Keeps other crates from implementing `RetryPolicy`.
    pub trait Sealed {}
}

impl sealed::Sealed for Retry {}
impl<O, T> RetryPolicy<O, T> for Retry {
    fn into_parts(self) -> (Retry, Option<OutputFilter<O>>) {
        (self, None)
    }
}

impl<E> sealed::Sealed for RetryErr<E> {}
impl<U, E: 'static> RetryPolicy<Result<U, E>, U> for RetryErr<E> {
    fn into_parts(self) -> (Retry, Option<OutputFilter<Result<U, E>>>) {
        let RetryErr { retry, filter } = self;
        (retry, Some(Arc::new(move |output: &Result<U, E>| output.as_ref().err().map(|error| filter(error)))))
    }
}

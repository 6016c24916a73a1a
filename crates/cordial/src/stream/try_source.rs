//! A source that can fail: its items are `Result`s, and the first `Err` ends it.
//!
//! ```text
//!  source   Ok(a)  Ok(b)  Err(e)          stream   result of a, result of b, Err(e as an exit)
//! ```

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use futures_core::{Stream, TryStream};
use pin_project_lite::pin_project;

use crate::exit::{Exit, IntoExit};

pin_project! {
    /// The items of a source that can fail, up to its first error. Each is `Some`; the input of a
    /// [`Failure`](crate::Failure) is `None` if the source has failed.
    pub struct TrySource<S> {
        #[pin]
        source: S,
        error: SharedError,
    }
}

/// The error with which a source has ended, until the stream delivers it.
#[derive(Clone, Default)]
struct SharedError(Arc<Mutex<Option<Exit>>>);

/// The stream's side of a [`SharedError`]: takes the error, to deliver it.
pub(super) struct SourceError<I> {
    error: SharedError,
    /// Makes the input of the failure.
    pub(super) no_input: fn() -> I,
}

impl<S: TryStream> TrySource<S> {
    /// Returns the source, and its error for the stream.
    pub(super) fn new(source: S) -> (TrySource<S>, SourceError<Option<S::Ok>>) {
        let error = SharedError::default();
        (TrySource { source, error: error.clone() }, SourceError { error, no_input: || None })
    }
}

impl SharedError {
    fn with<R>(&self, f: impl FnOnce(&mut Option<Exit>) -> R) -> R {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<I> SourceError<I> {
    pub(super) fn take(&self) -> Option<Exit> {
        self.error.with(Option::take)
    }

    pub(super) fn is_some(&self) -> bool {
        self.error.with(|error| error.is_some())
    }
}

impl<S> Stream for TrySource<S>
where
    S: TryStream,
    S::Error: IntoExit,
{
    type Item = Option<S::Ok>;

    /// Ends at an error. The stream drops a source that has ended, so this source is not polled after an error.
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Option<S::Ok>>> {
        let this = self.project();
        this.source.try_poll_next(cx).map(|item| match item? {
            Ok(input) => Some(Some(input)),
            Err(error) => {
                let exit = Exit::from(error.into_boxed());
                this.error.with(|error| *error = Some(exit));
                None
            }
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let (lower, upper) = self.source.size_hint();
        // If the first item is an error, this source has no item, but the stream still has one result: the error.
        (lower.min(1), upper)
    }
}

impl<S> fmt::Debug for TrySource<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrySource").finish_non_exhaustive()
    }
}

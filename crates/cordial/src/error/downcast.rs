//! Looking for an error of a known type in an exit.

use std::error::Error;
use std::io;

use super::{BuildError, StartError};
use crate::exit::Exit;

/// How many errors of a chain are looked at. The chain of an error that is its own source has no end.
const MAX_ERRORS: usize = 100;

impl Exit {
    /// Returns the first error of type `E` in the chain of an [`Exit::Error`]: the error itself, its source, the source of
    /// that, and so on. Also finds the error inside an [`io::Error`], a [`StartError`], a [`BuildError`] or another `Exit`. The
    /// `source` of these types skips that error, because their text includes its text.
    ///
    /// An error inside a boxed error is found only if the box permits downcasting. An `anyhow::Error` without a context does
    /// not: when the task returns it, the type of the error from which it was made is lost, but its sources are still found. Look
    /// for such an error before the task returns it, inside the task or with [`Retry::when_err`](crate::Retry::when_err).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::{Error, ErrorKind};
    ///
    /// use cordial::Task;
    ///
    /// cordial::testing::run(async {
    ///     let task = Task::spawn(async { Err::<(), _>(Error::from(ErrorKind::TimedOut)) }).or_exit();
    ///     let exit = task.await.unwrap_err();
    ///     assert_eq!(exit.downcast_ref::<Error>().map(Error::kind), Some(ErrorKind::TimedOut));
    ///     assert!(!exit.is_timeout(), "an error of the task, not a limit of cordial");
    /// });
    /// ```
    #[must_use]
    pub fn downcast_ref<E: Error + 'static>(&self) -> Option<&E> {
        self.causes().find_map(|error| error.downcast_ref())
    }

    /// Returns the errors of the chain in which [`downcast_ref`](Exit::downcast_ref) looks, the outermost first.
    pub(crate) fn causes(&self) -> impl Iterator<Item = &(dyn Error + 'static)> {
        std::iter::successors(cause(self), |error| cause(*error)).take(MAX_ERRORS)
    }
}

/// Returns the next error of a chain: for the types whose `source` skips the error that they contain, that error, and for all others the
/// `source`.
fn cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    if let Some(Exit::Error(error)) = error.downcast_ref() {
        return Some(&**error);
    }
    if let Some(StartError::Child { exit, .. } | StartError::GaveUp(exit)) = error.downcast_ref() {
        return Some(exit);
    }
    if let Some(StartError::NotFound(error)) = error.downcast_ref() {
        return Some(error);
    }
    if let Some(BuildError::System(error) | BuildError::ThreadsRefused { error, .. }) = error.downcast_ref() {
        return Some(error);
    }
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(inner) => Some(inner),
        None => error.source(),
    }
}

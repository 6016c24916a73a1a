//! The error of the start of an executor.

use std::error::Error;
use std::fmt;
use std::io;

use crate::thread_limit::ThreadsRefused;

/// Why an executor was not started.
#[non_exhaustive]
#[derive(Debug)]
pub enum ExecutorError {
    /// The operating system refused a thread.
    Threads(ThreadsRefused),
    /// The operating system refused something else, such as a file for the I/O driver.
    System(io::Error),
}

impl From<ThreadsRefused> for ExecutorError {
    fn from(refused: ThreadsRefused) -> ExecutorError {
        ExecutorError::Threads(refused)
    }
}

impl From<io::Error> for ExecutorError {
    fn from(error: io::Error) -> ExecutorError {
        ExecutorError::System(error)
    }
}

impl fmt::Display for ExecutorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExecutorError::Threads(refused) => refused.fmt(f),
            ExecutorError::System(error) => write!(f, "the operating system refused an I/O driver: {error}"),
        }
    }
}

impl Error for ExecutorError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            ExecutorError::Threads(refused) => refused.source(),
            ExecutorError::System(error) => error.source(),
        }
    }
}

//! What a call can refuse.

use std::error::Error;
use std::fmt;
use std::io;

/// Why a runtime was not built.
#[non_exhaustive]
#[derive(Debug)]
pub enum BuildError {
    /// No workers were asked for.
    NoWorkers,
    /// The cap on threads is below the number of workers.
    CapBelowWorkers {
        /// The cap that was asked for.
        max_threads: usize,
        /// The workers that were asked for.
        workers: usize,
    },
    /// `install` came too late: the default runtime runs already.
    AlreadyInUse,
    /// The system refused a thread or an I/O driver.
    System(io::Error),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BuildError::NoWorkers => f.write_str("a runtime needs at least one worker; `workers(0)` was asked for"),
            BuildError::CapBelowWorkers { max_threads, workers } => write!(
                f,
                "max_threads({max_threads}) is below the {workers} workers; raise it to at least {workers} or ask for fewer workers"
            ),
            BuildError::AlreadyInUse => {
                f.write_str("the default runtime is in use already; call `install` before the first task is spawned")
            }
            BuildError::System(error) => write!(f, "the system refused a thread or an I/O driver: {error}"),
        }
    }
}

impl Error for BuildError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            BuildError::System(error) => error.source(),
            _ => None,
        }
    }
}

//! Options of a runtime.

use std::num::NonZeroUsize;
use std::time::Duration;

use cordial_sched::{Executor, Options};

use super::default_runtime;
use super::handle::{self, Handle};
use super::runtime::Runtime;
use crate::error::BuildError;

/// Options of a [`Runtime`]. Made by [`Runtime::builder`].
///
/// # Examples
///
/// ```
/// use cordial::Runtime;
///
/// assert!(Runtime::builder().workers(0).build().is_err());
/// assert!(Runtime::builder().workers(4).max_threads(2).build().is_err());
/// ```
#[must_use = "options do nothing before `build` or `install`"]
#[derive(Clone, Debug)]
pub struct Builder {
    workers: usize,
    stall_after: Duration,
    max_threads: usize,
    lower_stuck: bool,
}

impl Default for Builder {
    fn default() -> Builder {
        Builder {
            workers: std::thread::available_parallelism().map_or(1, NonZeroUsize::get),
            stall_after: Duration::from_millis(4),
            max_threads: 512,
            lower_stuck: true,
        }
    }
}

impl Builder {
    /// How many threads run processes, and as many run tokio's I/O beside them. Default: the number of cores. With 0
    /// the runtime is not built.
    pub fn workers(self, workers: usize) -> Builder {
        Builder { workers, ..self }
    }

    /// How long one poll may last before it is reported as long, and another thread comes to do the work that waits.
    /// Default: 4 ms.
    ///
    /// Such threads come a few in a millisecond: where hundreds of tasks block at the same moment, the others wait for some
    /// hundred milliseconds. A thread that has nothing to stand in for any more ends after 10 s, or at once if it was
    /// lowered.
    pub fn stall_after(self, stall_after: Duration) -> Builder {
        Builder { stall_after, ..self }
    }

    /// The most threads that may run processes at once; one that has run its last and is about to be gone does not
    /// count. Default: 512. Below the number of workers, the runtime is not built.
    pub fn max_threads(self, max_threads: usize) -> Builder {
        Builder { max_threads, ..self }
    }

    /// Whether threads that compute for long in one poll may be given a lower priority by the system, so that short work
    /// goes first (Linux only). Default: yes.
    ///
    /// What a task starts after a long computation in the same poll, threads and child processes, keeps that priority for
    /// good. Start it from another poll, or inside `tokio::task::spawn_blocking`.
    pub fn lower_stuck(self, lower_stuck: bool) -> Builder {
        Builder { lower_stuck, ..self }
    }

    /// Starts a runtime of one's own.
    ///
    /// # Errors
    ///
    /// [`BuildError`]: no workers, a cap below them, or a system that refuses threads.
    pub fn build(self) -> Result<Runtime, BuildError> {
        let Builder { workers, stall_after, max_threads, lower_stuck } = self;
        if workers == 0 {
            return Err(BuildError::NoWorkers);
        }
        if max_threads < workers {
            return Err(BuildError::CapBelowWorkers { max_threads, workers });
        }
        let layer = handle::hooks(workers);
        let options = Options { workers, stall_after, max_threads, deprioritize_long_polls: lower_stuck };
        let executor = Executor::start(options, layer).map_err(BuildError::System)?;
        Ok(Runtime::new(Handle::new(executor)))
    }

    /// Makes this the default runtime of the program.
    ///
    /// # Errors
    ///
    /// As [`build`](Builder::build), and [`BuildError::AlreadyInUse`] if a task was spawned before.
    pub fn install(self) -> Result<(), BuildError> {
        default_runtime::install(self)
    }
}

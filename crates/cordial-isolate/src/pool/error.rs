//! Why a pool does not start, or takes no calls.

use std::fmt;
use std::sync::Arc;

/// Why a [`Pool`](crate::Pool) does not start, or takes no calls.
///
/// The text says what happened, and mostly what to do. A call of a pool that takes none ends with an [`Exit::Error`](cordial::Exit::Error) that
/// holds this error.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PoolError {
    /// The program has called neither [`main`](crate::main), [`init`](crate::init) nor [`test_main`](crate::test_main). A worker process
    /// of such a program would run its `main` again.
    NotInitialized,
    /// An option is zero.
    Zero {
        /// The name of the option.
        option: &'static str,
    },
    /// The operating system does not allow this process to have that many workers.
    TooManyWorkers {
        /// How many were asked for.
        workers: usize,
        /// How many are possible.
        possible: usize,
        /// The limit that allows no more.
        limit: &'static str,
    },
    /// The operating system has not started a worker process.
    NotStarted {
        /// The program.
        program: Arc<str>,
        /// The reason.
        reason: Arc<str>,
    },
    /// A worker process has ended, or was killed, before its first call.
    NotReady {
        /// The program.
        program: Arc<str>,
        /// How it has ended, with the last lines that it wrote to standard error.
        reason: Arc<str>,
    },
    /// Many attempts in a row to start a worker have failed, and no worker that takes calls is left.
    GaveUp {
        /// How many attempts have failed in a row.
        attempts: u32,
        /// The reason of the last one.
        reason: Arc<str>,
    },
    /// This operating system has no worker processes, or lacks an option.
    Unsupported {
        /// The feature that it lacks.
        what: &'static str,
        /// The operating system.
        system: &'static str,
    },
    /// The pool was stopped.
    Stopped,
    /// The thread of the pool, or the socket that wakes it, cannot be made.
    NoThread {
        /// The reason.
        reason: Arc<str>,
    },
}

impl fmt::Display for PoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PoolError::NotInitialized => f.write_str(
                "no worker can be started: a worker is this program, started again, and it would run its `main` again; begin `main` with `cordial_isolate::main(functions(), ..)` or `cordial_isolate::init(functions())`, a test with `cordial_isolate::test_main(functions())`, or name a worker binary with `Pool::builder().program(path)`",
            ),
            PoolError::Zero { option } => {
                write!(f, "`{option}` is zero, so no call could ever run; use a larger value, or leave the option out")
            }
            PoolError::TooManyWorkers { workers, possible, limit } => write!(
                f,
                "{workers} workers are more than this process may have: {limit} leaves room for {possible}; raise that limit, or start fewer workers"
            ),
            PoolError::NotStarted { program, reason } => {
                write!(f, "the operating system does not start a worker process of {program}: {reason}")
            }
            PoolError::NotReady { program, reason } => write!(
                f,
                "a worker process of {program} does not take calls: {reason}; its `main` has to begin with `cordial_isolate::main` or `cordial_isolate::init`, and its limits have to let it start"
            ),
            PoolError::GaveUp { attempts, reason } => write!(
                f,
                "the pool has given up: {attempts} attempts in a row to start a worker have failed, the last one because {reason}; as a child of a supervisor it would be restarted"
            ),
            PoolError::Unsupported { what, system } => write!(
                f,
                "`cordial-isolate` has no `{what}` on {system}: Linux has all of it, macOS has no `memory`, and other systems have no pool; leave it out there, or run the function as a task"
            ),
            PoolError::Stopped => f.write_str("the pool was stopped, and takes no calls; start another one"),
            PoolError::NoThread { reason } => write!(f, "the thread of the pool cannot be started: {reason}"),
        }
    }
}

impl std::error::Error for PoolError {}

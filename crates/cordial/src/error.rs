//! What a call can refuse.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;

use crate::exit::{Exit, Refusal};
use crate::pid::Pid;

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

/// Why a supervisor did not start, or did not start a child.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq)]
pub enum StartError {
    /// The supervisor is full, stopping or gone, or the runtime was shut down.
    Refused(Refusal),
    /// Two children of one supervisor have this id.
    DuplicateId(Arc<str>),
    /// The child runs already.
    AlreadyStarted {
        /// Its id.
        id: Arc<str>,
        /// Its process.
        pid: Pid,
    },
    /// There is such a child, and it does not run: use `restart_child`, or `delete_child` first.
    AlreadyPresent(Arc<str>),
    /// The child is about to be started again.
    Restarting(Arc<str>),
    /// The last process of the child was told to end and is stuck in a poll. It can be started again once that has ended.
    StillThere {
        /// Its id.
        id: Arc<str>,
        /// The process.
        pid: Pid,
    },
    /// There is no such child.
    NotFound(Arc<str>),
    /// The child is significant and permanent: it would never end its supervisor.
    SignificantPermanent(Arc<str>),
    /// The child is significant, and the automatic shutdown of its supervisor is off.
    SignificantNever(Arc<str>),
    /// The window of the restart intensity is zero.
    ZeroWindow,
    /// The task supervisor is the child of another supervisor already, or lives in another runtime.
    AlreadySupervised(Arc<str>),
    /// A supervisor cannot be the child of a task supervisor.
    NotATask(Arc<str>),
    /// The child failed to start.
    Child {
        /// Its id.
        id: Arc<str>,
        /// How it ended instead.
        exit: Exit,
    },
}

impl From<Refusal> for StartError {
    fn from(refusal: Refusal) -> StartError {
        StartError::Refused(refusal)
    }
}

/// So that `?` on the start of a supervisor works where an exit is returned.
impl From<StartError> for Exit {
    fn from(error: StartError) -> Exit {
        Exit::Error(Arc::new(error))
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Refused(refusal) => refusal.fmt(f),
            StartError::DuplicateId(id) => {
                write!(f, "two children have the id {id:?}; an id names one child of a supervisor")
            }
            StartError::AlreadyStarted { id, pid } => write!(f, "the child {id:?} runs already, as process {pid}"),
            StartError::AlreadyPresent(id) => write!(
                f,
                "there is a child {id:?} that does not run; start it with `restart_child`, or remove it with `delete_child` first"
            ),
            StartError::Restarting(id) => write!(f, "the child {id:?} is about to be started again"),
            StartError::StillThere { id, pid } => write!(
                f,
                "process {pid} of the child {id:?} was told to end and is stuck in a poll; wait for its end, for example with `process::monitor`"
            ),
            StartError::NotFound(id) => write!(f, "there is no child {id:?}"),
            StartError::SignificantPermanent(id) => write!(
                f,
                "the child {id:?} is significant and permanent, so its end would never be one; make it transient or temporary"
            ),
            StartError::SignificantNever(id) => write!(
                f,
                "the child {id:?} is significant, but its supervisor never shuts down by itself; set `auto_shutdown`"
            ),
            StartError::ZeroWindow => {
                f.write_str("`max_restarts` with a window of zero counts nothing; use a longer one, such as 5 s")
            }
            StartError::AlreadySupervised(id) => write!(
                f,
                "the task supervisor {id:?} is a child already, or lives in another runtime; a supervisor has one parent"
            ),
            StartError::NotATask(id) => {
                write!(f, "the child {id:?} is a supervisor; a task supervisor has tasks, use a `Supervisor`")
            }
            StartError::Child { id, exit } => write!(f, "the child {id:?} failed to start: {exit}"),
        }
    }
}

impl Error for StartError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            StartError::Child { exit, .. } => Some(exit),
            _ => None,
        }
    }
}

/// There is no such child: it has ended, or never was one of this supervisor.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotFound;

impl fmt::Display for NotFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there is no such child: it has ended, or never was one of this supervisor")
    }
}

impl Error for NotFound {}

/// Why a child was not deleted.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeleteError {
    /// There is no such child.
    NotFound,
    /// It runs: terminate it first.
    Running,
    /// It is about to be started again: terminate it first.
    Restarting,
}

impl fmt::Display for DeleteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DeleteError::NotFound => "there is no such child",
            DeleteError::Running => "the child runs; call `terminate_child` first",
            DeleteError::Restarting => "the child is about to be started again; call `terminate_child` first",
        })
    }
}

impl Error for DeleteError {}

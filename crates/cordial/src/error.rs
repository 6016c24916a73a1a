//! Errors of calls: a runtime that was not built, a child that was not started, found or deleted.
//!
//! The text of an error includes the text of its cause. Therefore `source` returns the source of that cause, and not the cause
//! itself: a chain of sources, such as `{:#}` of `anyhow`, prints every text once. `{:#}` of an error of this module prints
//! its sources as well.

mod downcast;

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use cordial_sched::{ExecutorError, ThreadLimit, ThreadsRefused};

use crate::exit::{Chain, Exit, Refusal};
use crate::pid::Pid;

/// Why a runtime was not built.
#[non_exhaustive]
#[derive(Debug)]
pub enum BuildError {
    /// `workers(0)` was set.
    NoWorkers,
    /// The maximum number of threads is below the number of workers.
    CapBelowWorkers {
        /// The maximum number of threads that was set.
        max_threads: usize,
        /// The number of workers that was set, or its default.
        workers: usize,
    },
    /// The default runtime has started already.
    AlreadyInUse,
    /// The operating system refused a thread of the runtime. The threads that it had started have ended, so another call may
    /// succeed later.
    ThreadsRefused {
        /// The number of threads that the runtime needs: two for each worker, and two more. 1 if the calling thread is ending: such a
        /// thread cannot start a runtime itself, and the system has refused the thread that was to start the runtime in its place.
        needed: usize,
        /// The number of threads that the system started.
        granted: usize,
        /// The limit that was reached, if the system shows it.
        limit: Option<ThreadLimit>,
        /// The error of the system.
        error: io::Error,
    },
    /// The program has forked since the default runtime was started, or while it was starting.
    Forked,
    /// The operating system refused something else, such as a file for the I/O driver.
    System(io::Error),
}

impl From<ExecutorError> for BuildError {
    fn from(error: ExecutorError) -> BuildError {
        match error {
            ExecutorError::Threads(ThreadsRefused { needed, granted, limit, error }) => {
                BuildError::ThreadsRefused { needed, granted, limit, error }
            }
            ExecutorError::System(error) => BuildError::System(error),
            _ => BuildError::System(io::Error::other(error)),
        }
    }
}

/// Lets `?` convert the error in a function that returns an `Exit`.
impl From<BuildError> for Exit {
    fn from(error: BuildError) -> Exit {
        match error {
            BuildError::Forked => Exit::Refused(Refusal::Forked),
            error => Exit::Error(Arc::new(error)),
        }
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BuildError::NoWorkers => f.write_str("`workers(0)` was set, but a runtime needs at least one worker"),
            BuildError::CapBelowWorkers { max_threads, workers } => write!(
                f,
                "max_threads({max_threads}) is below the {workers} workers; raise it to at least {workers} or ask for fewer workers"
            ),
            BuildError::AlreadyInUse => {
                f.write_str("the default runtime has started already; call `install` before the first task is spawned")
            }
            BuildError::ThreadsRefused { needed, granted, limit, error } => {
                write!(f, "the operating system started {granted} of the {needed} threads of the runtime: ")?;
                write_error(f, error)?;
                match limit {
                    Some(limit) => write!(f, "; {limit}: raise that limit, or ask for fewer workers"),
                    None => f.write_str("; ask for fewer workers"),
                }
            }
            BuildError::Forked => Refusal::Forked.fmt(f),
            BuildError::System(error) => {
                f.write_str("the operating system refused an I/O driver for the runtime: ")?;
                write_error(f, error)
            }
        }
    }
}

impl Error for BuildError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            BuildError::ThreadsRefused { error, .. } | BuildError::System(error) => error.source(),
            _ => None,
        }
    }
}

/// Why a supervisor did not start, or did not start a child.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq)]
pub enum StartError {
    /// The supervisor is full, is stopping or has ended, or the runtime refused the process. The [`Refusal`] says which.
    Refused(Refusal),
    /// The supervisor has two children with this id.
    DuplicateId(Arc<str>),
    /// The child is running already.
    AlreadyStarted {
        /// Its id.
        id: Arc<str>,
        /// Its process.
        pid: Pid,
    },
    /// The child exists, but is not running: call `restart_child`, or call `delete_child` first.
    AlreadyPresent(Arc<str>),
    /// A restart of the child is scheduled, or under way.
    Restarting(Arc<str>),
    /// The last process of the child, or a process that it owned, was abandoned and is still stuck in a poll. The child can be
    /// started after that process has ended.
    StillThere {
        /// Its id.
        id: Arc<str>,
        /// The abandoned process.
        pid: Pid,
    },
    /// The supervisor has no child with this id.
    NotFound(NotFound),
    /// The child is significant and permanent. A permanent child is always restarted, so its end never stops the supervisor.
    SignificantPermanent(Arc<str>),
    /// The child is significant, but its supervisor has no `auto_shutdown`.
    SignificantNever(Arc<str>),
    /// The task supervisor or server is a child of another supervisor already, or belongs to another runtime.
    AlreadySupervised(Arc<str>),
    /// The child is a supervisor, but the children of a task supervisor are tasks.
    NotATask(Arc<str>),
    /// The call came from the `init` of a child for which the supervisor waits, or from the `init` of a descendant of that child. The
    /// supervisor cannot start another child before its wait is over.
    FromInit(Arc<str>),
    /// The `init` of the child returned [`Ignore`]: the child has no process, and no restart is
    /// scheduled.
    Ignored(Arc<str>),
    /// The child had not finished starting when its [`start_timeout`](crate::ChildSpec::start_timeout) was over.
    /// Its process was ended with this error as its exit. If the process traps exits or is a supervisor, it was killed instead.
    /// If it is stuck in a poll, it is abandoned.
    TimedOut {
        /// Its id.
        id: Arc<str>,
        /// The timeout that was exceeded.
        timeout: Duration,
    },
    /// The supervisor gave up during its start: while one child was starting, another child ended, and its restart would have
    /// exceeded a limit. The exit of the supervisor names the child that ended.
    GaveUp(Exit),
    /// The child failed to start.
    Child {
        /// Its id.
        id: Arc<str>,
        /// How it ended before it had started.
        exit: Exit,
    },
}

impl From<NotFound> for StartError {
    fn from(not_found: NotFound) -> StartError {
        StartError::NotFound(not_found)
    }
}

impl From<Refusal> for StartError {
    fn from(refusal: Refusal) -> StartError {
        StartError::Refused(refusal)
    }
}

/// Lets `?` convert the error of a start in a function that returns an `Exit`.
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
                write!(f, "two children have the id {id:?}; give each child of a supervisor its own id")
            }
            StartError::AlreadyStarted { id, pid } => {
                write!(f, "the child {id:?} is running already, as process {pid}")
            }
            StartError::AlreadyPresent(id) => write!(
                f,
                "the child {id:?} exists, but is not running; start it with `restart_child`, or remove it with `delete_child` first"
            ),
            StartError::Restarting(id) => write!(f, "a restart of the child {id:?} is scheduled or under way already"),
            StartError::StillThere { id, pid } => write!(
                f,
                "process {pid} of the child {id:?} was abandoned and is still stuck in a poll; wait for its end, for example with `process::monitor`"
            ),
            StartError::NotFound(not_found) => not_found.fmt(f),
            StartError::SignificantPermanent(id) => write!(
                f,
                "the child {id:?} is significant and permanent, so it would always be restarted; make it transient or temporary"
            ),
            StartError::SignificantNever(id) => write!(
                f,
                "the child {id:?} is significant, but its supervisor has no automatic shutdown; set `auto_shutdown`"
            ),
            StartError::AlreadySupervised(id) => write!(
                f,
                "the supervisor or server {id:?} is a child already, or belongs to another runtime; start another one"
            ),
            StartError::NotATask(id) => {
                write!(
                    f,
                    "the child {id:?} is a supervisor, but the children of a task supervisor are tasks; use a `Supervisor`"
                )
            }
            StartError::FromInit(id) => write!(
                f,
                "the child {id:?} cannot be started from an `init` that its supervisor waits for; start it after the `init`, for example from the future that the `init` returns"
            ),
            StartError::TimedOut { id, timeout } => write!(
                f,
                "the child {id:?} had not finished starting after {timeout:?}; set another limit with `start_timeout`"
            ),
            StartError::Ignored(id) => write!(f, "the child {id:?} is not needed: its `init` returned `Ignore`"),
            // Only the reason is printed: the words "was shut down" would be wrong for a supervisor that has not started.
            StartError::GaveUp(Exit::Shutdown(Some(text))) => f.write_str(text),
            StartError::GaveUp(exit) => exit.fmt(f),
            StartError::Child { id, exit } => {
                write!(f, "the child {id:?} failed to start: ")?;
                exit.fmt(f)
            }
        }
    }
}

impl Error for StartError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            StartError::Child { exit, .. } | StartError::GaveUp(exit) => exit.source(),
            _ => None,
        }
    }
}

/// The supervisor has no such child: the child has ended, or never belonged to this supervisor.
/// Calls that can also fail in other ways return `NotFound` inside their error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotFound;

impl fmt::Display for NotFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the supervisor has no such child: it has ended, or never belonged to this supervisor")
    }
}

impl Error for NotFound {}

/// The error by which an [`init`](crate::ChildSpec::init) says that its child is not needed.
///
/// The process of the child exits normally, and the supervisor continues without the child, without another restart. A
/// [`Supervisor`](crate::Supervisor) keeps the specification of the child, without a process,
/// unless the child is temporary, and its `start_child` and `restart_child` return [`StartError::Ignored`]. A
/// [`TaskSupervisor`](crate::TaskSupervisor) removes the child.
///
/// # Elixir
///
/// `:ignore`, returned by `init/1`.
///
/// # Examples
///
/// ```
/// use std::error::Error;
///
/// use cordial::{ChildSpec, ChildState, Ignore, Strategy, Supervisor};
///
/// cordial::testing::run(async {
///     let cache = ChildSpec::init("cache", || async {
///         let size: usize = "0".parse()?;
///         if size == 0 {
///             return Err(Ignore.into());
///         }
///         Ok::<_, Box<dyn Error + Send + Sync>>(async move { drop(vec![0; size]) })
///     });
///     let tree = Supervisor::builder(Strategy::OneForOne).child(cache).start().await.unwrap();
///     assert_eq!(tree.which_children().await[0].state, ChildState::Stopped);
/// });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ignore;

impl fmt::Display for Ignore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the child is not needed")
    }
}

impl Error for Ignore {}

/// Why a child was not deleted.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeleteError {
    /// The supervisor has no child with this id.
    NotFound(NotFound),
    /// The child is running: call `terminate_child` first.
    Running,
    /// A restart of the child is scheduled or under way: call `terminate_child` first.
    Restarting,
}

impl fmt::Display for DeleteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeleteError::NotFound(not_found) => not_found.fmt(f),
            DeleteError::Running => f.write_str("the child is running; call `terminate_child` first"),
            DeleteError::Restarting => f.write_str("a restart of the child is scheduled; call `terminate_child` first"),
        }
    }
}

impl From<NotFound> for DeleteError {
    fn from(not_found: NotFound) -> DeleteError {
        DeleteError::NotFound(not_found)
    }
}

impl Error for DeleteError {}

/// Writes the cause of another error; with `{:#}`, its sources as well.
fn write_error(f: &mut fmt::Formatter<'_>, error: &io::Error) -> fmt::Result {
    if f.alternate() { write!(f, "{}", Chain(error)) } else { write!(f, "{error}") }
}

#[cfg(test)]
mod tests;

//! How a process ended, as a value.
//!
//! Every process ends with exactly one [`Exit`]. An await returns it if the process has no value to return, a monitor outputs it,
//! and links deliver it to other processes.

mod chain;
mod error_text;
mod into_exit;
mod location;
mod lost;
mod panic_report;
mod refusal;
mod timed_out;

use std::backtrace::Backtrace;
use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;

pub(crate) use chain::{Chain, sources};
use error_text::ErrorText;
pub(crate) use error_text::MAX_SOURCES;
pub(crate) use into_exit::IntoExit;
pub use location::Location;
pub use lost::{Lost, LostBuilder, LostCause};
pub use panic_report::{PanicReport, PanicReportBuilder};
pub use refusal::Refusal;
pub use timed_out::TimedOut;
pub(crate) use timed_out::{LimitSource, NamedLimit};

/// How a process ended. Cheap to clone.
///
/// `Display` prints an [`Exit::Error`] as the text of the error, without its [sources](Error::source). `{:#}` and `Debug` also print
/// the sources, for example `no configuration: no such file`, and for an [`Exit::Lost`] the last lines of standard error.
///
/// | exit of a process | linked process that does not trap exits | linked process that traps exits |
/// |---|---|---|
/// | `Normal` | is not affected | receives it as a value |
/// | any other | ends with the same exit | receives it as a value |
///
/// `?` converts an [`io::Error`], a [`StartError`](crate::StartError), a [`BuildError`](crate::BuildError), a [`Lost`], a boxed error or a
/// text into an `Exit`. For other errors write `.map_err(Exit::error)?` (see [`Exit::error`]), or return them from the task and call
/// [`Task::or_exit`](crate::Task::or_exit).
///
/// # Elixir
///
/// The exit reason. In Elixir it is any term; here it is an enum, and instead of `{:shutdown, term}` there is `Shutdown` with a text.
///
/// # Examples
///
/// ```
/// use cordial::{Exit, Task};
///
/// let exit = Task::spawn(async { panic!("no luck") }).wait().map(|never: ()| never).unwrap_err();
/// let Exit::Panic(report) = &exit else { panic!("expected a panic") };
/// assert_eq!(report.message(), "no luck");
/// assert!(exit.is_abnormal());
/// ```
#[non_exhaustive]
#[derive(Clone)]
pub enum Exit {
    /// The process ran to completion, or exited with this reason.
    Normal,
    /// The process was asked to shut down, or exited with this reason. Elixir's `:shutdown` and
    /// `{:shutdown, x}`. A supervisor that exceeded its restart limit also ends with `Shutdown`;
    /// the text names the child and the reason.
    Shutdown(Option<Arc<str>>),
    /// The process was killed. A process cannot trap its own kill, but it can trap the `Killed` exit of a linked process.
    Killed,
    /// A timeout of this crate elapsed: of an await, of a call to a server, of an item of a stream, or of [`within`](crate::within).
    Timeout(TimedOut),
    /// The process panicked.
    Panic(Arc<PanicReport>),
    /// The process exited with this error, or its future returned `Err` where an `Err` counts as a
    /// failure.
    Error(Arc<dyn Error + Send + Sync>),
    /// There is no such process (any more), or its result was already taken.
    NoProcess,
    /// The process was not started, or the message was not handled. Also the result of an await in a forked OS process, if the task
    /// was started before the fork.
    Refused(Refusal),
    /// The process ran elsewhere, and the OS process or the node in which it ran is gone.
    Lost(Arc<Lost>),
}

impl Exit {
    /// Converts any error to an exit. An error that is an `Exit` is returned as it is; any other error becomes an [`Exit::Error`], which
    /// keeps the error and its sources.
    ///
    /// `?` alone converts only the [types listed above](Exit). A `From` for all error types would conflict with `From<Exit> for Exit`,
    /// because `Exit` is an error type itself.
    ///
    /// # Examples
    ///
    /// ```
    /// use cordial::Exit;
    ///
    /// fn port(text: &str) -> Result<u16, Exit> {
    ///     text.parse().map_err(Exit::error)
    /// }
    ///
    /// assert_eq!(port("x").unwrap_err().to_string(), "invalid digit found in string");
    /// assert!(port("x").unwrap_err().downcast_ref::<std::num::ParseIntError>().is_some());
    /// ```
    #[must_use]
    pub fn error(error: impl Into<Box<dyn Error + Send + Sync>>) -> Exit {
        Exit::from(error.into())
    }

    /// Returns an [`Exit::Error`] with this text. Its [sources](Error::source) have the texts `sources`, the outermost first; sources
    /// after the 20th are left out.
    ///
    /// For an error that exists only as text, such as an error that another program has sent.
    ///
    /// # Examples
    ///
    /// ```
    /// use cordial::Exit;
    ///
    /// let exit = Exit::from_texts("no configuration", vec!["no such file".to_owned()]);
    /// assert_eq!(format!("{exit}"), "no configuration");
    /// assert_eq!(format!("{exit:#}"), "no configuration: no such file");
    /// ```
    #[must_use]
    pub fn from_texts(text: impl Into<String>, sources: Vec<String>) -> Exit {
        Exit::Error(Arc::new(ErrorText::new(text.into(), sources)))
    }

    /// Returns whether this is a crash: any exit but `Normal` and `Shutdown`.
    #[must_use]
    pub fn is_abnormal(&self) -> bool {
        !matches!(self, Exit::Normal | Exit::Shutdown(_))
    }

    /// Returns whether this is [`Exit::Timeout`]: a timeout of this crate elapsed. If the task itself reports a timeout as an error, the
    /// exit is an [`Exit::Error`].
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        matches!(self, Exit::Timeout(_))
    }

    /// Returns whether the process panicked.
    #[must_use]
    pub fn is_panic(&self) -> bool {
        matches!(self, Exit::Panic(_))
    }

    /// Returns whether the process ran elsewhere, and the OS process or the node in which it ran is gone.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        matches!(self, Exit::Lost(_))
    }

    /// Returns the backtrace of a panic in this program, if `RUST_BACKTRACE` or `RUST_LIB_BACKTRACE` enables it. The backtrace of a panic
    /// in another program exists only as text: see [`PanicReport::backtrace_text`].
    #[must_use]
    pub fn backtrace(&self) -> Option<&Backtrace> {
        match self {
            Exit::Panic(report) => report.backtrace(),
            _ => None,
        }
    }

    /// Returns the text of the backtrace of a panic, of this program or of another one.
    pub(crate) fn backtrace_text(&self) -> Option<String> {
        match self {
            Exit::Panic(report) => report.backtrace_text(),
            _ => None,
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exit::Normal => f.write_str("ended normally"),
            Exit::Shutdown(None) => f.write_str("was shut down"),
            Exit::Shutdown(Some(why)) => write!(f, "was shut down: {why}"),
            Exit::Killed => f.write_str("was killed"),
            Exit::Timeout(timed_out) => timed_out.fmt(f),
            Exit::Panic(report) => report.fmt(f),
            Exit::Error(error) if f.alternate() => Chain(&**error).fmt(f),
            Exit::Error(error) => write!(f, "{error}"),
            Exit::NoProcess => f.write_str("there is no such process any more, or its result was already taken"),
            Exit::Refused(refusal) => refusal.fmt(f),
            Exit::Lost(lost) => lost.fmt(f),
        }
    }
}

/// Prints the same as `{:#}`: if `main` returns an `Err`, Rust prints the error with `Debug`.
impl fmt::Debug for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:#}")
    }
}

/// Prints an exit as the predicate of a sentence about its process, such as "was killed" or "failed: no luck".
pub(crate) struct Predicate<'a>(pub(crate) &'a Exit);

impl fmt::Display for Predicate<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Exit::Error(_) | Exit::NoProcess | Exit::Refused(_) | Exit::Lost(_) => write!(f, "failed: {:#}", self.0),
            exit => write!(f, "{exit:#}"),
        }
    }
}

impl Error for Exit {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Exit::Error(error) => error.source(),
            _ => None,
        }
    }
}

/// For tests. Two panics are equal if their messages and locations are, and two errors if their texts are.
impl PartialEq for Exit {
    fn eq(&self, other: &Exit) -> bool {
        match (self, other) {
            (Exit::Normal, Exit::Normal) | (Exit::Killed, Exit::Killed) | (Exit::NoProcess, Exit::NoProcess) => true,
            (Exit::Shutdown(a), Exit::Shutdown(b)) => a == b,
            (Exit::Timeout(a), Exit::Timeout(b)) => a == b,
            (Exit::Panic(a), Exit::Panic(b)) => a.message() == b.message() && a.location() == b.location(),
            (Exit::Error(a), Exit::Error(b)) => a.to_string() == b.to_string(),
            (Exit::Refused(a), Exit::Refused(b)) => a == b,
            (Exit::Lost(a), Exit::Lost(b)) => a == b,
            _ => false,
        }
    }
}

/// A boxed `Exit` is returned as it is; any other error becomes `Exit::Error`.
impl From<Box<dyn Error + Send + Sync>> for Exit {
    fn from(error: Box<dyn Error + Send + Sync>) -> Exit {
        match error.downcast::<Exit>() {
            Ok(exit) => *exit,
            Err(error) => Exit::Error(error.into()),
        }
    }
}

/// An `Exit::Error` with this text.
impl From<&str> for Exit {
    fn from(text: &str) -> Exit {
        Exit::from(Box::<dyn Error + Send + Sync>::from(text))
    }
}

/// An `Exit::Error` with this text.
impl From<String> for Exit {
    fn from(text: String) -> Exit {
        Exit::from(Box::<dyn Error + Send + Sync>::from(text))
    }
}

impl From<io::Error> for Exit {
    fn from(error: io::Error) -> Exit {
        Exit::Error(Arc::new(error))
    }
}

#[cfg(test)]
mod tests;

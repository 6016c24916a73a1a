//! How a process ended, as a value.
//!
//! Every process ends with exactly one [`Exit`]. It is what an await answers instead of a value, what a monitor
//! resolves to, and what travels along links.

mod location;
mod panic_report;
mod refusal;
mod timed_out;

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;

pub use location::Location;
pub use panic_report::PanicReport;
pub use refusal::Refusal;
pub use timed_out::TimedOut;

/// How a process ended. Cheap to clone; `Display` and `Debug` are one line that a person can act on.
///
/// | exit of one side of a link | other side, not trapping | other side, trapping |
/// |---|---|---|
/// | `Normal` | unaffected | told |
/// | anything else | ends with the same exit | told |
///
/// `?` makes an `Exit` of an [`io::Error`] and of a boxed error; for other errors write
/// `.map_err(Box::<dyn Error + Send + Sync>::from)?`, or let the task return them and use [`Task::or_exit`](crate::Task::or_exit).
///
/// # Elixir
///
/// The exit reason. Reasons that are any term there are an enum here; `{:shutdown, term}` carries a text.
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
    /// It ran to its end, or asked to exit so.
    Normal,
    /// An orderly end: its owner or supervisor asked for it. Elixir's `:shutdown` and `{:shutdown, x}`. A supervisor that gave
    /// up ends so as well, and the text says on which child, and why.
    Shutdown(Option<Arc<str>>),
    /// It was killed. The signal cannot be trapped; over a link it is an exit like any other.
    Killed,
    /// It took longer than a limit allows.
    Timeout(TimedOut),
    /// It panicked.
    Panic(Arc<PanicReport>),
    /// It asked to exit with this error, or its future returned `Err` where that counts.
    Error(Arc<dyn Error + Send + Sync>),
    /// There is no such process any more, or its result was already taken.
    NoProcess,
    /// It was never started.
    Refused(Refusal),
}

impl Exit {
    /// Whether this is a crash: anything but `Normal` and `Shutdown`.
    #[must_use]
    pub fn is_abnormal(&self) -> bool {
        !matches!(self, Exit::Normal | Exit::Shutdown(_))
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
            Exit::Error(error) => error.fmt(f),
            Exit::NoProcess => f.write_str("there is no such process any more, or its result was already taken"),
            Exit::Refused(refusal) => refusal.fmt(f),
        }
    }
}

impl fmt::Debug for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
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

/// For tests: panics are equal by message and place, errors by their text, timeouts by limit and task.
impl PartialEq for Exit {
    fn eq(&self, other: &Exit) -> bool {
        match (self, other) {
            (Exit::Normal, Exit::Normal) | (Exit::Killed, Exit::Killed) | (Exit::NoProcess, Exit::NoProcess) => true,
            (Exit::Shutdown(a), Exit::Shutdown(b)) => a == b,
            (Exit::Timeout(a), Exit::Timeout(b)) => a == b,
            (Exit::Panic(a), Exit::Panic(b)) => a.message() == b.message() && a.location() == b.location(),
            (Exit::Error(a), Exit::Error(b)) => a.to_string() == b.to_string(),
            (Exit::Refused(a), Exit::Refused(b)) => a == b,
            _ => false,
        }
    }
}

/// An `Exit` in the box stays what it is; anything else becomes `Exit::Error`.
impl From<Box<dyn Error + Send + Sync>> for Exit {
    fn from(error: Box<dyn Error + Send + Sync>) -> Exit {
        match error.downcast::<Exit>() {
            Ok(exit) => *exit,
            Err(error) => Exit::Error(error.into()),
        }
    }
}

impl From<io::Error> for Exit {
    fn from(error: io::Error) -> Exit {
        Exit::Error(Arc::new(error))
    }
}

#[cfg(test)]
mod tests;

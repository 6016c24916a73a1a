//! The report of a process that ran elsewhere: in another OS process of this machine, or on another machine.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::{Exit, Location};

/// The OS process or the node in which a process ran is gone. There is no result, and the work may have been done in part.
///
/// `Display` prints all that is known except the last lines of standard error, which `{:#}` adds.
///
/// The crates `cordial-isolate` and `cordial-nats`, which run functions elsewhere, make this report. Other code can make one
/// with [`Lost::builder`].
///
/// # Elixir
///
/// The exit reason `:noconnection`, if the node of a process is gone, and the message `{:exit_status, status}` of a port.
///
/// # Examples
///
/// ```
/// use cordial::{Exit, Lost, LostCause};
/// use std::time::Duration;
///
/// let lost = Lost::builder(LostCause::signal(11)).function("pictures.resize").ran_for(Duration::from_millis(30)).build();
/// assert_eq!(lost.to_string(), "killed by SIGSEGV (function \"pictures.resize\", ran for 30ms)");
/// let exit = Exit::from(lost);
/// assert!(exit.is_abnormal());
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Lost {
    cause: LostCause,
    function: Option<Arc<str>>,
    spawned_at: Option<Location>,
    place: Option<Arc<str>>,
    attempt: u32,
    ran_for: Duration,
    stderr: Vec<String>,
}

/// Why a process that ran elsewhere is gone.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LostCause {
    /// The OS process was killed by a signal.
    Signal {
        /// The number of the signal.
        number: i32,
        /// The name of the signal, such as `SIGSEGV`, or `signal 200` for a signal without a known name.
        name: Arc<str>,
    },
    /// The OS process exited with this code.
    ExitCode(i32),
    /// The OS process was killed by SIGKILL while the operating system killed processes because the machine, or their control group, had no
    /// memory left. The operating system does not say which processes it kills, so another process may have sent the signal.
    OutOfMemory,
    /// The OS process was refused memory beyond its limit.
    MemoryLimit {
        /// The limit, in bytes.
        limit: u64,
    },
    /// The call used more processor time than its limit.
    CpuLimit {
        /// The limit.
        limit: Duration,
    },
    /// The node is gone, or has not answered for as long as its lease lasts.
    NodeDown {
        /// The name of the node.
        node: Arc<str>,
    },
    /// The connection on which the result was expected is lost.
    ConnectionLost {
        /// What happened to the connection.
        reason: Arc<str>,
    },
}

/// Whether the system numbers signals as BSD does, and not as Linux does.
const HAS_BSD_SIGNALS: bool = cfg!(any(
    target_vendor = "apple",
    target_os = "dragonfly",
    target_os = "freebsd",
    target_os = "netbsd",
    target_os = "openbsd"
));

impl LostCause {
    /// Returns [`LostCause::Signal`] with the name that the signal has on this system. A real-time signal, or another signal whose name
    /// this function does not know, gets the name `signal` and its number.
    #[must_use]
    pub fn signal(number: i32) -> LostCause {
        let name = match number {
            7 if HAS_BSD_SIGNALS => "SIGEMT",
            10 if HAS_BSD_SIGNALS => "SIGBUS",
            12 if HAS_BSD_SIGNALS => "SIGSYS",
            30 if HAS_BSD_SIGNALS => "SIGUSR1",
            31 if HAS_BSD_SIGNALS => "SIGUSR2",
            1 => "SIGHUP",
            2 => "SIGINT",
            3 => "SIGQUIT",
            4 => "SIGILL",
            5 => "SIGTRAP",
            6 => "SIGABRT",
            7 => "SIGBUS",
            8 => "SIGFPE",
            9 => "SIGKILL",
            10 => "SIGUSR1",
            11 => "SIGSEGV",
            12 => "SIGUSR2",
            13 => "SIGPIPE",
            14 => "SIGALRM",
            15 => "SIGTERM",
            24 => "SIGXCPU",
            25 => "SIGXFSZ",
            31 => "SIGSYS",
            _ => return LostCause::Signal { number, name: format!("signal {number}").into() },
        };
        LostCause::Signal { number, name: name.into() }
    }
}

impl fmt::Display for LostCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LostCause::Signal { name, .. } => write!(f, "killed by {name}"),
            LostCause::ExitCode(code) => write!(f, "its OS process exited with code {code}"),
            LostCause::OutOfMemory => f.write_str(
                "killed by SIGKILL, most likely by the operating system, which had no memory left and killed processes; run less at once, or set a limit",
            ),
            LostCause::MemoryLimit { limit } => write!(f, "needed more memory than its limit of {limit} bytes"),
            LostCause::CpuLimit { limit } => write!(f, "used more processor time than its limit of {limit:?}"),
            LostCause::NodeDown { node } => write!(f, "its node {node:?} is down"),
            LostCause::ConnectionLost { reason } => write!(f, "its connection is lost: {reason}"),
        }
    }
}

impl Lost {
    /// Returns a builder of the report.
    pub fn builder(cause: LostCause) -> LostBuilder {
        LostBuilder {
            lost: Lost {
                cause,
                function: None,
                spawned_at: None,
                place: None,
                attempt: 1,
                ran_for: Duration::ZERO,
                stderr: Vec::new(),
            },
        }
    }

    /// Returns what happened.
    #[must_use]
    pub fn cause(&self) -> &LostCause {
        &self.cause
    }

    /// Returns the name of the function that ran.
    #[must_use]
    pub fn function(&self) -> Option<&str> {
        self.function.as_deref()
    }

    /// Returns where the call was spawned.
    #[must_use]
    pub fn spawned_at(&self) -> Option<&Location> {
        self.spawned_at.as_ref()
    }

    /// Returns where the function ran, such as `OS process 4711`.
    #[must_use]
    pub fn place(&self) -> Option<&str> {
        self.place.as_deref()
    }

    /// Returns which attempt this was, counted from 1.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Returns how long the function had run.
    #[must_use]
    pub fn ran_for(&self) -> Duration {
        self.ran_for
    }

    /// Returns the last lines that the call wrote to standard error, the oldest first. Bytes that are not UTF-8 are replaced.
    #[must_use]
    pub fn stderr(&self) -> &[String] {
        &self.stderr
    }
}

impl Exit {
    /// Sets the attempt of the report to the attempt of the stream item, if the report has attempt 1. A greater number stays: it comes from
    /// code that retried the work elsewhere.
    pub(crate) fn in_attempt(self, n_attempts: usize) -> Exit {
        match self {
            Exit::Lost(lost) if lost.attempt == 1 && n_attempts > 1 => {
                let attempt = u32::try_from(n_attempts).unwrap_or(u32::MAX);
                Exit::Lost(Arc::new(Lost { attempt, ..Lost::clone(&lost) }))
            }
            exit => exit,
        }
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (", self.cause)?;
        if let Some(function) = &self.function {
            write!(f, "function {function:?}, ")?;
        }
        if let Some(spawned_at) = &self.spawned_at {
            write!(f, "spawned at {spawned_at}, ")?;
        }
        if let Some(place) = &self.place {
            write!(f, "in {place}, ")?;
        }
        if self.attempt > 1 {
            write!(f, "attempt {}, ", self.attempt)?;
        }
        write!(f, "ran for {:?})", self.ran_for)?;
        if f.alternate() && !self.stderr.is_empty() {
            write!(f, "; standard error ended with:\n{}", self.stderr.join("\n"))?;
        }
        Ok(())
    }
}

/// Prints the same as `{:#}`.
impl fmt::Debug for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:#}")
    }
}

impl std::error::Error for Lost {}

impl From<Lost> for Exit {
    fn from(lost: Lost) -> Exit {
        Exit::Lost(Arc::new(lost))
    }
}

/// Makes a [`Lost`]. Created by [`Lost::builder`].
#[must_use = "a builder makes nothing before `build`"]
#[derive(Clone, Debug)]
pub struct LostBuilder {
    lost: Lost,
}

impl LostBuilder {
    /// Sets the name of the function that ran. Default: unknown.
    pub fn function(self, name: impl Into<Arc<str>>) -> LostBuilder {
        LostBuilder { lost: Lost { function: Some(name.into()), ..self.lost } }
    }

    /// Sets where the call was spawned. Default: unknown.
    pub fn spawned_at(self, location: impl Into<Location>) -> LostBuilder {
        LostBuilder { lost: Lost { spawned_at: Some(location.into()), ..self.lost } }
    }

    /// Sets where the function ran, such as `OS process 4711`. Default: unknown.
    pub fn place(self, place: impl Into<Arc<str>>) -> LostBuilder {
        LostBuilder { lost: Lost { place: Some(place.into()), ..self.lost } }
    }

    /// Sets which attempt it was, counted from 1. Default: 1.
    pub fn attempt(self, attempt: u32) -> LostBuilder {
        LostBuilder { lost: Lost { attempt, ..self.lost } }
    }

    /// Sets how long the function had run. Default: zero.
    pub fn ran_for(self, ran_for: Duration) -> LostBuilder {
        LostBuilder { lost: Lost { ran_for, ..self.lost } }
    }

    /// Sets the last lines that the call wrote to standard error, the oldest first. Default: none.
    pub fn stderr(self, lines: Vec<String>) -> LostBuilder {
        LostBuilder { lost: Lost { stderr: lines, ..self.lost } }
    }

    /// Returns the report.
    #[must_use]
    pub fn build(self) -> Lost {
        self.lost
    }
}

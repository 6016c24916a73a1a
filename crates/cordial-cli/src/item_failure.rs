//! Why an item failed, as the end of the sentence "item 3 failed: …".

use std::env;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use crate::system::{self, EndedBy};

/// The ways for an item to fail. `Display` is one line that a person can act on.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The line is longer than an argument can be.
    TooLong {
        length: u64,
    },
    /// The line would fit, but not with the text around the placeholder.
    TooLongInside {
        length: u64,
    },
    /// The line has a byte that ends arguments; counted from 1.
    Nul {
        position: usize,
    },
    /// The system wants text as arguments and the line is none.
    #[cfg_attr(unix, expect(dead_code, reason = "on Unix an argument is any bytes"))]
    NotText,
    /// No process came of it.
    NotStarted {
        error: io::Error,
        advice: Option<String>,
    },
    /// The process ended, but not with success.
    Ended(ExitStatus),
    TimedOut(Duration),
    /// Its output could not be read or kept, so that what was still running was killed.
    Uncaptured(io::Error),
    /// The system did not tell when the process ends, so that it was killed.
    Unwatched(io::Error),
    /// The output of the command was kept, but cannot be read back.
    Unreadable(io::Error),
    /// What it wrote could not be written to a file of its own.
    NotKept {
        path: PathBuf,
        error: io::Error,
    },
    /// It was asked to stop, because the whole run was.
    Stopped,
    /// It was killed, because somebody did not want to wait for its end.
    Killed,
    /// It never ran, because the run was stopped before.
    NotRun,
    /// The task of the item ended without a result.
    Lost(String),
}

impl Failure {
    /// Whether the item is not to blame: the run was stopped.
    pub(crate) fn is_unfinished(&self) -> bool {
        matches!(self, Failure::Stopped | Failure::Killed | Failure::NotRun)
    }

    /// The exit status that a shell would see.
    pub(crate) fn status(&self) -> u8 {
        match self {
            Failure::Ended(status) => match system::ended_by(*status) {
                EndedBy::Code(code) => u8::try_from(code).unwrap_or(1),
                EndedBy::Signal(signal) => 128 + signal as u8,
            },
            // As `timeout` does.
            Failure::TimedOut(_) => 124,
            Failure::NotStarted { error, .. } if error.kind() == io::ErrorKind::NotFound => 127,
            Failure::NotStarted { .. } => 126,
            _ => 1,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let longest = system::LONGEST_ARGUMENT;
        match self {
            Failure::TooLong { length } => {
                write!(f, "it is {length} bytes long, and the system takes at most {longest} bytes as one argument")
            }
            Failure::TooLongInside { length } => {
                write!(
                    f,
                    "with the text around it, it makes an argument of {length} bytes, and the system takes at most {longest}"
                )
            }
            Failure::Nul { position } => {
                write!(f, "it has a NUL byte, as byte {position}, and no argument of a command can hold one")
            }
            Failure::NotText => write!(f, "it is not valid UTF-8, and this system takes only text as arguments"),
            Failure::NotStarted { error, advice: None } => write!(f, "cannot be started: {}", plain(error)),
            Failure::NotStarted { error, advice: Some(advice) } => {
                write!(f, "cannot be started: {}; {advice}", plain(error))
            }
            Failure::Ended(status) => f.write_str(&system::ending(*status)),
            Failure::TimedOut(limit) => {
                write!(f, "took longer than {} (--timeout) and was ended", humantime::format_duration(*limit))
            }
            Failure::Uncaptured(error) => {
                let advice = system::advice_on_keeping(error);
                write!(
                    f,
                    "its output cannot be kept in a file in {}: {}; {advice}",
                    env::temp_dir().display(),
                    plain(error)
                )
            }
            Failure::Unwatched(error) => {
                write!(f, "{}, because it cannot be waited for: {}", system::KILLED, plain(error))
            }
            Failure::Unreadable(error) => {
                write!(f, "its output cannot be read back from a temporary file: {}", plain(error))
            }
            Failure::NotKept { path, error } => write!(f, "{} cannot be written: {}", path.display(), plain(error)),
            Failure::Stopped => write!(f, "was ended before it was done"),
            Failure::Killed => write!(f, "was killed before it was done"),
            Failure::NotRun => write!(f, "was not started"),
            Failure::Lost(why) => f.write_str(why),
        }
    }
}

/// The text of an error without the number that the standard library puts behind it.
pub(crate) fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error ") {
        Some((plain, _)) => plain.to_owned(),
        None => text,
    }
}

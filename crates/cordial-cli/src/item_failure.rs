//! Why an item failed.

use std::env;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use crate::system::{self, TerminalStop, Termination};
use crate::text::io_error;

/// Why an item failed. `Display` is the end of the sentence that `Outcome::failure_message` returns.
#[derive(Debug)]
pub(crate) enum ItemFailure {
    /// The item is longer than an argument can be.
    ItemTooLong { length: u64 },
    /// An argument of the command, or a variable that holds a part of the item, is too long.
    ArgumentTooLong { length: u64 },
    /// The item contains a NUL byte at this position, counted from 1.
    NulByte { position: usize },
    /// The item is not UTF-8, and the system accepts only text as arguments.
    NotUnicode,
    /// The shell would calculate with the item, which is not a number.
    NotANumber,
    /// The line of the shell uses the item as the name of a variable. The item is not a name, or the shell could evaluate the value of
    /// that variable.
    NotAName,
    /// The shell may calculate with a text that contains the item. The index of an array in it could run a command.
    IsIndex,
    /// The shell would do the substitutions in the item.
    IsExpanded,
    /// The item is a script that needs bash, and sh would run it. The text is the rest of the message.
    OnlyInBash(String),
    /// The item has no value for any placeholder of the command, so the command has no words.
    NoProgram,
    /// The process could not be started, or was killed at once because its exit cannot be watched.
    NotStarted { error: io::Error, advice: Option<String> },
    /// The process ended, but without success.
    Unsuccessful(ExitStatus),
    /// A file that the command needs on another machine does not exist here.
    FileNotSent(PathBuf),
    /// The connection to the machine on which the command ran has failed.
    ConnectionFailed { host: String, reason: String, is_reachable: bool },
    /// All machines have failed.
    NoHost,
    /// The terminal has stopped the command, because commands may not use it. The command was then killed.
    StoppedByTerminal(TerminalStop),
    /// The command was stopped because it ran longer than `--timeout`.
    TimedOut(Duration),
    /// The output of the command could not be read or stored. If the command still ran, it was stopped.
    CaptureFailed(io::Error),
    /// The standard input of the command could not be written.
    InputFailed(io::Error),
    /// The exit of the command could not be watched, or its status not be read. If the command still ran, it was killed.
    WaitFailed(io::Error),
    /// The output of the command was stored, but cannot be read back.
    ReadBackFailed(io::Error),
    /// A file of `--results` could not be written.
    SaveFailed { path: PathBuf, error: io::Error },
    /// The command was stopped because the run was stopped.
    Stopped,
    /// The command was killed because the run had to end at once.
    Killed,
    /// The command was not started because the run was stopped before.
    NotRun,
    /// The outcome of the command is not known, or a fleet could not run the command or carry its files. The text is the reason.
    NoResult(String),
}

impl ItemFailure {
    /// Returns whether the run ended before the item: it was stopped, or no host is left. A resumed run runs the item again.
    pub(crate) fn is_unfinished(&self) -> bool {
        matches!(self, ItemFailure::Stopped | ItemFailure::Killed | ItemFailure::NotRun | ItemFailure::NoHost)
    }

    /// Returns the status that a shell, or `timeout`, would report for the command; 1 for a failure for which neither has a status.
    pub(crate) fn status(&self) -> u8 {
        match self {
            ItemFailure::Unsuccessful(status) => match system::termination(*status) {
                Termination::Exited(code) => u8::try_from(code).unwrap_or(1),
                Termination::Signaled(signal) => 128 + signal as u8,
            },
            // The status of the program `timeout`.
            ItemFailure::TimedOut(_) => 124,
            ItemFailure::NotStarted { error, .. } if error.kind() == io::ErrorKind::NotFound => 127,
            ItemFailure::NoProgram => 127,
            ItemFailure::NotStarted { .. } => 126,
            _ => 1,
        }
    }
}

impl fmt::Display for ItemFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limit = system::MAX_ARGUMENT_BYTES;
        match self {
            ItemFailure::ItemTooLong { length } => {
                write!(f, "the item has {length} bytes; the limit for one argument is {limit} bytes")
            }
            ItemFailure::ArgumentTooLong { length } => {
                write!(
                    f,
                    "an argument has {length} bytes after the item is inserted; the limit for one argument is {limit} bytes"
                )
            }
            ItemFailure::NulByte { position } => {
                write!(
                    f,
                    "the item contains a NUL byte (byte {position}), which no argument can contain; if NUL separates items, use -0"
                )
            }
            ItemFailure::NotUnicode => {
                f.write_str("the item is not valid UTF-8; this system accepts only UTF-8 arguments")
            }
            ItemFailure::NotANumber => f.write_str(
                "the item is in a calculation, and is not a number; to let the shell evaluate it anyway, write \"$1\" in the place of the item",
            ),
            ItemFailure::NotAName => f.write_str(
                "the line uses the item as the name of a variable, and it is not a name, or the shell could run a command that is in the value of that variable; to let the shell evaluate it anyway, write \"$1\" in the place of the item",
            ),
            ItemFailure::IsIndex => f.write_str(
                "the shell may calculate with a text that has an index (a [ in the item or in the line) or is a list (a parenthesis at the start of the item), so the shell could run a command that is in the item after a $ or a backquote; to let the shell evaluate it anyway, write \"$1\" in the place of the item",
            ),
            ItemFailure::IsExpanded => f.write_str(
                "the shell would do the substitutions in the item, which has a $, a backquote or a backslash; to let the shell evaluate it anyway, write \"$1\" in the place of the item",
            ),
            ItemFailure::OnlyInBash(message) => f.write_str(message),
            ItemFailure::NoProgram => {
                f.write_str("the command is empty, because the item has no value for its placeholders")
            }
            ItemFailure::NotStarted { error, advice: None } => {
                write!(f, "cannot be started: {}", io_error::describe(error))
            }
            ItemFailure::NotStarted { error, advice: Some(advice) } => {
                write!(f, "cannot be started: {}; {advice}", io_error::text(error))
            }
            ItemFailure::Unsuccessful(status) => f.write_str(&system::describe_exit(*status)),
            ItemFailure::TimedOut(limit) => {
                write!(f, "took longer than {} (--timeout) and was stopped", humantime::format_duration(*limit))
            }
            ItemFailure::FileNotSent(path) => write!(f, "cannot send {}: there is no such file", path.display()),
            ItemFailure::ConnectionFailed { host, reason, .. } => {
                write!(f, "the connection to {host} has failed repeatedly: {reason}")
            }
            ItemFailure::NoHost => f.write_str("was not run: all hosts have failed"),
            ItemFailure::StoppedByTerminal(TerminalStop::Reads) => f.write_str(
                "was ended because it reads from the terminal, which commands cannot do: run one at a time with --tty, or give it an input (< /dev/null)",
            ),
            ItemFailure::StoppedByTerminal(TerminalStop::Changes) => f.write_str(
                "was ended because it changes the terminal, which commands cannot do: run one at a time with --tty, or send its output elsewhere",
            ),
            ItemFailure::CaptureFailed(error) => {
                let advice = system::capture_advice(error);
                let directory = env::temp_dir();
                write!(
                    f,
                    "cannot read its output, or store it in a temporary file in {}: {}; {advice}",
                    directory.display(),
                    io_error::text(error)
                )
            }
            ItemFailure::InputFailed(error) => {
                write!(f, "cannot write its standard input: {}", io_error::describe(error))
            }
            ItemFailure::WaitFailed(error) => {
                write!(f, "{} because cordial cannot wait for its exit: {}", system::KILLED, io_error::describe(error))
            }
            ItemFailure::ReadBackFailed(error) => {
                write!(f, "cannot read its output back from a temporary file: {}", io_error::describe(error))
            }
            ItemFailure::SaveFailed { path, error } => {
                write!(
                    f,
                    "cannot save its result (--results): cannot write {}: {}",
                    path.display(),
                    io_error::describe(error)
                )
            }
            ItemFailure::Stopped => f.write_str("was stopped before it finished"),
            ItemFailure::Killed => f.write_str("was killed before it finished"),
            ItemFailure::NotRun => f.write_str("was not started"),
            ItemFailure::NoResult(reason) => f.write_str(reason),
        }
    }
}

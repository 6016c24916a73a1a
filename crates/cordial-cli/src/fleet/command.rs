//! The messages between `cordial map` and workers: a command, and how it ended.

use std::time::Duration;

use cordial_isolate::Function;
use serde::{Deserialize, Serialize};

/// The function that workers serve.
pub(crate) const COMMAND: Function<CommandRequest, CommandReply> = Function::new("cordial.command").version(3);

/// A command for a worker. Words, values and paths are bytes, as on UNIX.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct CommandRequest {
    pub(crate) words: Vec<Vec<u8>>,
    /// Names and values, which are added to the environment of the worker.
    pub(crate) variables: Vec<(String, Vec<u8>)>,
    /// The directory of the command. It has to exist on the machine of the worker if `files` is `None`.
    pub(crate) workdir: Vec<u8>,
    /// The files to send before the command and to return after it. If it is `Some`, a missing `workdir` is created, and a relative one
    /// begins in the login directory.
    pub(crate) files: Option<CommandFiles>,
    pub(crate) timeout: Option<Duration>,
    /// The time between SIGTERM and SIGKILL.
    pub(crate) grace: Duration,
    /// Whether each output is kept in pieces as it is written, because the submitter prints it line by line.
    pub(crate) is_watched: bool,
}

/// Files that travel through the object store of the fleet.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct CommandFiles {
    /// The files that the worker fetches before it runs the command.
    pub(crate) sent: Vec<SentFile>,
    /// The files that are the same for all commands of the run. In a directory that several commands share, the worker fetches such a
    /// file once (see `Places`), and does not remove it: another command may be using it.
    pub(crate) common: Vec<SentFile>,
    /// The files that the worker sends back after the command: names relative to the directory of the command.
    pub(crate) returned: Vec<Vec<u8>>,
    /// Whether the sent files that the worker did not have before, and the returned files, are removed after the command.
    pub(crate) is_cleaned: bool,
    /// Whether the directory belongs to the item alone. With `is_cleaned`, it is then removed as a whole.
    pub(crate) has_own_directory: bool,
}

/// A file that is fetched before a command.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SentFile {
    /// Relative to the directory of the command.
    pub(crate) name: Vec<u8>,
    /// The object that holds it, packed by `tar`.
    pub(crate) object: String,
}

/// How a command ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct CommandReply {
    pub(crate) node: String,
    pub(crate) ended: CommandEnd,
    pub(crate) duration: Duration,
    /// Identifies this run of the job in the names of pieces, see [`run_number`].
    pub(crate) run: u32,
    pub(crate) stdout: Output,
    pub(crate) stderr: Output,
    /// For each file that goes back, its object, or a message why there is none.
    pub(crate) returned: Vec<Result<String, String>>,
}

/// Returns a number for a run of a job, which is greater than those of earlier attempts. The attempt number alone would not be unique: if a
/// job runs for longer than results and claims are kept, two of its runs may have the same attempt number.
pub(super) fn run_number(attempt: u32) -> u32 {
    const RANDOM_BITS: u32 = 20;
    (attempt.min(u32::MAX >> RANDOM_BITS) << RANDOM_BITS) | fastrand::u32(..1 << RANDOM_BITS)
}

/// The end of a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum CommandEnd {
    Exited(i32),
    Signaled(i32),
    TimedOut,
    /// The command was not started, for this reason. `is_missing` says that there is no such program.
    NotStarted {
        reason: String,
        is_missing: bool,
    },
    /// The directory could not be made, a file that the command needs did not arrive, or the server has not kept the output, for this reason.
    NotSent(String),
}

/// One output of a command: the bytes, or the number of pieces that hold them. Pieces of standard output have even numbers, and
/// pieces of standard error odd ones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Output {
    Whole(Vec<u8>),
    Pieces { n: u32 },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_attempt_has_a_greater_number() {
        let numbers: Vec<u32> = [1, 2, 3, 4094, 4095].map(run_number).into();
        assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
        assert!(run_number(u32::MAX) >= 4095 << 20);
    }
}

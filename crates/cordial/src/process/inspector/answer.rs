//! The result of an attempt to stop processes, as data and as a sentence.

use std::fmt;
use std::time::Duration;

use super::long_poll::LongPoll;
use crate::exit::{Exit, Predicate};
use crate::pid::Pid;
use crate::process::inspect::RoundedDuration;
use crate::process::report::{StopReport, Stopped};

/// The result of an attempt to stop a process, or a process and those below it.
///
/// `Display` prints a sentence without a full stop, such as `process <1.4.1> "importer" (spawned at src/main.rs:20:9) was killed, and
/// has been in a poll for 12.0s on thread 3 (number 4711 in the kernel); it will end when that poll returns`.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct StopAnswer {
    /// The process that was to be stopped, as it was before; `None` if there was no such process any more.
    pub process: Option<Stopped>,
    /// How the process itself has reacted.
    pub ending: Ending,
    /// How long the attempt has taken.
    pub took: Duration,
    /// How many processes below it [`stop_subtree`](crate::process::Inspector::stop_subtree) was to stop as well. 0 after
    /// [`stop`](crate::process::Inspector::stop), even if the process is a supervisor, which stops its children itself.
    pub n_below: usize,
    /// The processes below it that did not end when they were asked to.
    pub report: StopReport,
    /// Whether the supervisor of the process starts it again. Always `false` while the process has not ended.
    pub restarts: bool,
}

/// How a process has reacted to an attempt to stop it.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub enum Ending {
    /// There was no such process, or it had ended before the attempt.
    NoProcess,
    /// It has ended with this exit: as it was asked to, or by itself.
    Ended(Exit),
    /// It did not end within its grace time, was killed, and has ended. Also after [`Shutdown::BrutalKill`](crate::Shutdown::BrutalKill),
    /// if its poll has returned just before it would have been reported as [`InPoll`](Ending::InPoll).
    Killed,
    /// It was killed and is in a poll that does not return. It ends when that poll returns: a future cannot be stopped within a poll.
    /// `None`: the poll has lasted for less than about a millisecond.
    InPoll(Option<LongPoll>),
    /// It was killed, is in no poll, and had not ended when the answer was due: it waits for a thread, or it is a supervisor that
    /// waits for its children.
    Waits,
}

impl StopAnswer {
    pub(super) fn no_process() -> StopAnswer {
        StopAnswer {
            process: None,
            ending: Ending::NoProcess,
            took: Duration::ZERO,
            n_below: 0,
            report: StopReport::default(),
            restarts: false,
        }
    }

    /// Returns whether the process is not alive any more.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        matches!(self.ending, Ending::NoProcess | Ending::Ended(_) | Ending::Killed)
    }

    /// Returns the pid of the process, if there was one.
    #[must_use]
    pub fn pid(&self) -> Option<Pid> {
        self.process.as_ref().map(|process| process.pid)
    }
}

impl fmt::Display for StopAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(process) = &self.process else { return f.write_str("there is no such process any more") };
        // Leaves out the poll of the process at the beginning of the attempt.
        let process = Stopped { in_poll: None, ..process.clone() };
        match &self.ending {
            Ending::NoProcess => write!(f, "{process} had ended before"),
            Ending::Ended(exit) => {
                write!(f, "{process} has ended after {}: it {}", RoundedDuration(self.took), Predicate(exit))
            }
            Ending::Killed => write!(f, "{process} did not end when it was asked to, was killed, and has ended"),
            Ending::InPoll(poll) => {
                write!(f, "{process} was killed, and ")?;
                if let Some(LongPoll { lasted, thread, kernel_id, .. }) = poll {
                    write!(f, "has been in a poll for {} on thread {thread}", RoundedDuration(*lasted))?;
                    kernel_id.map_or(Ok(()), |id| write!(f, " (number {id} in the kernel)"))?;
                } else {
                    f.write_str("is in a poll")?;
                }
                f.write_str("; it will end when that poll returns")
            }
            Ending::Waits => {
                write!(f, "{process} was killed, and waits for a free thread or for its children; it has not ended yet")
            }
        }?;
        if self.n_below > 0 {
            let ended = self.report.is_clean();
            let noun = if self.n_below == 1 { "process" } else { "processes" };
            write!(
                f,
                "; {} {noun} below it {}",
                self.n_below,
                if ended { "ended too" } else { "got the same request" }
            )?;
        }
        if !self.report.is_clean() {
            write!(f, "; {}", self.report)?;
        }
        if self.restarts { f.write_str("; its supervisor starts it again") } else { Ok(()) }
    }
}

//! Where operating systems differ: arguments, process groups, the endings of processes, requests to stop, and what the machine has left.
//!
//! Both parts offer the same names, so that nothing outside this folder asks which system it is on.

#[cfg_attr(unix, path = "unix/mod.rs")]
#[cfg_attr(not(unix), path = "windows.rs")]
mod this;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Stdio};

pub(crate) use this::{
    Group, Groups, Interrupts, KILLED, LONGEST_ARGUMENT, PipeEnd, Starter, Suspensions, advice, advice_on_keeping,
    be_deaf_to_ends, bytes, ended_by, ending, free_memory, guard, hear_ends, is_shortage, load, lower_priority,
    may_hold, most_at_once, program, read_available, standard_input, start_guard, was_killed, word,
};

/// The variable of a command that names its run.
const RUN: &str = "CORDIAL_RUN";

/// What is the same for all commands of a run.
pub(crate) struct Common {
    /// Where the program was found, if it is always the same.
    pub(crate) program: Option<PathBuf>,
    pub(crate) workdir: Option<PathBuf>,
    pub(crate) outputs: Outs,
    pub(crate) run: String,
}

/// Where the outputs of a command go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outs {
    Pipes,
    /// To our own.
    Ours,
}

impl Common {
    /// A command for the standard library, with these words and variables beside our own.
    fn command(&self, words: &[OsString], variables: &[(&str, OsString)]) -> Command {
        let program = self.program.as_ref().map_or(words[0].as_os_str(), |place| place.as_os_str());
        let mut command = Command::new(program);
        command.args(&words[1..]).env(RUN, &self.run);
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        if let Some(workdir) = &self.workdir {
            command.current_dir(workdir);
        }
        if self.outputs == Outs::Pipes {
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
        }
        command
    }
}

/// A request from outside to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::enum_variant_names, reason = "it has the name of its signal")]
pub(crate) enum Interrupt {
    /// SIGINT: a person pressed Ctrl-C.
    Interrupt,
    /// SIGTERM: somebody stops the program.
    Terminate,
    /// SIGHUP: the terminal is gone.
    #[cfg_attr(not(unix), expect(dead_code, reason = "there is no such signal"))]
    Hangup,
}

impl Interrupt {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Interrupt::Interrupt => "SIGINT",
            Interrupt::Terminate => "SIGTERM",
            Interrupt::Hangup => "SIGHUP",
        }
    }

    /// The exit status that a shell gives to a program which this signal ended: 128 and the number of the signal.
    pub(crate) fn status(self) -> u8 {
        match self {
            Interrupt::Hangup => 129,
            Interrupt::Interrupt => 130,
            Interrupt::Terminate => 143,
        }
    }
}

/// How a thread waits for a command that may be short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// It stands still and does nothing else, which is cheaper.
    Standing,
    /// It has other commands to look after.
    Aside,
}

/// How an operating-system process ended, in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EndedBy {
    Code(i32),
    #[cfg_attr(not(unix), expect(dead_code, reason = "there are no signals"))]
    Signal(i32),
}

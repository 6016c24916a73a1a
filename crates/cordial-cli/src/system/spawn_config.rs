//! The settings with which commands are started.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::program::Program;

/// The environment variable that names the run to which a command belongs.
pub(super) const RUN_VARIABLE: &str = "CORDIAL_RUN";

/// Settings that are the same for all commands of a spawner.
pub(crate) struct SpawnConfig {
    #[cfg_attr(not(unix), expect(dead_code, reason = "the system searches for programs itself"))]
    pub(crate) program: Program,
    /// The working directory; `None` to inherit that of `cordial`.
    pub(crate) workdir: Option<PathBuf>,
    pub(crate) output: CommandOutput,
    pub(crate) input: CommandInput,
    /// The value of `RUN_VARIABLE`.
    pub(crate) run_name: String,
}

/// Where a command writes its standard output and standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CommandOutput {
    /// To pipes that `cordial` reads.
    Piped,
    /// To the standard output and standard error of `cordial`.
    Inherited,
}

/// What a command reads as its standard input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CommandInput {
    /// Nothing, because `take_stdin` has opened `/dev/null` as the standard input of `cordial`; or with `--tty` the terminal.
    Inherited,
    /// A pipe that stays open while the command runs. A line asks the command to exit.
    Held,
    /// A pipe to which `cordial` writes blocks, or an archive.
    Piped,
}

impl SpawnConfig {
    /// Returns a command that starts a program with these arguments. The variables are added to the inherited
    /// environment.
    pub(super) fn command(&self, program: &OsStr, arguments: &[OsString], variables: &[(&str, OsString)]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).env(RUN_VARIABLE, &self.run_name);
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        if let Some(workdir) = &self.workdir {
            command.current_dir(workdir);
        }
        if self.input != CommandInput::Inherited {
            command.stdin(Stdio::piped());
        }
        if self.output == CommandOutput::Piped {
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
        }
        command
    }
}

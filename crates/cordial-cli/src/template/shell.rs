//! The shell that runs lines.

use std::path::Path;
use std::{env, fs};

use super::bash_syntax::only_in_bash;
use crate::system::{self, Program};
use crate::text::display;

/// Shells and languages that cannot run the script of a line, because they have no `"$@"`.
const UNUSABLE: [&[u8]; 13] = [
    b"fish", b"csh", b"tcsh", b"nu", b"elvish", b"pwsh", b"python", b"python3", b"perl", b"ruby", b"node", b"php",
    b"tclsh",
];

/// A program that runs the script after `-c`. The words after the script are `$0` and the arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shell {
    program: Vec<u8>,
    /// Whether this is the `sh` of this machine, taken because no option names a shell. Its scripts may have been written for bash.
    is_default: bool,
}

impl Shell {
    /// Returns the shell with this name or path.
    ///
    /// # Errors
    ///
    /// A message, when the program has no name, or is known not to be a shell of the POSIX family.
    pub(crate) fn new(program: Vec<u8>) -> Result<Shell, String> {
        let shell = Shell { program, is_default: false };
        let exists = |name: &[u8]| system::os_string(name.to_vec()).is_ok_and(|name| Path::new(&name).exists());
        if shell.program.iter().any(u8::is_ascii_whitespace) && !exists(&shell.program) {
            return Err(format!(
                "--shell-path {} is the path of a shell, without options: name the shell, and begin the line with set, as in \
                 'set -e; COMMAND'",
                display::quoted(&shell.program)
            ));
        }
        if shell.name().is_empty() || UNUSABLE.contains(&shell.name()) {
            return Err(format!(
                "--shell-path {} is not a shell that understands \"$@\": name sh, bash, dash, ksh or zsh",
                display::quoted(&shell.program)
            ));
        }
        Ok(shell)
    }

    /// Returns the `sh` of the machine that runs the script, which may not be this machine.
    pub(crate) fn sh() -> Shell {
        Shell { program: b"sh".to_vec(), is_default: false }
    }

    /// Returns the `sh` of this machine.
    pub(crate) fn default_sh() -> Shell {
        Shell { is_default: true, ..Shell::sh() }
    }

    pub(crate) fn bash() -> Shell {
        Shell { program: b"bash".to_vec(), is_default: false }
    }

    /// Checks that a script does not need bash, if no option names a shell and `sh` is `dash`.
    ///
    /// # Errors
    ///
    /// A message that names the part that needs bash.
    pub(crate) fn check(&self, script: &[u8]) -> Result<(), String> {
        let has_variable = |name: &[u8]| system::os_string(name.to_vec()).is_ok_and(|name| env::var_os(name).is_some());
        match only_in_bash(script, has_variable) {
            Some(part) if self.is_default && is_sh_dash() => Err(format!(
                "{} is for bash, and sh is dash on this machine, which does not know it: add --shell-path bash; or put it in \
                 quotes, if it is a text",
                display::quoted(part)
            )),
            _ => Ok(()),
        }
    }

    /// Returns the name or the path of the program.
    pub(super) fn program(&self) -> &[u8] {
        &self.program
    }

    /// Returns `$0` of the shell, which begins its messages.
    pub(super) fn name(&self) -> &[u8] {
        let start = self.program.iter().rposition(|&byte| byte == b'/').map_or(0, |at| at + 1);
        &self.program[start..]
    }
}

fn is_sh_dash() -> bool {
    let Ok(Program::File(path)) = system::find_program(b"sh", None) else { return false };
    fs::canonicalize(path).is_ok_and(|path| path.file_name().is_some_and(|name| name == "dash"))
}

//! The shell that runs lines.

use crate::text::display;

/// Shells that cannot run the script of a line, because they have neither `"$@"` nor `"$*"`.
const UNUSABLE: [&[u8]; 5] = [b"fish", b"csh", b"tcsh", b"nu", b"elvish"];

/// A program that runs the script after `-c`, with the words after it as its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shell {
    program: Vec<u8>,
}

impl Shell {
    /// Returns the shell with this name or path.
    ///
    /// # Errors
    ///
    /// A message, when the program is known to be no shell of the POSIX family.
    pub(crate) fn new(program: Vec<u8>) -> Result<Shell, String> {
        let shell = Shell { program };
        if shell.name().is_empty() || UNUSABLE.contains(&shell.name()) {
            return Err(format!(
                "--shell-path {} is not a shell that understands \"$@\": name sh, bash, dash, ksh or zsh",
                display::quoted(&shell.program)
            ));
        }
        Ok(shell)
    }

    pub(crate) fn sh() -> Shell {
        Shell { program: b"sh".to_vec() }
    }

    pub(crate) fn bash() -> Shell {
        Shell { program: b"bash".to_vec() }
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

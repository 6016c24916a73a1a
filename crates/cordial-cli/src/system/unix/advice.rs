//! What a person can do about an error of the system.

use std::ffi::OsStr;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::io::Errno;

use crate::text::display;

const TOO_MANY_FILES: &str = "run fewer commands at once (-c), or allow more open files (ulimit -n)";

/// Returns whether a process could not be started for lack of processes, files or memory, so that a later attempt may succeed.
pub(crate) fn is_resource_shortage(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE | Errno::AGAIN | Errno::NOMEM))
}

/// Returns what to do about a command that cannot be started, or `None` if the text of the error says enough. `is_item` says
/// whether the name of the program depends on the item.
pub(crate) fn start_advice(program: &OsStr, is_item: bool, error: &io::Error) -> Option<String> {
    let bytes = program.as_bytes();
    let shown = display::quoted(bytes);
    match (Errno::from_io_error(error), error.kind()) {
        // --shell is no help: the shell would get the item in quotes, and take it as the name of one program as well.
        (_, ErrorKind::NotFound) if is_item && bytes.iter().any(u8::is_ascii_whitespace) && !Path::new(program).exists() => Some(format!(
            "{shown} is taken as the name of one program, because items are not split into words: without a command, each item is \
             a line for the shell"
        )),
        (_, ErrorKind::NotFound) if bytes.contains(&b' ') && !Path::new(program).exists() => {
            Some(format!("{shown} is taken as the name of one program: remove the quotes, or add --shell"))
        }
        (_, ErrorKind::NotFound) if bytes.contains(&b'/') => {
            Some(format!("check that {shown} exists, and that the interpreter exists which its first line names"))
        }
        (_, ErrorKind::NotFound) => Some(format!("check that {shown} is installed and in PATH")),
        (_, ErrorKind::PermissionDenied) if Path::new(program).is_dir() => {
            Some(format!("{shown} is a directory: name a program in it"))
        }
        (_, ErrorKind::PermissionDenied) => {
            Some(format!("check that {shown} is a program that you may execute (chmod +x)"))
        }
        (Some(Errno::TOOBIG), _) => Some(
            "the arguments and the environment together exceed the limit of the system: pass fewer items to each command (-n)"
                .to_owned(),
        ),
        (Some(Errno::NOEXEC), _) => {
            Some(format!("{shown} is not a program for this machine"))
        }
        (Some(Errno::MFILE | Errno::NFILE), _) => Some(TOO_MANY_FILES.to_owned()),
        (Some(Errno::AGAIN | Errno::NOMEM), _) => {
            Some("the system cannot start more processes: run fewer commands at once (-c)".to_owned())
        }
        _ => None,
    }
}

/// Returns what to do about output that cannot be read, or stored in a temporary file.
pub(crate) fn capture_advice(error: &io::Error) -> &'static str {
    match Errno::from_io_error(error) {
        Some(Errno::MFILE | Errno::NFILE) => TOO_MANY_FILES,
        Some(Errno::FBIG) => "allow larger files (ulimit -f)",
        _ => "set TMPDIR to a directory with free space",
    }
}

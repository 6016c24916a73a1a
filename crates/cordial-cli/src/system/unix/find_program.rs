//! Finds the program of a command once per run instead of once per item.

use std::env;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use crate::text::{display, io_error};

/// Returns the path of a program that is found in PATH.
///
/// Returns `None` if the system has to find the program each time: the name contains a slash, PATH
/// is empty, or PATH contains relative directories, which depend on the working directory.
///
/// # Errors
///
/// A message, when the program does not exist, so that no command could be started.
pub(crate) fn find_program(name: &[u8], workdir: Option<&Path>) -> Result<Option<PathBuf>, String> {
    let shown = display::quoted(name);
    let path = Path::new(OsStr::from_bytes(name));
    if name.contains(&b'/') {
        let path = workdir.map_or_else(|| path.to_owned(), |workdir| workdir.join(path));
        return match path.metadata() {
            Ok(_) => Ok(None),
            Err(error) => {
                Err(format!("cannot start the program {shown}: {}; check its path", io_error::describe(&error)))
            }
        };
    }
    let directories = env::var_os("PATH").unwrap_or_default();
    let directories: Vec<PathBuf> = env::split_paths(&directories).collect();
    if directories.is_empty() || directories.iter().any(|directory| directory.is_relative()) {
        return Ok(None);
    }
    let is_program = |path: &PathBuf| path.is_file() && access(path, Access::EXEC_OK).is_ok();
    match directories.iter().map(|directory| directory.join(path)).find(is_program) {
        Some(path) if !name.is_empty() => Ok(Some(path)),
        _ if name.contains(&b' ') => Err(format!(
            "there is no program named {shown}: remove the quotes, or add --shell to run the words as a line for sh"
        )),
        _ => Err(format!(
            "there is no program named {shown} in any directory of PATH: check that it is installed and spelled correctly"
        )),
    }
}

//! Finds the program of a command once, instead of once for each item.

use std::env;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use crate::text::display;

/// Where a program is; `None` where it is better looked for by the system each time.
///
/// # Errors
///
/// A sentence, when no command can ever be started.
pub(crate) fn program(name: &[u8], workdir: Option<&Path>) -> Result<Option<PathBuf>, String> {
    let shown = display::quoted(name);
    let path = Path::new(OsStr::from_bytes(name));
    if name.contains(&b'/') {
        let place = workdir.map_or_else(|| path.to_owned(), |workdir| workdir.join(path));
        return match place.metadata() {
            Ok(_) => Ok(None),
            Err(error) => Err(format!("the program {shown} cannot be started: {}", crate::item_failure::plain(&error))),
        };
    }
    let folders = env::var_os("PATH").unwrap_or_default();
    // A relative folder means another place in another directory.
    let folders: Vec<PathBuf> = env::split_paths(&folders).collect();
    if folders.is_empty() || folders.iter().any(|folder| folder.is_relative()) {
        return Ok(None);
    }
    let is_program = |place: &PathBuf| place.is_file() && access(place, Access::EXEC_OK).is_ok();
    match folders.iter().map(|folder| folder.join(path)).find(is_program) {
        Some(place) if !name.is_empty() => Ok(Some(place)),
        _ if name.contains(&b' ') => Err(format!(
            "there is no program {shown}; it is one word: leave out the quotes, or use --shell to run it as a line for sh"
        )),
        _ => Err(format!("there is no program {shown} in any directory of PATH; is it installed, and spelled right?")),
    }
}

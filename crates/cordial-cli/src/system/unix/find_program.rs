//! Finds the program of a command once per run instead of once per item, and checks that it can be started.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use crate::system::program::Program;
use crate::text::{display, io_error};

/// The number of bytes in which the system looks for the interpreter of a script: 256 on Linux, 512 on macOS, and a page on FreeBSD.
const FIRST_LINE_BYTES: u64 = if cfg!(target_os = "linux") {
    256
} else if cfg!(target_os = "macos") {
    512
} else {
    4096
};

/// Commands and keywords of the shell that are not programs on most systems.
const BUILT_IN: [&[u8]; 30] = [
    b".",
    b":",
    b"alias",
    b"break",
    b"case",
    b"cd",
    b"command",
    b"continue",
    b"declare",
    b"eval",
    b"exec",
    b"exit",
    b"export",
    b"for",
    b"function",
    b"if",
    b"let",
    b"local",
    b"read",
    b"return",
    b"set",
    b"shift",
    b"source",
    b"trap",
    b"type",
    b"ulimit",
    b"umask",
    b"unset",
    b"until",
    b"while",
];

/// What to do about words that were meant for a shell.
const WITH_SHELL: &str = "with --shell, the words are a line for the shell";

/// Returns whether a word that names no program has syntax of a shell: `cat;`, `LANG=C`, `(cd`, `[[`.
fn looks_like_line(name: &[u8]) -> bool {
    name.iter().any(|byte| b" \t\n;&|<>$`=(){}[]!'\"".contains(byte))
}

/// Returns the program that is started for a word.
///
/// Returns `Program::Searched` if the system has to find the program each time, because PATH is not set, or contains relative
/// directories, which depend on the working directory.
///
/// # Errors
///
/// A message, when no command can be started, because the program does not exist or cannot be run.
pub(crate) fn find_program(name: &[u8], workdir: Option<&Path>) -> Result<Program, String> {
    let shown = display::quoted(name);
    if exported_functions().iter().any(|function| function == name) {
        return match search(OsStr::from_bytes(b"bash"), workdir) {
            Ok(FoundProgram { path: bash, .. }) if bash.is_absolute() => Ok(Program::Function { bash }),
            _ => Err(format!("{shown} is a function of bash, and there is no program bash in PATH: install bash")),
        };
    }
    let path = Path::new(OsStr::from_bytes(name));
    if name.contains(&b'/') {
        let path = workdir.map_or_else(|| path.to_owned(), |workdir| workdir.join(path));
        check(&path, &shown).map_err(|message| match path.exists() || !looks_like_line(name) {
            true => message,
            false => format!("{message}; {WITH_SHELL}"),
        })?;
        return Ok(Program::File(if path.is_absolute() {
            path
        } else {
            Path::new(OsStr::from_bytes(name)).to_owned()
        }));
    }
    match search(path.as_os_str(), workdir) {
        Ok(FoundProgram { path, is_fixed }) => {
            check(&path, &shown)?;
            Ok(if is_fixed { Program::File(path) } else { Program::Searched })
        }
        Err(Some(unusable)) => {
            check(&unusable, &display::quoted(unusable.as_os_str().as_bytes()))?;
            Ok(Program::Searched)
        }
        Err(None) => {
            if is_built_in(name) {
                return Err(format!("{shown} is a part of the shell, and no program: add --shell"));
            }
            let advice = match looks_like_line(name) {
                true => WITH_SHELL,
                false => {
                    "check that it is installed and spelled correctly; an alias is known only to your shell, and a function of \
                     bash only after export -f"
                }
            };
            Err(format!("there is no program named {shown} in any directory of PATH: {advice}"))
        }
    }
}

/// Returns whether a shell would run a command for this word: a program in PATH, a function, or a word of the shell itself.
pub(crate) fn is_command(name: &[u8]) -> bool {
    let is_program = || search(OsStr::from_bytes(name), None).is_ok();
    !name.is_empty()
        && (is_built_in(name) || exported_functions().iter().any(|function| function == name) || is_program())
}

/// Returns whether a word is in `BUILT_IN`.
fn is_built_in(name: &[u8]) -> bool {
    BUILT_IN.contains(&name)
}

/// A program that was found in PATH.
struct FoundProgram {
    path: PathBuf,
    /// Whether the system would find the same file in any working directory.
    is_fixed: bool,
}

/// Searches PATH for a program. The error is the first file that has the name and cannot be executed, if there is one.
fn search(name: &OsStr, workdir: Option<&Path>) -> Result<FoundProgram, Option<PathBuf>> {
    let set = env::var_os("PATH");
    // Without PATH, the system searches directories of its own: these, or some of them.
    let directories = set.as_deref().unwrap_or(OsStr::new("/usr/local/bin:/bin:/usr/bin"));
    let directories: Vec<PathBuf> = env::split_paths(directories).collect();
    let is_fixed = set.is_some() && directories.iter().all(|directory| directory.is_absolute());
    let directories = directories.iter().map(|directory| workdir.unwrap_or(Path::new("")).join(directory));
    let mut files = directories.map(|directory| directory.join(name)).filter(|path| path.is_file());
    let mut unusable = None;
    let program = files.find(|path| {
        let is_executable = access(path, Access::EXEC_OK).is_ok();
        if !is_executable && unusable.is_none() {
            unusable = Some(path.clone());
        }
        is_executable
    });
    match program {
        Some(path) if !name.is_empty() => Ok(FoundProgram { path, is_fixed }),
        _ => Err(unusable),
    }
}

/// Returns the file that the system runs for a word; the word itself if there is none in PATH. A relative path is relative to the
/// working directory of the command.
pub(super) fn file_of(word: &OsStr, workdir: Option<&Path>) -> PathBuf {
    if word.as_bytes().contains(&b'/') {
        return word.into();
    }
    let directories = env::var_os("PATH").unwrap_or_default();
    let workdir = workdir.unwrap_or(Path::new(""));
    let mut files = env::split_paths(&directories).map(|directory| directory.join(word));
    let is_program = |path: PathBuf| path.is_file() && access(&path, Access::EXEC_OK).is_ok();
    files.find(|path| is_program(workdir.join(path))).unwrap_or_else(|| word.into())
}

/// Checks that the system can start a file.
///
/// # Errors
///
/// A message, when the file is missing or a directory, may not be executed, names an interpreter that cannot be started, or is a broken
/// file of the format ELF.
fn check(path: &Path, shown: &str) -> Result<(), String> {
    let cannot_start = |error: &std::io::Error| {
        format!("cannot start the program {shown}: {}", io_error::describe_or(error, "check its path"))
    };
    let kind = path.metadata().map_err(|error| cannot_start(&error))?;
    if kind.is_dir() {
        return Err(format!("cannot start the program {shown}: it is a directory; name a program in it"));
    }
    // To read a named pipe would wait for another program that writes to it.
    if !kind.is_file() {
        return Err(format!(
            "cannot start the program {shown}: it is a named pipe, a device or the like; name a program"
        ));
    }
    if access(path, Access::EXEC_OK).is_err() {
        return Err(format!(
            "cannot start the program {shown}: you may not execute it; run chmod +x, or name its interpreter, as in: sh {shown}"
        ));
    }
    let start = first_bytes(path).unwrap_or_default();
    if is_broken_elf(&start) {
        return Err(format!(
            "cannot start the program {shown}: it has the format ELF, but is incomplete or was not made to be started; copy or \
             build it again"
        ));
    }
    let Some(interpreter) = interpreter(&start) else { return Ok(()) };
    let found = Path::new(OsStr::from_bytes(&interpreter));
    if found.is_relative() || (found.is_file() && access(found, Access::EXEC_OK).is_ok()) {
        return Ok(());
    }
    let advice = match interpreter.ends_with(b"\r") {
        true => "its lines end with a carriage return, as on Windows: remove these with sed -i 's/\\r$//'",
        false => "check that it is installed, or change the first line",
    };
    Err(format!(
        "cannot start the program {shown}: its first line names the interpreter {}, which is not a program; {advice}",
        display::quoted(&interpreter)
    ))
}

/// Returns whether a file begins like an ELF file, but cannot be started on any processor, because its header is incomplete or damaged, or
/// because it is an object file.
fn is_broken_elf(start: &[u8]) -> bool {
    // The length of the header, the position of the size of a program header, and that size.
    let (length, at, size) = match start.get(4) {
        _ if !start.starts_with(b"\x7fELF") => return false,
        Some(1) => (52, 42, 32),
        Some(2) => (64, 54, 56),
        _ => return true,
    };
    if start.len() < length {
        return true;
    }
    let number = |at: usize| match start[5] {
        2 => u16::from_be_bytes([start[at], start[at + 1]]),
        _ => u16::from_le_bytes([start[at], start[at + 1]]),
    };
    let (kind, n_program_headers) = (number(16), number(at + 2));
    !matches!(kind, 2 | 3) || number(at) != size || n_program_headers == 0
}

/// Returns the interpreter that the first line of a script names after `#!`. `None` for a file without such a line.
fn interpreter(start: &[u8]) -> Option<Vec<u8>> {
    let line = start.strip_prefix(b"#!")?.split(|&byte| byte == b'\n').next()?;
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let line = &line[line.iter().position(|byte| !is_blank(byte))?..];
    Some(line.split(is_blank).next()?.to_vec())
}

/// Returns whether a file that the system does not know how to run is a script for sh: a text, as far as its first line shows. A
/// file that cannot be read counts as one.
pub(super) fn is_script_of_sh(path: &Path) -> bool {
    first_bytes(path).is_none_or(|start| {
        let line = start.split(|&byte| byte == b'\n').next().unwrap_or_default();
        !line.contains(&0) && !start.starts_with(b"\x7fELF")
    })
}

/// Returns the first bytes of a file, or `None` if it cannot be read.
fn first_bytes(path: &Path) -> Option<Vec<u8>> {
    let mut start = Vec::new();
    File::open(path).ok()?.take(FIRST_LINE_BYTES).read_to_end(&mut start).ok()?;
    Some(start)
}

/// Returns the names of the functions that bash has exported into the environment of this program.
pub(crate) fn exported_functions() -> Vec<Vec<u8>> {
    env::vars_os().filter_map(|(variable, _)| exported_name(variable)).collect()
}

/// Returns the texts of these functions.
pub(crate) fn exported_function_texts() -> Vec<Vec<u8>> {
    env::vars_os().filter_map(|(variable, text)| exported_name(variable).map(|_| text.into_vec())).collect()
}

/// Returns the name of the function that a variable of the environment contains; `None` for another variable.
fn exported_name(variable: OsString) -> Option<Vec<u8>> {
    let variable = variable.into_vec();
    let name = variable.strip_prefix(b"BASH_FUNC_")?.strip_suffix(b"%%")?;
    (!name.is_empty()).then(|| name.to_vec())
}

//! Starts commands.
//!
//! `Spawner` starts processes as the standard library does, but does the work that is the same for all commands only once. The
//! standard library copies the whole environment for each process, and lets libc query the handler of each signal. This took
//! 3 % of the time of a command that does nothing. Commands with a working directory are started by the standard library.

use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{ChildStderr, ChildStdout, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawnp};
use nix::sys::signal::{SigSet, Signal};
use rustix::io::Errno;
use rustix::process::Pid;

use super::terminal::Terminal;
use super::{find_program, signals};
use crate::system::program::Program;
use crate::system::spawn_config::{CommandInput, CommandOutput, RUN_VARIABLE, SpawnConfig};

/// Starts the commands of a run.
pub(crate) struct Spawner {
    config: SpawnConfig,
    /// The terminal, if it is the standard input of the commands.
    terminal: Option<Arc<Terminal>>,
    /// The inherited environment and `RUN_VARIABLE`: names, and entries (`NAME=value`).
    environment: Vec<(OsString, CString)>,
    /// The signals that are reset to their default action in each command.
    default_signals: SigSet,
    /// The names of functions that bash has exported.
    functions: Vec<Vec<u8>>,
    /// Whether the program has turned out to be a script without `#!`. Used only if all commands run the same program.
    is_script: AtomicBool,
}

/// A process that was started: the leader of a new process group.
pub(super) struct Spawned {
    pub(super) id: Pid,
    /// The write end of its standard input, if that is a pipe.
    pub(super) stdin: Option<OwnedFd>,
    pub(super) stdout: Option<ChildStdout>,
    pub(super) stderr: Option<ChildStderr>,
}

impl Spawner {
    /// Creates a spawner. Must be called after the signal handlers are installed: it reads which signals this process ignores, and a
    /// signal that gets a handler is no longer ignored.
    pub(crate) fn new(config: SpawnConfig, terminal: Option<Arc<Terminal>>) -> Spawner {
        let inherited = std::env::vars_os().filter(|(name, _)| name != RUN_VARIABLE);
        let variables = inherited.chain([(RUN_VARIABLE.into(), config.run_name.clone().into())]);
        let environment = variables.filter_map(|(name, value)| Some((entry(&name, &value).ok()?, name)));
        Spawner {
            environment: environment.map(|(entry, name)| (name, entry)).collect(),
            default_signals: default_signals(),
            functions: find_program::exported_functions(),
            is_script: AtomicBool::new(false),
            config,
            terminal,
        }
    }

    /// Returns whether the commands may use the terminal.
    pub(crate) fn uses_terminal(&self) -> bool {
        self.terminal.is_some()
    }

    /// Returns the terminal, if the commands may use it.
    pub(super) fn terminal(&self) -> Option<Arc<Terminal>> {
        self.terminal.clone()
    }

    /// Starts a command with these words. The variables are added to the inherited environment, and replace those of the same name.
    ///
    /// # Errors
    ///
    /// When the system cannot start the process or create its pipes, or a word or a variable contains a NUL byte.
    pub(super) fn spawn(&self, words: &[OsString], variables: &[(&str, OsString)]) -> io::Result<Spawned> {
        let function = [OsStr::new("bash"), OsStr::new("-c"), OsStr::new(r#""$0" "$@""#)];
        let started = match &self.config.program {
            Program::Function { bash } => return self.start(bash.as_os_str(), &function, words, variables),
            Program::Searched if self.functions.iter().any(|name| *name == words[0].as_bytes()) => {
                return self.start(OsStr::new("bash"), &function, words, variables);
            }
            Program::Searched => self.start(&words[0], &[], words, variables),
            Program::File(path) if self.is_script.load(Ordering::Relaxed) => {
                return self.start_script(path, words, variables);
            }
            Program::File(path) => self.start(path.as_os_str(), &[], words, variables),
        };
        match started {
            // A script without `#!`.
            Err(error) if Errno::from_io_error(&error) == Some(Errno::NOEXEC) => {
                let path = match &self.config.program {
                    Program::File(path) => path.clone(),
                    _ => find_program::file_of(&words[0], self.config.workdir.as_deref()),
                };
                // The path is relative to the working directory of the command.
                let workdir = self.config.workdir.as_deref().unwrap_or(Path::new(""));
                if !find_program::is_script_of_sh(&workdir.join(&path)) {
                    return Err(error);
                }
                self.is_script.store(true, Ordering::Relaxed);
                self.start_script(&path, words, variables)
            }
            started => started,
        }
    }

    /// Starts sh with a script, as shells do for a script without `#!`.
    fn start_script(&self, path: &Path, words: &[OsString], variables: &[(&str, OsString)]) -> io::Result<Spawned> {
        let shell = [OsStr::new("sh"), path.as_os_str()];
        self.start(OsStr::new("/bin/sh"), &shell, &words[1..], variables)
    }

    /// Starts a program with the words of `before` and then `words` as its arguments. The first of all these is `argv[0]`.
    fn start(
        &self,
        program: &OsStr,
        before: &[&OsStr],
        words: &[OsString],
        variables: &[(&str, OsString)],
    ) -> io::Result<Spawned> {
        let mut all = before.iter().copied().chain(words.iter().map(OsString::as_os_str));
        if self.config.workdir.is_some() {
            // `posix_spawn` of nix cannot set a working directory.
            let name = all.next().unwrap_or(program);
            let arguments: Vec<OsString> = all.map(OsStr::to_owned).collect();
            let mut command = self.config.command(program, &arguments, variables);
            if let Some(workdir) = &self.config.workdir {
                set_directory_names(&mut command, workdir);
            }
            if let Some(terminal) = &self.terminal {
                command.stdin(terminal.input()?);
            }
            let mut child = command.arg0(name).process_group(0).spawn()?;
            return Ok(Spawned {
                id: Pid::from_child(&child),
                stdin: child.stdin.take().map(OwnedFd::from),
                stdout: child.stdout.take(),
                stderr: child.stderr.take(),
            });
        }
        let mut attributes = PosixSpawnAttr::init()?;
        attributes.set_flags(PosixSpawnFlags::POSIX_SPAWN_SETPGROUP | PosixSpawnFlags::POSIX_SPAWN_SETSIGDEF)?;
        attributes.set_sigdefault(&self.default_signals)?;
        let mut actions = PosixSpawnFileActions::init()?;
        let terminal_input = self.terminal.as_ref().map(|terminal| terminal.input()).transpose()?;
        if let Some(input) = &terminal_input {
            actions.add_dup2(input.as_raw_fd(), rustix::stdio::raw_stdin())?;
        }
        let (_stdin_reader, stdin) = self.input_pipe(&mut actions)?.unzip();
        // The write ends have to stay open until the process is started.
        let (stdout, _stdout_writer) = self.pipe(&mut actions, rustix::stdio::raw_stdout())?.unzip();
        let (stderr, _stderr_writer) = self.pipe(&mut actions, rustix::stdio::raw_stderr())?.unzip();
        let program = CString::new(program.as_bytes())?;
        let words = all.map(|word| CString::new(word.as_bytes())).collect::<Result<Vec<_>, _>>()?;
        let variables = variables.iter().map(|(name, value)| Ok((*name, entry(OsStr::new(name), value)?)));
        let variables = variables.collect::<io::Result<Vec<_>>>()?;
        let is_kept = |name: &OsStr| variables.iter().all(|(other, _)| name != *other);
        let environment = self.environment.iter().filter(|(name, _)| is_kept(name)).map(|(_, entry)| entry);
        let environment: Vec<&CString> = environment.chain(variables.iter().map(|(_, entry)| entry)).collect();
        let id = posix_spawnp(&program, &actions, &attributes, &words, &environment)?;
        let id = Pid::from_raw(id.as_raw()).expect("a started process never has the id 0");
        Ok(Spawned { id, stdin, stdout: stdout.map(ChildStdout::from), stderr: stderr.map(ChildStderr::from) })
    }

    /// Creates the pipe for the input of a command, and returns its read end, which has to stay open until the process is
    /// started, and its write end; `None` if the input is inherited.
    fn input_pipe(&self, actions: &mut PosixSpawnFileActions) -> io::Result<Option<(io::PipeReader, OwnedFd)>> {
        if self.config.input == CommandInput::Inherited {
            return Ok(None);
        }
        let (reader, writer) = io::pipe()?;
        // The two descriptors always differ, because descriptor 0 is open in this process (see `pipe`).
        actions.add_dup2(reader.as_raw_fd(), rustix::stdio::raw_stdin())?;
        Ok(Some((reader, writer.into())))
    }

    /// Creates the pipe for an output of a command, and returns its read end and its write end; `None` if the output is
    /// inherited.
    fn pipe(&self, actions: &mut PosixSpawnFileActions, output: i32) -> io::Result<Option<(OwnedFd, io::PipeWriter)>> {
        if self.config.output == CommandOutput::Inherited {
            return Ok(None);
        }
        let (reader, writer) = io::pipe()?;
        // The two descriptors always differ, because descriptors 1 and 2 are open in this process. With
        // equal descriptors, `dup2` would do nothing, and `exec` would close the pipe.
        actions.add_dup2(writer.as_raw_fd(), output)?;
        Ok(Some((reader.into(), writer)))
    }
}

/// Sets `PWD` and `OLDPWD`, as `cd` does. The inherited values would be wrong, and programs other than shells use them unchecked.
fn set_directory_names(command: &mut Command, workdir: &Path) {
    if let Ok(new) = std::path::absolute(workdir) {
        command.env("PWD", new);
    }
    if let Ok(old) = std::env::current_dir() {
        command.env("OLDPWD", old);
    }
}

/// Returns an entry of an environment: `NAME=value`.
///
/// # Errors
///
/// When the name or the value contains a NUL byte.
fn entry(name: &OsStr, value: &OsStr) -> io::Result<CString> {
    Ok(CString::new([name.as_bytes(), b"=", value.as_bytes()].concat())?)
}

/// Returns the signals to reset in commands: all except for those that this process ignores, since its parent, such as `nohup`,
/// wants commands to ignore them too. SIGPIPE is always reset: this process ignores it because of the Rust runtime, and not because of
/// its parent. `exec` resets signals with a handler anyway, but libc would query each signal that is not in the set. If the system
/// does not report which signals are ignored, only SIGPIPE is reset.
fn default_signals() -> SigSet {
    let ignored = signals::ignored_signals().unwrap_or(u64::MAX);
    let named = Signal::iterator().fold(0, |bits, signal| bits | signals::signal_bit(signal));
    // An ignored signal without a name cannot be removed from a full set.
    let mut reset = if ignored & !named == 0 { SigSet::all() } else { SigSet::empty() };
    for signal in Signal::iterator().filter(|&signal| ignored & signals::signal_bit(signal) != 0) {
        reset.remove(signal);
    }
    reset.add(Signal::SIGPIPE);
    reset
}

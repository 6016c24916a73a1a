//! Starts a command as the standard library does, only that what is the same each time is done once: it copies the whole environment, and
//! leaves it to libc to ask for each signal what it does in us. For a command that does nothing that was three hundredths of its time.

use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::{ChildStderr, ChildStdout};

use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawnp};
use nix::sys::signal::{SigSet, Signal};
use rustix::process::Pid;

use crate::system::{Common, Outs, RUN};
use super::signals;

/// Starts the commands of a run.
pub(crate) struct Starter {
    common: Common,
    /// Names, and whole entries: ours, and the name of the run.
    environment: Vec<(OsString, CString)>,
    /// What these signals do in us is not for commands.
    reset: SigSet,
}

/// A process that was started, the first of a group of its own.
pub(super) struct Started {
    pub(super) id: Pid,
    pub(super) stdout: Option<ChildStdout>,
    pub(super) stderr: Option<ChildStderr>,
}

impl Starter {
    /// To be called when the signals that we want to hear are listened to.
    pub(crate) fn new(common: Common) -> Starter {
        let own = std::env::vars_os().filter(|(name, _)| name != RUN);
        let all = own.chain([(RUN.into(), common.run.clone().into())]);
        let environment = all.filter_map(|(name, value)| Some((entry(&name, &value).ok()?, name)));
        Starter { environment: environment.map(|(entry, name)| (name, entry)).collect(), reset: reset(), common }
    }

    /// # Errors
    ///
    /// When the system starts no process.
    pub(super) fn start(&self, words: &[OsString], variables: &[(&str, OsString)]) -> io::Result<Started> {
        if self.common.workdir.is_some() {
            // The one thing that nix cannot say.
            let mut command = self.common.command(words, variables);
            let mut child = command.arg0(&words[0]).process_group(0).spawn()?;
            return Ok(Started {
                id: Pid::from_child(&child),
                stdout: child.stdout.take(),
                stderr: child.stderr.take(),
            });
        }
        let mut attributes = PosixSpawnAttr::init()?;
        attributes.set_flags(PosixSpawnFlags::POSIX_SPAWN_SETPGROUP | PosixSpawnFlags::POSIX_SPAWN_SETSIGDEF)?;
        attributes.set_sigdefault(&self.reset)?;
        let mut actions = PosixSpawnFileActions::init()?;
        let (stdout, _theirs) = self.output(&mut actions, rustix::stdio::raw_stdout())?.unzip();
        let (stderr, _theirs) = self.output(&mut actions, rustix::stdio::raw_stderr())?.unzip();
        let program = self.common.program.as_ref().map_or(words[0].as_os_str(), |place| place.as_os_str());
        let program = CString::new(program.as_bytes())?;
        let words = words.iter().map(|word| CString::new(word.as_bytes())).collect::<Result<Vec<_>, _>>()?;
        let variables = variables.iter().map(|(name, value)| Ok((*name, entry(OsStr::new(name), value)?)));
        let variables = variables.collect::<io::Result<Vec<_>>>()?;
        let is_ours = |name: &OsStr| variables.iter().all(|(other, _)| name != *other);
        let environment = self.environment.iter().filter(|(name, _)| is_ours(name)).map(|(_, entry)| entry);
        let environment: Vec<&CString> = environment.chain(variables.iter().map(|(_, entry)| entry)).collect();
        let id = posix_spawnp(&program, &actions, &attributes, &words, &environment)?;
        let id = Pid::from_raw(id.as_raw()).expect("only the calls that make a process know it as 0");
        Ok(Started { id, stdout: stdout.map(ChildStdout::from), stderr: stderr.map(ChildStderr::from) })
    }

    /// Makes a pipe of an output if it is to be one: our end, and that of the command, which has to live until it is started.
    fn output(
        &self,
        actions: &mut PosixSpawnFileActions,
        number: i32,
    ) -> io::Result<Option<(OwnedFd, io::PipeWriter)>> {
        if self.common.outputs == Outs::Ours {
            return Ok(None);
        }
        let (ours, theirs) = io::pipe()?;
        // Never the same number, which would leave the file to be closed: our own outputs are open.
        actions.add_dup2(theirs.as_raw_fd(), number)?;
        Ok(Some((ours.into(), theirs)))
    }
}

/// # Errors
///
/// When there is a NUL in it.
fn entry(name: &OsStr, value: &OsStr) -> io::Result<CString> {
    Ok(CString::new([name.as_bytes(), b"=", value.as_bytes()].concat())?)
}

/// All signals but those that are ignored: somebody ignores them for us and for our commands, as `nohup` does. SIGPIPE is among them all the
/// same, since it is Rust that ignores it. What has a handler is set back anyhow; naming it saves the question.
fn reset() -> SigSet {
    let ignored = signals::ignored().unwrap_or(u64::MAX);
    let named = Signal::iterator().fold(0, |bits, signal| bits | signals::bit(signal));
    // The others cannot be taken out one by one.
    let mut reset = if ignored & !named == 0 { SigSet::all() } else { SigSet::empty() };
    for signal in Signal::iterator().filter(|&signal| ignored & signals::bit(signal) != 0) {
        reset.remove(signal);
    }
    reset.add(Signal::SIGPIPE);
    reset
}

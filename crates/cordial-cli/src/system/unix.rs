//! Linux, macOS and their relatives.

use std::ffi::{OsStr, OsString};
use std::io::{self, ErrorKind};
pub(crate) use std::os::fd::AsFd as PipeEnd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};
use tokio::signal::unix::{self, SignalKind};

use super::Interrupt;
use crate::failure::Failure;
use crate::shown;

/// Linux takes 131072 bytes as one argument, the NUL at its end included (`MAX_ARG_STRLEN`). Other systems limit only the sum, to
/// more than this; one limit everywhere means that a pipeline tried here works there.
pub(crate) const LONGEST_ARGUMENT: usize = 131_071;

/// What `kill_group` did, in words.
pub(crate) const KILLED: &str = "was killed with its children";

const TOO_MANY_FILES: &str = "run fewer at once (-c), or allow more open files (ulimit -n)";

/// The texts before, between and after the placeholders of a word.
pub(crate) fn split(word: OsString, placeholder: &str) -> Vec<OsString> {
    let mut texts = Vec::new();
    let mut rest = word.as_bytes();
    while let Some(at) = rest.windows(placeholder.len()).position(|part| part == placeholder.as_bytes()) {
        texts.push(OsStr::from_bytes(&rest[..at]).to_owned());
        rest = &rest[at + placeholder.len()..];
    }
    texts.push(OsStr::from_bytes(rest).to_owned());
    texts
}

/// The bytes of an item as an argument.
pub(crate) fn argument(bytes: Vec<u8>) -> Result<OsString, Failure> {
    match bytes.iter().position(|&byte| byte == 0) {
        Some(at) => Err(Failure::Nul { position: at + 1 }),
        None => Ok(OsString::from_vec(bytes)),
    }
}

/// Has the command start in a process group of its own, so that it can be killed together with the processes it starts, and so that
/// Ctrl-C at a terminal reaches only us.
pub(crate) fn own_group(command: &mut Command) {
    command.process_group(0);
}

/// Kills a running child and every process of its group. Does nothing once the end of the child was learned: from then on its number
/// may belong to somebody else.
pub(crate) fn kill_group(child: &mut Child) {
    let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    if let Some(group) = group {
        // It fails only if the whole group has ended in this moment.
        let _ = kill_process_group(group, Signal::KILL);
    }
}

/// Hands over what a pipe holds at this moment, without waiting.
///
/// The system is asked for the amount first: somebody who goes on writing must not keep us reading. Asking the system, not tokio,
/// also finds bytes of whose arrival tokio's driver has not heard yet.
pub(crate) fn read_available(pipe: &impl PipeEnd, mut take: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut left = usize::try_from(rustix::io::ioctl_fionread(pipe)?).unwrap_or(usize::MAX);
    let mut block = vec![0; left.min(64 * 1024)];
    while left > 0 {
        let most = left.min(block.len());
        match rustix::io::read(pipe, &mut block[..most]) {
            Ok(0) | Err(Errno::AGAIN) => break,
            Ok(n) => {
                take(&block[..n])?;
                left -= n;
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// How a process ended, as the end of the sentence "the command …".
pub(crate) fn ending(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with status {code}"),
        (None, Some(number)) => match signal_name(number) {
            Some(name) => format!("was ended by signal {number} ({name})"),
            None => format!("was ended by signal {number}"),
        },
        (None, None) => format!("ended in a way unknown to cordial ({status})"),
    }
}

fn signal_name(number: i32) -> Option<&'static str> {
    const NAMES: [(Signal, &str); 17] = [
        (Signal::HUP, "SIGHUP"),
        (Signal::INT, "SIGINT"),
        (Signal::QUIT, "SIGQUIT"),
        (Signal::ILL, "SIGILL"),
        (Signal::TRAP, "SIGTRAP"),
        (Signal::ABORT, "SIGABRT"),
        (Signal::BUS, "SIGBUS"),
        (Signal::FPE, "SIGFPE"),
        (Signal::KILL, "SIGKILL"),
        (Signal::USR1, "SIGUSR1"),
        (Signal::SEGV, "SIGSEGV"),
        (Signal::USR2, "SIGUSR2"),
        (Signal::PIPE, "SIGPIPE"),
        (Signal::ALARM, "SIGALRM"),
        (Signal::TERM, "SIGTERM"),
        (Signal::XCPU, "SIGXCPU"),
        (Signal::XFSZ, "SIGXFSZ"),
    ];
    NAMES.iter().find(|(signal, _)| signal.as_raw() == number).map(|(_, name)| *name)
}

/// What to do about a command that cannot be started, if there is more to say than the system says.
pub(crate) fn advice(program: &OsStr, error: &io::Error) -> Option<String> {
    let bytes = program.as_bytes();
    let shown = shown::quoted(bytes);
    match (Errno::from_io_error(error), error.kind()) {
        (_, ErrorKind::NotFound) if bytes.contains(&b'/') => {
            Some(format!("does {shown} exist, and the interpreter that its first line names?"))
        }
        (_, ErrorKind::NotFound) if bytes.contains(&b' ') => {
            Some(format!("{shown} is one word: leave out the quotes, or run it with sh -c"))
        }
        (_, ErrorKind::NotFound) => Some(format!("is {shown} installed and in PATH?")),
        (_, ErrorKind::PermissionDenied) => Some(format!("is {shown} a program that you may run (chmod +x)?")),
        (Some(Errno::TOOBIG), _) => {
            Some("its arguments and the environment are together too long for the system".to_owned())
        }
        (Some(Errno::NOEXEC), _) => Some(format!("if {shown} is a script, it needs a first line such as #!/bin/sh")),
        (Some(Errno::MFILE | Errno::NFILE), _) => {
            Some("run fewer at once (-c), or allow more open files (ulimit -n)".to_owned())
        }
        (Some(Errno::AGAIN | Errno::NOMEM), _) => {
            Some("the system has no room for more processes: run fewer at once (-c)".to_owned())
        }
        _ => None,
    }
}

/// What to do about output that cannot be kept in a temporary file.
pub(crate) fn advice_on_keeping(error: &io::Error) -> &'static str {
    match Errno::from_io_error(error) {
        Some(Errno::MFILE | Errno::NFILE) => TOO_MANY_FILES,
        _ => "set TMPDIR to a directory that has room",
    }
}

/// Requests from outside to stop, from the moment of `listen` on.
pub(crate) struct Interrupts {
    interrupt: unix::Signal,
    terminate: unix::Signal,
}

impl Interrupts {
    /// # Errors
    ///
    /// When the system refuses to install a handler.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Interrupts {
            interrupt: unix::signal(SignalKind::interrupt())?,
            terminate: unix::signal(SignalKind::terminate())?,
        })
    }

    /// Waits for the next request, without limit: most runs never see one.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Interrupt {
        tokio::select! {
            biased;
            _ = self.interrupt.recv() => Interrupt::Interrupt,
            _ = self.terminate.recv() => Interrupt::Terminate,
        }
    }
}

//! Linux, macOS and their relatives.

use std::ffi::{OsStr, OsString};
use std::io::{self, ErrorKind};
use std::os::fd::AsFd as PipeEnd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::process::Signal;
use tokio::fs::File;

use crate::system::EndedBy;
use crate::item_failure::Failure;
use crate::text::display;

/// Linux takes 131072 bytes as one argument, the NUL at its end included (`MAX_ARG_STRLEN`). Other systems limit only the sum, to
/// more than this; one limit everywhere means that a pipeline tried here works there.
pub(crate) const LONGEST_ARGUMENT: usize = 131_071;

/// What `kill_group` did, in words.
pub(crate) const KILLED: &str = "was killed with its children";

const TOO_MANY_FILES: &str = "run fewer at once (-c), or allow more open files (ulimit -n)";

/// The bytes of a word of the command line.
#[expect(clippy::unnecessary_wraps, reason = "the same signature as on Windows")]
pub(crate) fn bytes(word: OsString) -> Result<Vec<u8>, String> {
    Ok(word.into_vec())
}

/// Bytes without a NUL as a word of a command.
#[expect(clippy::unnecessary_wraps, reason = "the same signature as on Windows")]
pub(crate) fn word(bytes: Vec<u8>) -> Result<OsString, Failure> {
    Ok(OsString::from_vec(bytes))
}

/// Our standard input, to be read by us alone. What commands get instead is nothing.
///
/// From here on our own standard input is `/dev/null`, so that commands inherit it, which is cheaper than to open it for each of them.
pub(crate) fn standard_input() -> io::Result<File> {
    let input = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
    rustix::stdio::dup2_stdin(std::fs::File::open("/dev/null")?)?;
    Ok(File::from_std(input.into()))
}

/// Whether a pipe holds something, or may still come to hold it: somebody has its other end. As long as it is empty and somebody
/// has, the answer takes this time.
pub(crate) fn may_hold(pipe: &impl PipeEnd, within: Duration) -> bool {
    let mut polled = [PollFd::new(pipe, PollFlags::IN)];
    let _ = rustix::event::poll(&mut polled, Timespec::try_from(within).ok().as_ref());
    // All its writers are gone, and it holds nothing.
    polled[0].revents() != PollFlags::HUP
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

/// Whether a process cannot be started because there are so many others.
pub(crate) fn is_shortage(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE | Errno::AGAIN | Errno::NOMEM))
}

/// Whether a process ended because it was killed.
pub(crate) fn was_killed(status: ExitStatus) -> bool {
    status.signal() == Some(Signal::KILL.as_raw())
}

/// How a process ended, in numbers.
pub(crate) fn ended_by(status: ExitStatus) -> EndedBy {
    match status.signal() {
        Some(signal) => EndedBy::Signal(signal),
        None => EndedBy::Code(status.code().unwrap_or(-1)),
    }
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
    let shown = display::quoted(bytes);
    match (Errno::from_io_error(error), error.kind()) {
        (_, ErrorKind::NotFound) if bytes.contains(&b'/') => {
            Some(format!("does {shown} exist, and the interpreter that its first line names?"))
        }
        (_, ErrorKind::NotFound) if bytes.contains(&b' ') => {
            Some(format!("{shown} is one word: leave out the quotes, or run it with sh -c"))
        }
        (_, ErrorKind::NotFound) => Some(format!("is {shown} installed and in PATH?")),
        (_, ErrorKind::PermissionDenied) => Some(format!("is {shown} a program that you may run (chmod +x)?")),
        (Some(Errno::TOOBIG), _) => Some(
            "its arguments and the environment are together too long for the system: give it fewer items (-n)"
                .to_owned(),
        ),
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

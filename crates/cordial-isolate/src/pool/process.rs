//! Starts, watches and reaps one worker process.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cordial::LostCause;
use rustix::event::poll;
use rustix::io::ioctl_fionbio;
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use super::clock::now;
use super::config::Config;
use super::os_process::OsProcess;
use super::output::{Output, StdStream};
use crate::descendants;
use crate::init::Initialized;
use crate::kernel;
use crate::worker::{VARIABLE, WorkerSettings, socket_number};

/// A link to the program that this process runs, even if the file of the program was replaced or deleted.
const THIS_PROGRAM: &str = "/proc/self/exe";

/// Why it is not known how a worker has ended, if the system has no status of its exit.
const NO_STATUS: &str = "its OS process is gone, and the system does not say why, because this program ignores SIGCHLD or waits for all of its child processes; set SIGCHLD to its default, and wait for single processes";

/// The number of the next worker of any pool of this program.
static NEXT_WORKER: AtomicU64 = AtomicU64::new(1);

/// A worker process that was started.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    /// The variable in the environment of the worker and of everything that it has started.
    pub(super) mark: Arc<str>,
    pub(super) os: Arc<OsProcess>,
    pub(super) stdout: Output,
    pub(super) stderr: Output,
}

impl Process {
    /// Starts a worker, and returns it with the pool's end of the socket.
    ///
    /// The calling thread has to live as long as the worker, which gets the parent-death signal when that thread ends.
    pub(super) fn start(config: &Config, initialized: Option<&Initialized>) -> io::Result<(Process, OwnedFd)> {
        let (ours, theirs) = UnixStream::pair()?;
        let settings = WorkerSettings {
            parent: rustix::process::getpid().as_raw_nonzero().get(),
            socket: socket_number(&theirs)?,
            worker: NEXT_WORKER.fetch_add(1, Ordering::Relaxed),
            max_payload: config.max_payload,
            memory: config.memory,
            cpu_time: config.cpu_time,
        };
        let mut command = match &config.program {
            Some(path) => Command::new(path),
            None => this_program(initialized.map_or(&[], |initialized| &initialized.arguments)),
        };
        command.env(VARIABLE, settings.encode());
        command.stdin(OwnedFd::from(theirs)).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A group of its own, so that what the worker starts ends with it, and Ctrl-C reaches the pool only.
        let mut child = command.process_group(0).spawn()?;
        let os = Arc::new(OsProcess::new(Pid::from_child(&child)));
        let stdout = OwnedFd::from(child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?);
        let stderr = OwnedFd::from(child.stderr.take().ok_or(io::ErrorKind::BrokenPipe)?);
        ioctl_fionbio(&stdout, true)?;
        ioctl_fionbio(&stderr, true)?;
        let stdout = Output::new(stdout, StdStream::Stdout);
        let stderr = Output::new(stderr, StdStream::Stderr);
        Ok((Process { child, mark: settings.mark().into(), os, stdout, stderr }, OwnedFd::from(ours)))
    }

    /// Returns how the process has exited, and does not reap it. `None` while it runs.
    pub(super) fn exited(&self) -> Option<LostCause> {
        match self.os.status() {
            Ok(Some(status)) => Some(match (status.terminating_signal(), status.exit_status()) {
                (Some(signal), _) => LostCause::signal(signal),
                (None, code) => LostCause::ExitCode(code.unwrap_or_default()),
            }),
            Ok(None) | Err(rustix::io::Errno::INTR) => None,
            Err(rustix::io::Errno::CHILD) => Some(LostCause::ConnectionLost { reason: NO_STATUS.into() }),
            Err(error) => Some(LostCause::ConnectionLost { reason: format!("its OS process is gone: {error}").into() }),
        }
    }

    /// Kills the processes that this exited worker has started and that have left its group.
    pub(super) fn kill_orphans(&self) {
        descendants::kill_orphans(&self.mark);
    }

    /// Reaps the process, which has exited, and the killed processes of its group that have become children of this program. Orphans become its
    /// children if it is process 1 of a container, or a subreaper.
    pub(super) fn reap(&mut self) {
        if self.os.is_reaped() {
            // Another child of this program may have its number, and must be neither reaped nor awaited.
            return;
        }
        let limit = now() + descendants::WAIT_AFTER_KILL;
        loop {
            match waitid(WaitId::Pgid(Some(self.os.id)), WaitIdOptions::EXITED | WaitIdOptions::NOHANG) {
                Ok(Some(_)) | Err(rustix::io::Errno::INTR) => {}
                // Some are still being killed.
                Ok(None) if now() < limit => drop(poll(&mut [], Some(&kernel::PAUSE))),
                Ok(None) | Err(_) => break,
            }
        }
        // A function may have moved the worker to another group.
        let _ = self.child.wait();
    }

    /// Returns the descriptors to wait for, besides the socket.
    pub(super) fn descriptors(&self) -> [Option<std::os::fd::BorrowedFd<'_>>; 3] {
        [
            self.stdout.pipe().map(AsFd::as_fd),
            self.stderr.pipe().map(AsFd::as_fd),
            self.os.descriptor.as_ref().map(AsFd::as_fd),
        ]
    }
}

/// Returns the command that starts this program again.
fn this_program(arguments: &[OsString]) -> Command {
    let mut command = if Path::new(THIS_PROGRAM).exists() {
        Command::new(THIS_PROGRAM)
    } else {
        Command::new(std::env::current_exe().unwrap_or_else(|_| THIS_PROGRAM.into()))
    };
    let own: Vec<OsString> = std::env::args_os().collect();
    let whole = fs::read("/proc/self/cmdline").unwrap_or_default();
    let loader = loader_arguments(&whole, &own);
    match loader.first().or(own.first()) {
        Some(name) => command.arg0(name),
        None => &mut command,
    };
    command.args(loader.iter().skip(1)).args(arguments);
    command
}

/// If this program was started by the dynamic loader (`ld.so PROGRAM`), the executable is the loader. Returns the arguments of the loader then, up to
/// the name of this program; otherwise none. `whole` are all arguments of this OS process, each with a zero byte at its end, and `own` are those that
/// this program sees.
fn loader_arguments(whole: &[u8], own: &[OsString]) -> Vec<OsString> {
    let whole: Vec<&[u8]> = whole.strip_suffix(b"\0").unwrap_or_default().split(|byte| *byte == 0).collect();
    let Some(n_loader) = whole.len().checked_sub(own.len()).filter(|n| *n > 0 && !own.is_empty()) else {
        return Vec::new();
    };
    if !whole[n_loader..].iter().zip(own).all(|(part, own)| *part == own.as_bytes()) {
        return Vec::new();
    }
    whole[..=n_loader].iter().map(|part| OsString::from_vec(part.to_vec())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_of_the_loader_are_those_before_the_own_ones() {
        let own = ["./program", "a", ""].map(OsString::from);
        let loader = |whole: &str| loader_arguments(whole.as_bytes(), &own);
        assert_eq!(loader("ld.so\0--argv0\0x\0./program\0a\0\0"), ["ld.so", "--argv0", "x", "./program"]);
        for whole in ["./program\0a\0\0", "another title\0\0\0\0\0", "", "./program\0"] {
            assert!(loader(whole).is_empty(), "{whole:?}");
        }
        assert!(loader_arguments(b"a\0b\0", &[]).is_empty());
    }
}

//! Whether this process is a worker, and of which pool.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::time::Duration;

use nix::unistd;
use rustix::io::fcntl_dupfd_cloexec;
use rustix::process::{Pid, Signal, getpid, getppid};
use rustix::stdio::{dup2_stdin, stdin};

use crate::kernel;

/// The environment variable that makes a process a worker.
pub(crate) const VARIABLE: &str = "CORDIAL_ISOLATE_WORKER";

/// The lowest descriptor that the socket may get: C libraries expect the ones below to be standard streams.
const SOCKET_FROM: i32 = 3;

/// The settings that the pool gives to a worker: the value of [`VARIABLE`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WorkerSettings {
    /// The OS process of the pool.
    pub(crate) parent: i32,
    /// The number that the system gives to the worker's end of the socket: no other socket of the machine has it.
    pub(crate) socket: u64,
    /// The number of the worker, among all workers that the process of its pool has started. It makes the variable unique: the processes that the
    /// worker starts inherit the variable, and are found by it.
    pub(crate) worker: u64,
    /// The largest argument or result.
    pub(crate) max_payload: usize,
    /// How much memory a worker may allocate.
    pub(crate) memory: Option<u64>,
    /// How much processor time a call may use.
    pub(crate) cpu_time: Option<Duration>,
}

impl WorkerSettings {
    /// Returns the environment variable of the worker, which everything that it starts inherits: `NAME=value`.
    pub(crate) fn mark(&self) -> String {
        format!("{VARIABLE}={}", self.encode())
    }

    /// Returns the value of the environment variable.
    pub(crate) fn encode(&self) -> String {
        let WorkerSettings { parent, socket, worker, max_payload, memory, cpu_time } = self;
        let memory = memory.map_or_else(String::new, |bytes| bytes.to_string());
        let cpu_time = cpu_time.map_or_else(String::new, |limit| limit.as_nanos().to_string());
        format!("{parent}:{socket}:{worker}:{max_payload}:{memory}:{cpu_time}")
    }

    fn decode(text: &str) -> Option<WorkerSettings> {
        let mut parts = text.split(':');
        let parent = parts.next()?.parse().ok()?;
        let socket = parts.next()?.parse().ok()?;
        let worker = parts.next()?.parse().ok()?;
        let max_payload = parts.next()?.parse().ok()?;
        let memory = parts.next()?.parse().ok();
        let cpu_time = parts.next()?.parse().ok().map(Duration::from_nanos);
        Some(WorkerSettings { parent, socket, worker, max_payload, memory, cpu_time })
    }
}

/// Whether this process is a worker.
pub(super) enum Role {
    NoWorker,
    /// A worker that cannot serve, for this reason. It must not run the user's program either.
    Unable(&'static str),
    Worker(WorkerSettings, OwnedFd),
}

/// Why a worker cannot serve if its parent is the pool and it leads its group, but its standard input is not the socket.
const NO_SOCKET: &str =
    "standard input is not the socket of the pool any more; do not replace it before `cordial_isolate::init` or `main`";

/// Why a process cannot serve if its standard input is the socket, but its parent is not the pool.
const OTHER_PARENT: &str = "its parent is not the program with the pool: either that program has ended, or it has started a program in between, which has to begin this one by `exec`, in the same PID namespace (no `unshare --fork`)";

impl Role {
    /// Returns the role of this process. A process is a worker if the environment variable names the socket at its standard input. A process
    /// that a worker starts has the variable too, and another standard input and parent. The pid of the process at the other end of the socket
    /// is not compared: in another PID namespace it is 0.
    pub(super) fn find() -> Role {
        let Some(settings) = std::env::var(VARIABLE).ok().as_deref().and_then(WorkerSettings::decode) else {
            return Role::NoWorker;
        };
        match socket_number(stdin()) {
            Ok(socket) if socket == settings.socket => {}
            // The pool is also the parent of an orphan of a worker if it is the process that adopts orphans, as in a container. Such an orphan
            // is in the group of a worker, or leads a session.
            _ if parent() == Some(settings.parent) && leads_its_group() && !leads_its_session() => {
                return Role::Unable(NO_SOCKET);
            }
            _ => return Role::NoWorker,
        }
        Role::prepare(settings).unwrap_or(Role::Unable("the system does not let it take its socket"))
    }

    /// Prepares the process. Returns `Unable` if the parent is not the pool.
    fn prepare(settings: WorkerSettings) -> io::Result<Role> {
        let socket = fcntl_dupfd_cloexec(stdin(), SOCKET_FROM)?;
        dup2_stdin(File::open("/dev/null")?.as_fd())?;
        kernel::set_parent_death_signal(PARENT_DEATH)?;
        // The parent may have ended before the signal for its death was set.
        if parent() != Some(settings.parent) {
            return Ok(Role::Unable(OTHER_PARENT));
        }
        // The pool has set the group already, where the system lets it.
        let _ = rustix::process::setpgid(None::<Pid>, Some(getpid()));
        Ok(Role::Worker(settings, socket))
    }
}

/// Returns the number that the system gives to a socket: it is the same for all of its descriptors, in all processes. A descriptor of another
/// kind is an error, because a file may have the same number.
pub(crate) fn socket_number(socket: impl AsFd) -> io::Result<u64> {
    let metadata = File::from(socket.as_fd().try_clone_to_owned()?).metadata()?;
    if !metadata.file_type().is_socket() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    Ok(metadata.ino())
}

// These functions use `nix`: a group or session that was made outside the PID namespace has the number 0, which a `Pid` of `rustix` cannot hold.

fn leads_its_group() -> bool {
    unistd::getpgrp() == unistd::getpid()
}

fn leads_its_session() -> bool {
    unistd::getsid(None) == Ok(unistd::getpid())
}

/// Returns the parent of this process; `None` if it is in another PID namespace.
pub(super) fn parent() -> Option<i32> {
    getppid().map(|parent| parent.as_raw_nonzero().get())
}

/// The signal that a worker gets when the thread of its pool ends. Of all signals that do not end a process, this one alone reaches a
/// process that is stopped.
pub(super) const PARENT_DEATH: Signal = Signal::CONT;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_come_back() {
        for (memory, cpu_time) in [(None, None), (Some(1 << 40), Some(Duration::from_millis(1500)))] {
            let settings = WorkerSettings { parent: 7, socket: 9, worker: 3, max_payload: 64 << 20, memory, cpu_time };
            assert_eq!(WorkerSettings::decode(&settings.encode()), Some(settings));
        }
        assert_eq!(WorkerSettings::decode("nonsense"), None);
    }
}

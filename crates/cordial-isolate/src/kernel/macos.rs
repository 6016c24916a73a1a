//! What the kernel of macOS offers instead of the functions of Linux.

use std::io;
use std::os::fd::OwnedFd;

use rustix::net::SendFlags;
use rustix::process::{Pid, Signal, WaitId, kill_process};

/// Programs in Rust ignore SIGPIPE, so no flag is needed.
pub(crate) const NO_SIGNAL: SendFlags = SendFlags::empty();

/// The option of a pool that this system does not have: its kernel does not keep limits for memory.
pub(crate) const MISSING_OPTION: Option<&str> = Some("memory");

/// Does nothing, because there is no such signal: a worker sees the end of its pool by the end of the socket.
pub(crate) fn set_parent_death_signal(_signal: Signal) -> io::Result<()> {
    Ok(())
}

/// Returns `None`, because there is no such descriptor: the pool asks from time to time whether a worker has exited.
pub(crate) fn exit_descriptor(_os_pid: Pid) -> Option<OwnedFd> {
    None
}

/// Returns how `waitid` finds a child process: by its number.
pub(crate) fn wait_id(os_pid: Pid, _descriptor: Option<&OwnedFd>) -> WaitId<'_> {
    WaitId::Pid(os_pid)
}

/// Sends a signal to one process.
pub(crate) fn send_signal(os_pid: Pid, _descriptor: Option<&OwnedFd>, signal: Signal) -> rustix::io::Result<()> {
    kill_process(os_pid, signal)
}

/// Returns `false`, because this is not known.
pub(crate) fn is_exiting(_os_pid: Pid) -> bool {
    false
}

//! What the kernel of Linux offers and that of macOS does not, or offers in another way.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use rustix::net::SendFlags;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, set_parent_process_death_signal};

/// Sending to a socket whose other end is closed is an error, and does not send SIGPIPE.
pub(crate) const NO_SIGNAL: SendFlags = SendFlags::NOSIGNAL;

/// The option of a pool that this system does not have.
pub(crate) const MISSING_OPTION: Option<&str> = None;

/// Returns the process that has made the socket pair of this socket. `None` if this is not a socket.
///
/// Not that of `rustix`, whose type for a process does not allow 0, which is a process of an outer PID namespace.
pub(crate) fn maker_of(socket: impl AsFd) -> Option<i32> {
    getsockopt(&socket, PeerCredentials).ok().map(|credentials| credentials.pid())
}

/// Lets this process get a signal when the thread that has started it ends.
pub(crate) fn set_parent_death_signal(signal: Signal) -> io::Result<()> {
    Ok(set_parent_process_death_signal(Some(signal))?)
}

/// Returns a descriptor that becomes readable when the process has exited.
pub(crate) fn exit_descriptor(os_pid: Pid) -> Option<OwnedFd> {
    pidfd_open(os_pid, PidfdFlags::empty()).ok()
}

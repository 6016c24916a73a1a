//! What the kernel of Linux offers and that of macOS does not, or offers in another way.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::net::SendFlags;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, getpid, kill_process, pidfd_open, pidfd_send_signal,
    set_parent_process_death_signal,
};

/// With this flag, a write to a socket whose other end is closed returns an error, and does not raise SIGPIPE.
pub(crate) const NO_SIGNAL: SendFlags = SendFlags::NOSIGNAL;

/// The option of a pool that this system does not have.
pub(crate) const MISSING_OPTION: Option<&str> = None;

/// Lets this process get a signal when the thread that has started it ends.
pub(crate) fn set_parent_death_signal(signal: Signal) -> io::Result<()> {
    Ok(set_parent_process_death_signal(Some(signal))?)
}

/// Returns a descriptor of a process, which becomes readable when the process has exited. `None` if the kernel gives none.
pub(crate) fn exit_descriptor(os_pid: Pid) -> Option<OwnedFd> {
    pidfd_open(os_pid, PidfdFlags::empty()).ok()
}

/// Returns how `waitid` finds a child process: by its descriptor, if there is one, because another child may have its number.
pub(crate) fn wait_id(os_pid: Pid, descriptor: Option<&OwnedFd>) -> WaitId<'_> {
    descriptor.map_or(WaitId::Pid(os_pid), |descriptor| WaitId::PidFd(descriptor.as_fd()))
}

/// Sends a signal to one process: by its descriptor, if there is one, because another process may have its number.
pub(crate) fn send_signal(os_pid: Pid, descriptor: Option<&OwnedFd>, signal: Signal) -> rustix::io::Result<()> {
    match descriptor {
        Some(descriptor) => pidfd_send_signal(descriptor, signal),
        None => kill_process(os_pid, signal),
    }
}

/// The flag of a process that is exiting (`PF_EXITING`), in the column of `stat` that has its flags.
const EXITING: u32 = 4;
const FLAGS: usize = 6;

/// Returns whether a process has begun to exit: nothing changes its exit status any more, but on a busy machine it may take a while until the
/// process has that status. `false` if this cannot be known.
pub(crate) fn is_exiting(os_pid: Pid) -> bool {
    let flags = || stat_column(os_pid.as_raw_nonzero().get(), FLAGS)?.parse::<u32>().ok();
    proc_is_own() && flags().is_some_and(|flags| flags & EXITING != 0)
}

/// Returns whether `/proc` belongs to the PID namespace of this process. It does not after `unshare --fork --pid` without
/// `--mount-proc`, or in a container with the `/proc` of its host.
pub(crate) fn proc_is_own() -> bool {
    let own = getpid().as_raw_nonzero().get().to_string();
    fs::read_link("/proc/self").is_ok_and(|number| number.as_os_str() == own.as_str())
}

/// Returns a column of the `stat` of a process. The state, which follows the name of the program, is column 0.
pub(crate) fn stat_column(os_pid: i32, column: usize) -> Option<String> {
    // The name of the program stands in parentheses, and may have some itself. It is cut off after 15 bytes, also within a character.
    let stat = fs::read(format!("/proc/{os_pid}/stat")).ok()?;
    String::from_utf8_lossy(&stat).rsplit_once(") ")?.1.split(' ').nth(column).map(str::to_owned)
}

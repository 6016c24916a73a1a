//! How long to wait around the exit of a command, on this machine and on a worker of a fleet.

use std::time::Duration;

/// How long the outputs are read after the process has exited, if other processes hold them open.
pub(crate) const PIPE_LINGER: Duration = Duration::from_millis(100);

/// How long to wait for the exit of a process that was killed. A process in an uninterruptible system call may never exit, so the outcome
/// of its command is reported after this time.
pub(crate) const KILL_TIMEOUT: Duration = Duration::from_secs(1);

/// How long to wait for the exit of a command before its outputs are read. Most commands exit sooner and write little. Reading
/// their outputs once, after the exit, saves more than half of the system calls.
pub(crate) const READ_DELAY: Duration = Duration::from_millis(4);

/// How long to wait, after the exit of a command, for its pipes to be closed by a child that another thread starts. Between `fork`
/// and `exec`, that child holds copies of all file descriptors of `cordial`. If a pipe is still open after this time, the outputs are read.
pub(crate) const FORK_TO_EXEC: Duration = Duration::from_millis(1);

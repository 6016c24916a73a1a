//! Locks a file against other runs of `cordial`.

use std::fs::File;
use std::thread;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// The pause between two attempts.
const PAUSE: Duration = Duration::from_millis(10);

/// The number of attempts, which take about two seconds together. A lock that another run holds may be free a moment later: if a run
/// is killed while it starts a command, the forked child holds the lock of that run until the child calls `exec`.
const TRIES: u32 = 200;

/// Locks a file or a directory. The lock ends when `file` and each copy of its descriptor, such as that of a forked child, are closed.
/// Returns false if another run holds the lock. Returns true without a lock where files cannot be locked, as on some network file
/// systems.
pub(crate) fn try_lock(file: &File) -> bool {
    for n in 1..=TRIES {
        match flock(file, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::AGAIN) if n < TRIES => thread::sleep(PAUSE),
            Err(Errno::AGAIN) => return false,
            _ => return true,
        }
    }
    false
}

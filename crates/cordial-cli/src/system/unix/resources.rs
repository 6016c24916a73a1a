//! Resources of the machine and the user: load, free memory, priority, the number of commands that may run at once, and the login
//! directory.

use std::fs;
use std::io;
use std::path::PathBuf;

use nix::unistd::{User, getuid};
use rustix::process::{Resource, getrlimit, nice};

/// How many files may be open besides those of the commands.
const OWN_FILES: u64 = 64;

/// The same where few files are allowed, and so there are few threads.
const FEWEST_OWN_FILES: u64 = 25;

/// The number of files for each command without `--pipe`: the read ends of two pipes, one file that reports its exit, and two
/// temporary files for large outputs. The write ends of the pipes are open only while the command starts.
const FILES_PER_COMMAND: u64 = 5;

/// Returns the largest number of commands that may run at once within the limit on open files, and within half of the limit on
/// processes. At least 1 and at most 10000.
pub(crate) fn max_concurrency() -> usize {
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let processes = getrlimit(Resource::Nproc).current.unwrap_or(u64::MAX);
    let limit =
        (files.saturating_sub(OWN_FILES.min((files / 2).max(FEWEST_OWN_FILES))) / FILES_PER_COMMAND).min(processes / 2);
    // Without other limits, process ids are the scarcest resource.
    limit.clamp(1, 10_000) as usize
}

/// Returns how large the stack of the main thread may become, in bytes; `None` without a limit.
pub(crate) fn main_stack_bytes() -> Option<u64> {
    getrlimit(Resource::Stack).current
}

/// Adds `by` to the nice value: on Linux of the calling thread, and elsewhere of this program. Threads and commands that are started
/// afterwards from there inherit the value.
///
/// # Errors
///
/// When the system refuses.
pub(crate) fn lower_priority(by: i32) -> io::Result<()> {
    nice(by)?;
    Ok(())
}

/// Returns the load average of the last minute: how many threads ran, waited for a core or waited for the disk.
///
/// # Errors
///
/// When the system does not report it in `/proc`.
pub(crate) fn load_average() -> io::Result<f64> {
    let text = fs::read_to_string("/proc/loadavg")?;
    text.split(' ').next().and_then(|number| number.parse().ok()).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Returns the memory that programs can allocate without swapping, in bytes.
///
/// # Errors
///
/// When the system does not report it in `/proc`.
pub(crate) fn free_memory() -> io::Result<u64> {
    memory("MemAvailable:")
}

/// Returns the memory of the machine, in bytes.
///
/// # Errors
///
/// When the system does not report it in `/proc`.
pub(crate) fn total_memory() -> io::Result<u64> {
    memory("MemTotal:")
}

fn memory(name: &str) -> io::Result<u64> {
    let text = fs::read_to_string("/proc/meminfo")?;
    let number = text.lines().find_map(|line| line.strip_prefix(name)?.trim().strip_suffix(" kB"));
    number
        .and_then(|number| number.parse::<u64>().ok())
        .map(|kib| kib << 10)
        .ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Returns the login directory of the user of this program, as the user database names it. `None` if the user is not there.
pub(crate) fn login_directory() -> Option<PathBuf> {
    Some(User::from_uid(getuid()).ok()??.dir)
}

//! The load, the memory and the limits of the machine, the priority of programs, and the login directory of the user.

use std::fs;
use std::io;
use std::path::PathBuf;

use nix::unistd::{User, getuid};
use rustix::process::{Resource, getrlimit, nice};

/// How many files this program may have open in addition to the files of the commands.
const OWN_FILES: u64 = 64;

/// If half of the limit on open files is less than `OWN_FILES`, that half takes its place, but never less than this number. So low a limit
/// lets few commands run at once, on few threads.
const FEWEST_OWN_FILES: u64 = 25;

/// The number of files for each command without `--pipe`: the read ends of two pipes, one file that reports its exit, and two
/// temporary files for large outputs. The write ends of the pipes are open only while the command starts.
const FILES_PER_COMMAND: u64 = 5;

/// The address space of a thread: a stack of 2 MiB, its guard page, and what the C library adds.
const BYTES_OF_THREAD: u64 = 3 << 20;

/// The address space that glibc takes for the heap of a thread.
const BYTES_OF_HEAP: u64 = 64 << 20;

/// The address space that is kept free for allocations. An allocation that fails ends the program.
const BYTES_OF_ALLOCATIONS: u64 = 8 << 20;

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

/// Returns whether the address space of this program is limited (`ulimit -v`).
pub(crate) fn has_address_space_limit() -> bool {
    getrlimit(Resource::As).current.is_some()
}

/// Checks that a limit on the address space leaves room for one more thread. The standard library ends the program if a new thread finds
/// no room for the stack of its signal handlers, which is mapped last.
///
/// # Errors
///
/// When the room is too small. The error names the limit and says what to do.
pub(crate) fn check_room_for_thread() -> io::Result<()> {
    let Some(limit) = getrlimit(Resource::As).current else { return Ok(()) };
    let has_room = match kibibytes("/proc/self/status", "VmSize:") {
        Ok(used) => is_room_for_thread(limit.saturating_sub(used << 10)),
        // Without `/proc`, the check is whether an allocation of this size succeeds. It is freed at once.
        Err(_) => {
            let wanted = usize::try_from(BYTES_OF_THREAD + BYTES_OF_HEAP + BYTES_OF_ALLOCATIONS);
            wanted.is_ok_and(|wanted| Vec::<u8>::new().try_reserve_exact(wanted).is_ok())
        }
    };
    if has_room {
        return Ok(());
    }
    let message = format!(
        "`ulimit -v` (RLIMIT_AS) allows {} KiB of address space, and the rest of it has no room for another thread; raise that limit",
        limit >> 10
    );
    Err(io::Error::new(io::ErrorKind::OutOfMemory, message))
}

/// Returns whether `free` bytes of address space are enough for a thread, and for allocations after its start.
fn is_room_for_thread(free: u64) -> bool {
    let Some(rest) = free.checked_sub(BYTES_OF_THREAD) else { return false };
    // The heap of the thread is mapped before the stack of its signal handlers. If there is no room for the heap, the thread runs without it.
    rest.checked_sub(BYTES_OF_HEAP).unwrap_or(rest) >= BYTES_OF_ALLOCATIONS
}

/// The bytes that are reserved for what `max_words_bytes` cannot count: the variables that only the commands get, the path of the program,
/// and the program that the first line of a script names.
const ROOM_FOR_OTHER_WORDS: u64 = 8 << 10;

/// Returns how many bytes the words of a command may have. Each word counts with its NUL byte and a pointer, and the environment of this
/// program is already subtracted. The system may refuse a command with more bytes.
pub(crate) fn max_words_bytes() -> usize {
    let variables = std::env::vars_os().map(|(name, value)| name.len() + value.len() + 2 + size_of::<usize>());
    let environment: usize = variables.sum();
    let room = max_start_bytes().saturating_sub(ROOM_FOR_OTHER_WORDS).saturating_sub(environment as u64);
    usize::try_from(room).unwrap_or(usize::MAX)
}

/// Returns how many bytes the words and the environment of a command may have together: on Linux, a quarter of the stack, but at least
/// 128 KiB and at most 6 MiB.
#[cfg(target_os = "linux")]
fn max_start_bytes() -> u64 {
    (getrlimit(Resource::Stack).current.unwrap_or(u64::MAX) / 4).clamp(128 << 10, 6 << 20)
}

/// Returns how many bytes the words and the environment of a command may have together: the smallest limit of macOS and the BSDs.
#[cfg(not(target_os = "linux"))]
fn max_start_bytes() -> u64 {
    512 << 10
}

/// Returns how large the stack of the main thread may become, in bytes; `None` without a limit.
pub(crate) fn main_stack_bytes() -> Option<u64> {
    getrlimit(Resource::Stack).current
}

/// Adds `by` to the nice value of the calling thread on Linux, and of this program elsewhere. Threads and commands that this thread or
/// program starts afterwards inherit the value.
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
    kibibytes("/proc/meminfo", "MemAvailable:").map(|kib| kib << 10)
}

/// Returns the memory of the machine, in bytes.
///
/// # Errors
///
/// When the system does not report it in `/proc`.
pub(crate) fn total_memory() -> io::Result<u64> {
    kibibytes("/proc/meminfo", "MemTotal:").map(|kib| kib << 10)
}

/// Finds the line that begins with `name` in a file, and returns the number in this line, which is in KiB.
fn kibibytes(path: &str, name: &str) -> io::Result<u64> {
    let text = fs::read_to_string(path)?;
    let number = text.lines().find_map(|line| line.strip_prefix(name)?.trim().strip_suffix(" kB"));
    number.and_then(|number| number.trim().parse().ok()).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Returns the login directory of the user of this program from the user database. `None` if the database does not contain the user.
pub(crate) fn login_directory() -> Option<PathBuf> {
    Some(User::from_uid(getuid()).ok()??.dir)
}

#[cfg(test)]
mod tests {
    use super::is_room_for_thread;

    #[test]
    fn a_thread_has_room_for_its_last_stack_whether_it_gets_a_heap_or_not() {
        for (mib, is_room) in
            [(0, false), (10, false), (11, true), (66, true), (67, false), (74, false), (75, true), (1024, true)]
        {
            assert_eq!(is_room_for_thread(mib << 20), is_room, "{mib} MiB");
        }
    }
}

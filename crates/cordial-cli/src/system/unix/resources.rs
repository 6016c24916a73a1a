//! What the machine has left, and what it allows.

use std::fs;
use std::io;

use rustix::process::{Resource, getrlimit, nice};

/// Files that are open besides those of the commands.
const OUR_FILES: u64 = 64;

/// Files for each command: the ends of two pipes while it starts, one that tells of its end, and two for large outputs.
const FILES_EACH: u64 = 5;

/// How many commands the system allows at once.
pub(crate) fn most_at_once() -> usize {
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let processes = getrlimit(Resource::Nproc).current.unwrap_or(u64::MAX);
    let most = (files.saturating_sub(OUR_FILES) / FILES_EACH).min(processes / 2);
    // A process number is the scarcest thing where nothing else is limited.
    most.clamp(1, 10_000) as usize
}

/// Lowers our own priority, which commands inherit. To be called before there are threads.
///
/// # Errors
///
/// When the system refuses.
pub(crate) fn lower_priority(by: i32) -> io::Result<()> {
    nice(by)?;
    Ok(())
}

/// How many processes were ready to run on average of the last minute.
///
/// # Errors
///
/// When the system does not tell.
pub(crate) fn load() -> io::Result<f64> {
    let text = fs::read_to_string("/proc/loadavg")?;
    text.split(' ').next().and_then(|number| number.parse().ok()).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// The bytes that programs can have without making others slow.
///
/// # Errors
///
/// When the system does not tell.
pub(crate) fn free_memory() -> io::Result<u64> {
    let text = fs::read_to_string("/proc/meminfo")?;
    let number = text.lines().find_map(|line| line.strip_prefix("MemAvailable:")?.trim().strip_suffix(" kB"));
    number
        .and_then(|number| number.parse::<u64>().ok())
        .map(|kib| kib << 10)
        .ok_or_else(|| io::ErrorKind::InvalidData.into())
}

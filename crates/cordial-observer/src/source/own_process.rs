//! What the operating system knows about this program.

use std::fs;
use std::time::Duration;

/// The processor time and the memory of the program at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// Processor time of all threads since the program was started. `None` if the system does not show it.
    pub(crate) cpu: Option<Duration>,
    /// Resident memory, in bytes. `None` if the system does not show it.
    pub(crate) rss_bytes: Option<u64>,
}

/// This program, as the operating system sees it.
#[derive(Debug)]
pub(crate) struct OwnProcess;

impl OwnProcess {
    pub(crate) fn usage() -> Usage {
        Usage { cpu: cpu_time(), rss_bytes: resident_memory() }
    }

    /// Returns the name of the executable.
    pub(crate) fn name() -> String {
        let path = std::env::current_exe().ok();
        let name = path.as_ref().and_then(|path| path.file_name()).map(|name| name.to_string_lossy().into_owned());
        name.unwrap_or_else(|| "program".to_owned())
    }
}

#[cfg(unix)]
fn cpu_time() -> Option<Duration> {
    use nix::sys::resource::{UsageWho, getrusage};
    use nix::sys::time::TimeValLike;

    let usage = getrusage(UsageWho::RUSAGE_SELF).ok()?;
    let microseconds = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Some(Duration::from_micros(u64::try_from(microseconds).ok()?))
}

#[cfg(not(unix))]
fn cpu_time() -> Option<Duration> {
    None
}

/// Reads the line `VmRSS:    12345 kB` of `/proc/self/status`, which only Linux has.
fn resident_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

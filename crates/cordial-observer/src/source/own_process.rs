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

    /// Returns how long ago the program was started. `None` if the system does not show it.
    pub(crate) fn age() -> Option<Duration> {
        let up = seconds(fs::read_to_string("/proc/uptime").ok()?.split(' ').next()?)?;
        // The name of the executable, of which the system keeps 15 bytes, may end within a character.
        up.checked_sub(since_boot(&String::from_utf8_lossy(&fs::read("/proc/self/stat").ok()?))?)
    }

    /// Returns the processor time of the calling thread since its start. `None` on systems other than Linux.
    pub(crate) fn thread_time() -> Option<Duration> {
        thread_time()
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
    cpu_time_of(nix::sys::resource::UsageWho::RUSAGE_SELF)
}

#[cfg(target_os = "linux")]
fn thread_time() -> Option<Duration> {
    cpu_time_of(nix::sys::resource::UsageWho::RUSAGE_THREAD)
}

#[cfg(unix)]
fn cpu_time_of(who: nix::sys::resource::UsageWho) -> Option<Duration> {
    use nix::sys::time::TimeValLike;

    let usage = nix::sys::resource::getrusage(who).ok()?;
    let microseconds = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Some(Duration::from_micros(u64::try_from(microseconds).ok()?))
}

#[cfg(not(unix))]
fn cpu_time() -> Option<Duration> {
    None
}

#[cfg(not(target_os = "linux"))]
fn thread_time() -> Option<Duration> {
    None
}

/// How many ticks a second has in `/proc`. The number is part of the interface between Linux and its programs.
const TICKS_PER_SECOND: u32 = 100;

/// Reads from `/proc/self/stat` how long the system had run when this program was started. The name of the program, which is the
/// second field, may contain spaces and brackets.
fn since_boot(stat: &str) -> Option<Duration> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let ticks: u64 = after_name.split_whitespace().nth(19)?.parse().ok()?;
    Some(Duration::from_secs(ticks) / TICKS_PER_SECOND)
}

/// Reads a number of seconds such as `1234.56`.
fn seconds(text: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(text.trim().parse().ok()?).ok()
}

/// Reads the line `VmRSS:    12345 kB` of `/proc/self/status`, which only Linux has.
fn resident_memory() -> Option<u64> {
    // As in `age`, the text may not be valid UTF-8: one line has the name of the executable.
    let status = fs::read("/proc/self/status").ok()?;
    let status = String::from_utf8_lossy(&status);
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_of_a_program_with_any_name_is_found() {
        let rest = "S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4250 20 21";
        for name in ["cat", "a b", "a) b (c", ") 1 2"] {
            assert_eq!(since_boot(&format!("77 ({name}) {rest}")), Some(Duration::from_millis(42_500)));
        }
        assert_eq!(since_boot("77 (cat) S"), None);
    }
}

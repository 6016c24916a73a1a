//! The limits of a worker: one on its memory, for its whole life, and one on the processor time of each call.

use std::fs;
use std::io;
use std::time::Duration;

use nix::sys::signal::{SigEvent, SigevNotify, Signal};
use nix::sys::time::TimeSpec;
use nix::sys::timer::{Expiration, Timer, TimerSetTimeFlags};
use nix::time::ClockId;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// How much more address space than memory a worker may use, for mapped files and for what its allocator reserves. The address space is
/// limited as well, because the limit on data (`RLIMIT_DATA`) does not count shared memory.
const SPARE_ADDRESS_SPACE: u64 = 1 << 30;

/// Lets the process allocate this many bytes in addition to what it uses now.
pub(super) fn limit_memory(bytes: u64) -> io::Result<()> {
    let status = fs::read_to_string("/proc/self/status")?;
    lower(Resource::Data, used(&status, "VmData:")?.saturating_add(bytes))?;
    lower(Resource::As, used(&status, "VmSize:")?.saturating_add(bytes).saturating_add(SPARE_ADDRESS_SPACE))
}

/// Sets a limit. If a lower limit is set already, that one stays.
fn lower(resource: Resource, bytes: u64) -> io::Result<()> {
    let Rlimit { current, maximum } = getrlimit(resource);
    let bytes = bytes.min(current.unwrap_or(u64::MAX)).min(maximum.unwrap_or(u64::MAX));
    Ok(setrlimit(resource, Rlimit { current: Some(bytes), maximum: Some(bytes) })?)
}

/// Finds a size in kB in `/proc/self/status`, and returns it in bytes.
fn used(status: &str, name: &str) -> io::Result<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    number
        .map(|kilobytes| kilobytes.saturating_mul(1024))
        .ok_or_else(|| io::Error::other(format!("/proc/self/status has no {name}")))
}

/// When a call has used up its processor time, sends SIGXCPU to the process, which ends the process.
pub(super) struct CpuTimer {
    timer: Timer,
    limit: Duration,
}

impl CpuTimer {
    pub(super) fn new(limit: Duration) -> io::Result<CpuTimer> {
        let notify = SigevNotify::SigevSignal { signal: Signal::SIGXCPU, si_value: 0 };
        let timer = Timer::new(ClockId::CLOCK_PROCESS_CPUTIME_ID, SigEvent::new(notify))?;
        Ok(CpuTimer { timer, limit })
    }

    /// Starts the timer again, so that the next call has the whole processor time of the limit.
    pub(super) fn restart(&mut self) -> io::Result<()> {
        let limit = Expiration::OneShot(TimeSpec::from_duration(self.limit));
        Ok(self.timer.set(limit, TimerSetTimeFlags::empty())?)
    }
}

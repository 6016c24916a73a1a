//! The limits of a worker, as far as macOS keeps them: processor time in whole seconds.

use std::io;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};

/// Refuses: the kernel does not keep a limit for memory.
pub(super) fn limit_memory(_bytes: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Lets the kernel send SIGXCPU, which ends the process, when a call has used its processor time.
pub(super) struct CpuTimer {
    limit: Duration,
}

impl CpuTimer {
    pub(super) fn new(limit: Duration) -> io::Result<CpuTimer> {
        Ok(CpuTimer { limit })
    }

    /// Gives the next call its whole time: the limit counts from the start of the process.
    pub(super) fn restart(&mut self) -> io::Result<()> {
        let used = clock_gettime(ClockId::ProcessCPUTime);
        let used = Duration::new(used.tv_sec.unsigned_abs(), u32::try_from(used.tv_nsec).unwrap_or(0));
        let seconds = used.saturating_add(self.limit).as_secs().saturating_add(1);
        let maximum = getrlimit(Resource::Cpu).maximum;
        let current = maximum.map_or(seconds, |maximum| seconds.min(maximum));
        Ok(setrlimit(Resource::Cpu, Rlimit { current: Some(current), maximum })?)
    }
}

//! Linux: a nice value belongs to one thread, and any thread of the program may raise it.

use std::time::Duration;

use rustix::process::{Pid, setpriority_process};

/// The lowest priority but that of idle work.
const NICE: i32 = 19;

/// How much a thread has computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CpuTime(Duration);

impl CpuTime {
    /// Of another thread of this program; `None` if it is gone, or the kernel does not tell.
    pub(crate) fn of(thread_id: u32) -> Option<CpuTime> {
        let text = std::fs::read_to_string(format!("/proc/self/task/{thread_id}/schedstat")).ok()?;
        let nanoseconds = text.split(' ').next()?.parse().ok()?;
        Some(CpuTime(Duration::from_nanos(nanoseconds)))
    }

    pub(crate) fn since(self, earlier: CpuTime) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// The calling thread, as the system calls it.
pub(crate) fn thread_id() -> u32 {
    rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs()
}

/// Lets the system run the thread after others, for good. `false` if it may not.
pub(crate) fn lower(thread_id: u32) -> bool {
    let thread = i32::try_from(thread_id).ok().and_then(Pid::from_raw);
    thread.is_some_and(|thread| setpriority_process(Some(thread), NICE).is_ok())
}

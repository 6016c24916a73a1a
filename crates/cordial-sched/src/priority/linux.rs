//! Linux: a scheduling policy belongs to one thread, and any thread of the program may worsen that of another.

use std::time::Duration;

use rustix::process::{Pid, getpriority_process, setpriority_process};
use thread_priority::NormalThreadSchedulePolicy::{Batch, Idle};
use thread_priority::ThreadPriority::{Crossplatform, Min};
use thread_priority::ThreadSchedulePolicy::Normal;
use thread_priority::{
    ThreadId, ThreadPriority, ThreadPriorityValue, set_thread_priority_and_policy, thread_native_id,
};

/// The lowest priority but that of idle work.
const NICE: i32 = 19;

/// A thread of this program.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Thread {
    of_kernel: Pid,
    /// As the threads library calls it: a number, or the address of something that is gone when the thread is.
    of_library: usize,
}

impl Thread {
    pub(crate) fn current() -> Thread {
        Thread { of_kernel: rustix::thread::gettid(), of_library: thread_native_id() as usize }
    }

    /// How much it has computed. `None` if it is gone, or the kernel does not tell.
    pub(crate) fn cpu_time(self) -> Option<Duration> {
        let text = std::fs::read_to_string(format!("/proc/self/task/{}/schedstat", self.of_kernel)).ok()?;
        let nanoseconds = text.split(' ').next()?.parse().ok()?;
        Some(Duration::from_nanos(nanoseconds))
    }

    /// Lets everybody else interrupt it: it runs when a processor has nothing else to do, or at least after the others.
    /// That cannot be taken back. `false` if neither is allowed. The thread must not have ended.
    pub(crate) fn lower(self) -> bool {
        let own_nice = getpriority_process(None);
        let is_idle = set_thread_priority_and_policy(self.of_library as ThreadId, Min, Normal(Idle)).is_ok();
        if let Ok(own_nice) = own_nice {
            // The library means the thread, and sets the nice value of its caller.
            let _ = setpriority_process(None, own_nice);
        }
        is_idle || setpriority_process(Some(self.of_kernel), NICE).is_ok()
    }
}

/// From here on the calling thread, when it is woken, waits for its turn instead of interrupting who runs.
pub(crate) fn wait_for_turn() {
    let Ok(own_nice) = getpriority_process(None) else { return };
    // The library sets the nice value as well, and counts it from 0 to 99.
    let mut priorities = (0..=99).filter_map(|n| ThreadPriorityValue::try_from(n).ok().map(Crossplatform));
    let is_own = |priority: &ThreadPriority| priority.to_posix(Normal(Batch)).is_ok_and(|nice| nice == own_nice);
    if let Some(as_it_is) = priorities.find(is_own) {
        // Where that is not allowed, the thread is as it was.
        let _ = set_thread_priority_and_policy(thread_native_id(), as_it_is, Normal(Batch));
    }
}

//! Linux: each thread has its own scheduling policy, and a thread may worsen that of any other thread of the program.

use std::time::Duration;

use rustix::process::{Pid, getpriority_process, setpriority_process};
use thread_priority::NormalThreadSchedulePolicy::{Batch, Idle};
use thread_priority::ThreadPriority::{Crossplatform, Min};
use thread_priority::ThreadSchedulePolicy::Normal;
use thread_priority::{
    ThreadId, ThreadPriority, ThreadPriorityValue, set_thread_priority_and_policy, thread_native_id,
};

/// The weakest nice value, used where the idle policy is not allowed.
const NICE: i32 = 19;

/// The identity of a thread of this program.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OsThread {
    kernel_id: Pid,
    /// The `pthread_t`. Depending on the C library it may be an address that dangles after the thread has ended.
    pthread_id: usize,
}

impl OsThread {
    pub(crate) fn current() -> OsThread {
        OsThread { kernel_id: rustix::thread::gettid(), pthread_id: thread_native_id() as usize }
    }

    /// Returns the processor time that the thread has used, or `None` if it has ended or the kernel keeps no such
    /// record.
    pub(crate) fn cpu_time(self) -> Option<Duration> {
        let text = std::fs::read_to_string(format!("/proc/self/task/{}/schedstat", self.kernel_id)).ok()?;
        let nanoseconds = text.split(' ').next()?.parse().ok()?;
        Some(Duration::from_nanos(nanoseconds))
    }

    /// Lets every other thread preempt this one: it gets the idle policy, or else the weakest nice value. An
    /// unprivileged program cannot undo that.
    ///
    /// Returns `false` if the system allows neither. The thread must not have ended.
    pub(crate) fn deprioritize(self) -> bool {
        let own_nice = getpriority_process(None);
        let is_idle = set_thread_priority_and_policy(self.pthread_id as ThreadId, Min, Normal(Idle)).is_ok();
        if let Ok(own_nice) = own_nice {
            // The library sets the policy of that thread but the nice value of its caller. Restore the latter.
            let _ = setpriority_process(None, own_nice);
        }
        is_idle || setpriority_process(Some(self.kernel_id), NICE).is_ok()
    }
}

/// Gives the calling thread the batch policy: when it wakes up it no longer preempts the thread that is running.
pub(crate) fn disable_wakeup_preemption() {
    let Ok(own_nice) = getpriority_process(None) else { return };
    // The library changes the nice value together with the policy, on a scale of its own from 0 to 99. Find the point
    // of that scale that keeps the nice value.
    let mut priorities = (0..=99).filter_map(|n| ThreadPriorityValue::try_from(n).ok().map(Crossplatform));
    let is_own = |priority: &ThreadPriority| priority.to_posix(Normal(Batch)).is_ok_and(|nice| nice == own_nice);
    if let Some(unchanged) = priorities.find(is_own) {
        // If the system refuses, the thread keeps its policy.
        let _ = set_thread_priority_and_policy(thread_native_id(), unchanged, Normal(Batch));
    }
}

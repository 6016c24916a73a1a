//! Linux: each thread has a nice value and a scheduling policy of its own, and a thread may raise the nice value of any other thread of
//! the program.

use std::time::Duration;

use rustix::process::{getpriority_process, setpriority_process};
use thread_priority::NormalThreadSchedulePolicy::{Batch, Other};
use thread_priority::ThreadPriority::Crossplatform;
use thread_priority::ThreadSchedulePolicy::Normal;
use thread_priority::{
    ThreadPriority, ThreadPriorityValue, set_thread_priority_and_policy, thread_native_id, thread_schedule_policy,
};

use crate::thread::{KernelId, kernel_id};

/// By how much the nice value of a deprioritized thread is raised. Each step takes a fifth of the thread's weight. After
/// two steps, it gets 64 % of the time that a thread of full weight gets beside it, however many threads there are.
/// More steps would not shorten the wait of the others by much (`bench/NOTES.md`).
const NICE_STEPS: i32 = 2;

/// The weakest nice value.
const WEAKEST_NICE: i32 = 19;

/// The identity of a thread of this program.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OsThread {
    /// `None` if `/proc` does not show the thread. Then its nice value stays as it is.
    kernel_id: Option<KernelId>,
}

impl OsThread {
    pub(crate) fn current() -> OsThread {
        OsThread { kernel_id: kernel_id() }
    }

    /// Returns the number of the thread as `/proc` shows it, or `None` if `/proc` does not show the thread.
    pub(crate) fn kernel_id(self) -> Option<u32> {
        self.kernel_id.map(|id| id.in_proc.as_raw_nonzero().get().cast_unsigned())
    }

    /// Returns the processor time that the thread has used, or `None` if the thread has ended, its number is
    /// unknown, or the kernel keeps no such record.
    pub(crate) fn cpu_time(self) -> Option<Duration> {
        let text = std::fs::read_to_string(format!("/proc/self/task/{}/schedstat", self.kernel_id?.in_proc)).ok()?;
        let nanoseconds = text.split(' ').next()?.parse().ok()?;
        Some(Duration::from_nanos(nanoseconds))
    }

    /// Raises the thread's nice value by [`NICE_STEPS`], to 19 at most. An unprivileged program cannot undo that.
    ///
    /// Returns `false` if the system does not allow that, or if the number of the thread is unknown. The thread must not have ended.
    pub(crate) fn deprioritize(self) -> bool {
        // `None` would name the thread that makes the call.
        let Some(KernelId { id, .. }) = self.kernel_id else { return false };
        let Ok(nice) = getpriority_process(Some(id)) else { return false };
        setpriority_process(Some(id), (nice + NICE_STEPS).min(WEAKEST_NICE)).is_ok()
    }
}

/// Gives the calling thread the batch policy: when the kernel wakes the thread, it no longer preempts the thread that is running. Does
/// nothing if the thread does not have the normal policy: the batch policy would raise the priority of a thread with the idle policy, and
/// lower that of a thread with a real-time policy.
pub(crate) fn disable_wakeup_preemption() {
    if !matches!(thread_schedule_policy(), Ok(Normal(Other))) {
        return;
    }
    let Ok(own_nice) = getpriority_process(None) else { return };
    // `thread_priority` sets the nice value together with the policy, from a priority between 0 and 99. Find the priority that keeps
    // the nice value.
    let mut priorities = (0..=99).filter_map(|n| ThreadPriorityValue::try_from(n).ok().map(Crossplatform));
    let is_own = |priority: &ThreadPriority| priority.to_posix(Normal(Batch)).is_ok_and(|nice| nice == own_nice);
    if let Some(unchanged) = priorities.find(is_own) {
        // If the system refuses, the thread keeps its policy.
        let _ = set_thread_priority_and_policy(thread_native_id(), unchanged, Normal(Batch));
    }
}

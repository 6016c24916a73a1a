//! Linux: a scheduling policy belongs to one thread, and any thread of the program may worsen that of another.

use std::time::Duration;

use uapi::c::{PRIO_PROCESS, SCHED_BATCH, SCHED_IDLE, c_int, pid_t};

/// The lowest priority but that of idle work.
const NICE: c_int = 19;

/// A thread of this program, as the kernel calls it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Thread(pid_t);

impl Thread {
    pub(crate) fn current() -> Thread {
        Thread(uapi::gettid())
    }

    /// How much it has computed. `None` if it is gone, or the kernel does not tell.
    pub(crate) fn cpu_time(self) -> Option<Duration> {
        let text = std::fs::read_to_string(format!("/proc/self/task/{}/schedstat", self.0)).ok()?;
        let nanoseconds = text.split(' ').next()?.parse().ok()?;
        Some(Duration::from_nanos(nanoseconds))
    }

    /// Lets everybody else interrupt it: it runs when a processor has nothing else to do, or at least after the others.
    /// That cannot be taken back. `false` if neither is allowed.
    pub(crate) fn lower(self) -> bool {
        set_policy(self.0, SCHED_IDLE) || uapi::setpriority(PRIO_PROCESS as c_int, self.0.unsigned_abs(), NICE).is_ok()
    }
}

/// From here on the calling thread, when it is woken, waits for its turn instead of interrupting who runs.
pub(crate) fn wait_for_turn() {
    // Where that is not allowed, the thread is as it was.
    set_policy(uapi::gettid(), SCHED_BATCH);
}

fn set_policy(thread: pid_t, policy: c_int) -> bool {
    uapi::sched_setscheduler(thread, policy, &uapi::pod_zeroed()).is_ok()
}

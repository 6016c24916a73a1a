//! The threads that run processes.

use std::time::Duration;

use crate::pid::Pid;
use crate::process::runtime::RuntimeHandle;

pub use cordial_sched::WorkerState;

/// What one thread of a runtime does at one moment, and counters.
///
/// Counters are monotonic. They belong to the number of the thread: a thread that gets the number of one that has exited adds to them. The share
/// of time in which a thread was busy is the difference of two values of `busy`, divided by the time between them.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadInfo {
    /// Its number, from 0. Threads whose number is not below the number of workers are stand-ins: each takes the place of a thread in a
    /// long poll.
    pub index: usize,
    /// Whether it is active, blocked, parked or about to exit.
    pub state: WorkerState,
    /// The process that it polls.
    pub pid: Option<Pid>,
    /// How long that poll has lasted. `None` if there is no poll, or if it has lasted for less than about 1 ms.
    pub in_poll: Option<Duration>,
    /// Processes that wait in its own queue, and the one that it polls next.
    pub queued: usize,
    /// How long it was in polls. Sampled about once a millisecond: nearly exact for long polls, an estimate for short ones.
    pub busy: Duration,
    /// Polls that have returned.
    pub polls: u64,
    /// Batches of processes that it took from the queues of other threads.
    pub steals: u64,
    /// How many times it went to sleep.
    pub parks: u64,
    /// The number of the thread in the kernel, as `top -H` shows it. `None` while the first thread with this number starts, on systems other than Linux, and
    /// where `/proc` is not mounted.
    pub kernel_id: Option<u32>,
}

impl ThreadInfo {
    /// Returns all threads that run processes of a runtime, by their numbers.
    pub(in crate::process) fn all(runtime: &RuntimeHandle) -> Vec<ThreadInfo> {
        let threads = runtime.executor().threads().into_iter().map(|thread| ThreadInfo {
            index: thread.index,
            state: thread.state,
            pid: thread.polled.map(|key| runtime.pid_of_key(key)),
            in_poll: thread.in_poll,
            queued: thread.queued,
            busy: thread.busy,
            polls: thread.polls,
            steals: thread.steals,
            parks: thread.parks,
            kernel_id: thread.kernel_id,
        });
        threads.collect()
    }
}

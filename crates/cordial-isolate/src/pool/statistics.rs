//! The state and the counters of a pool at one moment.

use std::fmt;
use std::time::Duration;

/// A pool at one moment. Returned by [`Pool::statistics`](crate::Pool::statistics).
#[non_exhaustive]
#[derive(Clone, Debug, Default)]
pub struct PoolStatistics {
    /// The worker processes, including those that are starting and ending, in the order of their starts.
    pub workers: Vec<WorkerInfo>,
    /// How many calls wait for a worker.
    pub queued: usize,
    /// How many calls run.
    pub running: usize,
    /// How many calls the pool has accepted since it was started.
    pub calls: u64,
    /// How many calls ended with [`Exit::Lost`](cordial::Exit::Lost) because their worker process ended: it crashed, exited, reached a limit, or was
    /// killed from outside.
    pub lost: u64,
    /// How many calls ended because the pool killed their worker: the task of the call was killed, or the call was asked to shut down and did not
    /// end in time. A call is asked to shut down, for example, when the limit of its await has passed.
    pub killed: u64,
    /// How many workers were started.
    pub started: u64,
    /// How many workers were asked to exit after as many calls as [`recycle_after`](crate::PoolBuilder::recycle_after) allows.
    pub recycled: u64,
    /// How many attempts to start a worker have failed. An attempt has also failed if the worker ends by itself before its first call, less than a
    /// second after it was ready.
    pub failed_starts: u64,
}

/// One worker process.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct WorkerInfo {
    /// The id of the OS process.
    pub os_pid: i32,
    /// What the worker does.
    pub activity: WorkerActivity,
    /// How many calls the worker was given.
    pub calls: u64,
    /// How much physical memory the worker uses, in bytes. `None` if `/proc` does not show it, for example on macOS.
    pub resident_memory: Option<u64>,
    /// How long ago the worker was started.
    pub age: Duration,
    /// How long the worker has been doing what `activity` says.
    pub active_for: Duration,
}

/// What a worker process does.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WorkerActivity {
    /// It is not ready yet.
    Starting,
    /// It waits for a call.
    Idle,
    /// It runs this function.
    Running(&'static str),
    /// It is exiting, or is being killed.
    Ending,
}

impl fmt::Display for WorkerInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let WorkerInfo { os_pid, activity, calls, resident_memory, age, active_for } = self;
        write!(f, "OS process {os_pid}: ")?;
        match activity {
            WorkerActivity::Starting => f.write_str("starting")?,
            WorkerActivity::Idle => f.write_str("idle")?,
            WorkerActivity::Running(function) => write!(f, "runs {function:?}")?,
            WorkerActivity::Ending => f.write_str("ending")?,
        }
        write!(f, " for {active_for:.1?}, {calls} calls, age {age:.1?}")?;
        match resident_memory {
            Some(bytes) => write!(f, ", {:.1} MiB", *bytes as f64 / f64::from(1 << 20)),
            None => Ok(()),
        }
    }
}

impl PoolStatistics {
    /// Returns the lines that a snapshot shows below the process of the pool.
    pub(super) fn lines(&self) -> Vec<String> {
        let PoolStatistics { queued, running, calls, lost, killed, .. } = self;
        let first = format!("{running} running, {queued} waiting; {calls} calls, {lost} lost, {killed} killed");
        std::iter::once(first).chain(self.workers.iter().map(ToString::to_string)).collect()
    }
}

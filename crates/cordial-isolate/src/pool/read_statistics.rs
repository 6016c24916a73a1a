//! Reads the statistics of a pool.

use std::fs;

use super::clock::now;
use super::shared::{PoolShared, WorkerState};
use super::statistics::{PoolStatistics, WorkerActivity, WorkerInfo};

/// Returns the statistics at this moment. In a forked process, all of them are zero: the workers and the calls belong to the process that has
/// started the pool.
pub(super) fn read_statistics(shared: &PoolShared) -> PoolStatistics {
    if shared.is_forked() {
        return PoolStatistics::default();
    }
    let now = now();
    let state = shared.lock();
    let workers = state.workers.values().map(|worker| WorkerInfo {
        os_pid: worker.process.id.as_raw_nonzero().get(),
        activity: match (worker.state, &worker.call) {
            (WorkerState::Ending, _) => WorkerActivity::Ending,
            (_, Some(call)) => WorkerActivity::Running(call.signature.name()),
            (WorkerState::Starting, None) => WorkerActivity::Starting,
            (WorkerState::Idle | WorkerState::Busy, None) => WorkerActivity::Idle,
        },
        calls: worker.calls,
        resident_memory: None,
        age: now.saturating_duration_since(worker.started),
        active_for: now.saturating_duration_since(worker.since),
    });
    let mut workers: Vec<WorkerInfo> = workers.collect();
    let counters = state.counters;
    let (queued, running) = (state.queue.len(), state.n_running());
    // The lock is released first, because calls need it and reading files takes longer.
    drop(state);
    for worker in &mut workers {
        worker.resident_memory = resident_memory(worker.os_pid);
    }
    PoolStatistics {
        workers,
        queued,
        running,
        calls: counters.calls,
        lost: counters.lost,
        killed: counters.killed,
        started: counters.started,
        recycled: counters.recycled,
        failed_starts: counters.failed_starts,
    }
}

/// Reads how much physical memory a process uses, in bytes. `None` if `/proc` does not show it.
fn resident_memory(os_pid: i32) -> Option<u64> {
    let pages: u64 = fs::read_to_string(format!("/proc/{os_pid}/statm")).ok()?.split(' ').nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

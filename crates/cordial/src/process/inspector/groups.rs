//! The streams and task sets that are in progress.

use std::sync::Arc;
use std::time::Duration;

use crate::exit::Location;
use crate::pid::Pid;
use crate::process::groups::{Group, GroupKind};
use crate::process::runtime::RuntimeHandle;

/// A [stream](crate::AsyncStream) that was polled and has not ended.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct StreamInfo {
    /// The number of the stream, from 1. No other stream of the runtime has the same number, not even later.
    pub number: u64,
    /// The process that polled the stream first. `None` if it was polled outside of a process.
    pub consumer: Option<Pid>,
    /// The label of that process, if it is alive and has one.
    pub label: Option<Arc<str>>,
    /// Where the stream was created, which is where its items are spawned.
    pub created_at: Location,
    /// How many items may run at once.
    pub max_concurrency: usize,
    /// How many items the source had at the first poll, if its `size_hint` is exact.
    pub n_items: Option<usize>,
    /// How many items have started.
    pub started: usize,
    /// How many items are running, or wait for their next attempt.
    pub running: usize,
    /// How many items returned a value.
    pub succeeded: usize,
    /// How many items failed in their last attempt.
    pub failed: usize,
    /// How many attempts have exceeded the timeout of an item.
    pub timed_out: usize,
    /// How many retries were scheduled. A retry that waits for its backoff is counted already.
    pub retried: usize,
    /// How many attempts were abandoned: killed, and still in the same poll 100 ms later.
    pub abandoned: usize,
    /// How many results have arrived and were not taken: they wait for the consumer, or for the result of an earlier item.
    pub buffered: usize,
    /// How long ago the stream was first polled, on the clock of its runtime.
    pub age: Duration,
}

/// A [`TaskSet`](crate::TaskSet) that has spawned a task and was not dropped.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct TaskSetInfo {
    /// The number of the set, from 1. No other set of the runtime has the same number, not even later.
    pub number: u64,
    /// The process that spawned the first task of the set. `None` if that task was spawned outside of a process.
    pub owner: Option<Pid>,
    /// The label of that process, if it is alive and has one.
    pub label: Option<Arc<str>>,
    /// Where the first task of the set was spawned.
    pub created_at: Location,
    /// How many tasks may run at once; `None` is no limit.
    pub max_concurrency: Option<usize>,
    /// How many tasks the set has spawned.
    pub spawned: usize,
    /// How many of these tasks have not ended.
    pub running: usize,
    /// How many tasks have ended with a value. If the value is a `Result`, an `Err` counts as well.
    pub succeeded: usize,
    /// How many tasks have ended without a value.
    pub failed: usize,
    /// How many results have arrived and were not taken.
    pub buffered: usize,
    /// How long ago the first task of the set was spawned, on the clock of its runtime.
    pub age: Duration,
}

fn age(runtime: &RuntimeHandle, group: &Group) -> Duration {
    Duration::from_millis(runtime.executor().coarse_now().saturating_sub(group.since))
}

fn label(runtime: &RuntimeHandle, owner: Option<Pid>) -> Option<Arc<str>> {
    runtime.with(owner?, |entry| entry.label().cloned()).flatten()
}

impl StreamInfo {
    /// Returns the streams of a runtime, the oldest first.
    pub(super) fn all(runtime: &RuntimeHandle) -> Vec<StreamInfo> {
        let described = runtime.groups(GroupKind::Stream).into_iter().map(|group| {
            let counts = group.counters.counts();
            StreamInfo {
                number: group.number,
                consumer: group.owner,
                label: label(runtime, group.owner),
                created_at: Location::from(group.created_at),
                max_concurrency: group.max_concurrency.unwrap_or(usize::MAX),
                n_items: group.n_items,
                started: counts.started,
                running: counts.running,
                succeeded: counts.succeeded,
                failed: counts.failed,
                timed_out: counts.timed_out,
                retried: counts.retried,
                abandoned: counts.abandoned,
                buffered: counts.buffered,
                age: age(runtime, &group),
            }
        });
        described.collect()
    }
}

impl TaskSetInfo {
    /// Returns the task sets of a runtime, the oldest first.
    pub(super) fn all(runtime: &RuntimeHandle) -> Vec<TaskSetInfo> {
        let described = runtime.groups(GroupKind::TaskSet).into_iter().map(|group| {
            let counts = group.counters.counts();
            TaskSetInfo {
                number: group.number,
                owner: group.owner,
                label: label(runtime, group.owner),
                created_at: Location::from(group.created_at),
                max_concurrency: group.max_concurrency,
                spawned: counts.started,
                running: counts.running,
                succeeded: counts.succeeded,
                failed: counts.failed,
                buffered: counts.buffered,
                age: age(runtime, &group),
            }
        });
        described.collect()
    }
}

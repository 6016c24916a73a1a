//! Streams in progress, and task sets.

use cordial::process::{StreamInfo, TaskSetInfo};

use crate::clock::in_ms;
use crate::collector::Collector;
use crate::source::shown_label;
use crate::view::{Stream, TaskSet};

/// Returns the streams in progress: those with failures first, and then the oldest.
pub(crate) fn streams(collector: &mut Collector) -> Vec<Stream> {
    let streams = collector.inspector.streams();
    let rates = collector.stream_rates.update(&streams);
    let mut rows: Vec<Stream> = streams.iter().zip(rates).map(|(info, per_second)| stream(info, per_second)).collect();
    rows.sort_by_key(|row| (row.failed == 0 && row.timed_out == 0, row.id));
    rows
}

fn stream(info: &StreamInfo, per_second: f64) -> Stream {
    Stream {
        id: info.number,
        pid: info.consumer.map(|pid| pid.to_string()),
        label: shown_label(info.label.as_ref()),
        place: info.created_at.to_string(),
        age_ms: in_ms(info.age),
        in_flight: info.running,
        max: Some(info.max_concurrency),
        total: info.n_items.map(|n| n as u64),
        started: info.started as u64,
        completed: info.succeeded as u64,
        failed: info.failed as u64,
        timed_out: info.timed_out as u64,
        retries: info.retried as u64,
        buffered: info.buffered,
        per_second,
    }
}

/// Returns the task sets that have spawned a task and were not dropped: those with failures first, and then the oldest.
pub(crate) fn task_sets(collector: &Collector) -> Vec<TaskSet> {
    let mut rows: Vec<TaskSet> = collector.inspector.task_sets().iter().map(task_set).collect();
    rows.sort_by_key(|row| (row.failed == 0, row.id));
    rows
}

fn task_set(info: &TaskSetInfo) -> TaskSet {
    TaskSet {
        id: info.number,
        pid: info.owner.map(|pid| pid.to_string()),
        label: shown_label(info.label.as_ref()),
        place: info.created_at.to_string(),
        live: info.running,
        completed: info.succeeded as u64,
        failed: info.failed as u64,
        buffered: info.buffered,
        max: info.max_concurrency,
        age_ms: in_ms(info.age),
    }
}

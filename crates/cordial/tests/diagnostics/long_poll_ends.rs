//! The end of a long poll is reported with its duration, in the span of its process, and not more often than once a second for
//! each spawn location.

use std::time::Duration;

use cordial::{Runtime, Task, Timeout, process};
use tracing::Level;

use crate::harness::records::{Record, Records};
use crate::harness::subprocess;

/// The polls of this module last this long. Polls of 100 ms or more are reported, and the library may measure less than a poll has taken.
const LONG: Duration = Duration::from_millis(300);

fn block() {
    std::thread::sleep(LONG);
}

fn runtime() -> Runtime {
    Runtime::builder().workers(2).build().unwrap()
}

/// Returns whether the end of a long poll of a process with this label was reported.
fn is_reported(records: &Records, label: &str) -> bool {
    records.of("long_poll_end").iter().any(|record| record.field("label") == Some(label))
}

fn lasted_and_left_out(record: &Record) -> (u64, usize) {
    let number = |name| record.field(name).unwrap();
    (number("lasted_ms").parse().unwrap(), number("left_out").parse().unwrap())
}

#[test]
fn the_end_of_a_long_poll_is_reported_in_its_span_whether_or_not_the_process_ends_with_it() {
    if !subprocess::is_isolated(test_name!()) {
        return;
    }
    let records = Records::install("cordial::process=warn,diagnostics=info".parse().unwrap());
    let seen = records.clone();
    let ended = runtime().block_on(async move {
        let request = tracing::info_span!("request", id = 7);
        let of_process = seen.clone();
        // Both block until that is reported: if the whole program pauses during a poll, the library may measure too little of the poll.
        let goes_on = request.in_scope(|| {
            Task::spawn(async move {
                process::set_label("goes on");
                while !is_reported(&of_process, "goes on") {
                    block();
                    tokio::task::yield_now().await;
                }
            })
        });
        while !is_reported(&seen, "ends") {
            let ends = request.in_scope(|| {
                Task::spawn(async {
                    process::set_label("ends");
                    block();
                })
            });
            ends.timeout(Timeout::Infinity).await.unwrap();
        }
        goes_on.timeout(Timeout::Infinity).await.unwrap();
    });
    ended.unwrap();
    // On a busy machine the poll of the root may be long too. The root has no label.
    let mut ends = records.of("long_poll_end");
    ends.retain(|record| record.field("label").is_some());
    let mut labels: Vec<&str> = ends.iter().map(|record| record.field("label").unwrap()).collect();
    labels.sort_unstable();
    assert_eq!(labels, ["ends", "goes on"], "one each, since the spawn locations differ: {ends:?}");
    for record in &ends {
        assert_eq!((record.target, record.level), ("cordial::process", Level::WARN));
        let (lasted, left_out) = lasted_and_left_out(record);
        assert!(lasted >= 100 && left_out == 0, "{record:?}");
        assert_eq!(record.spans[0].1["id"], "7");
    }
}

#[test]
fn of_many_long_polls_of_one_location_one_a_second_is_reported_with_the_number_of_the_others() {
    if !subprocess::is_isolated(test_name!()) {
        return;
    }
    let records = Records::install("cordial::process=warn".parse().unwrap());
    let seen = records.clone();
    let ended = runtime().block_on(async move {
        while seen.of("long_poll_end").len() < 2 {
            block();
            tokio::task::yield_now().await;
        }
        // Read here, because on a busy machine the last poll of this process may be long too.
        let spawned_at = process::info(process::current().unwrap()).unwrap().spawned_at;
        let measured = process::inspector().poll_durations(&spawned_at);
        (seen.of("long_poll_end"), spawned_at, measured)
    });
    let (ends, spawned_at, measured) = ended.unwrap();
    assert_eq!(ends.len(), 2);
    let left_out: Vec<usize> = ends.iter().map(|record| lasted_and_left_out(record).1).collect();
    // The polls whose measured duration was long. A poll in the bucket from 64 ms on may have been one of them.
    let n_polls = |at_least| -> usize {
        let buckets = measured.iter().filter(|bucket| bucket.at_least >= Duration::from_millis(at_least));
        buckets.map(|bucket| usize::try_from(bucket.polls).unwrap()).sum()
    };
    assert_eq!(left_out[0], 0);
    assert!((n_polls(128)..=n_polls(64)).contains(&(left_out[1] + 2)), "{left_out:?} of {measured:?}");
    assert!(ends.iter().all(|record| record.field("spawned_at").unwrap().starts_with(spawned_at.file())));
    assert_eq!(records.of("long_poll").len(), 1, "once, while the first one lasted");
}

//! The end of a long poll is reported with its duration, in the span of its process, and not more often than once a second for
//! each spawn location.

use std::panic::Location;
use std::time::Duration;

use cordial::{Runtime, Task, process};
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
    let ended = runtime().block_on(async {
        let request = tracing::info_span!("request", id = 7).entered();
        let ends = Task::spawn(async {
            process::set_label("ends");
            block();
        });
        let goes_on = Task::spawn(async {
            process::set_label("goes on");
            block();
            tokio::task::yield_now().await;
        });
        drop(request);
        Task::await_many([ends, goes_on]).await
    });
    ended.unwrap().unwrap();
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
    let (seen, spawned_at) = (records.clone(), Location::caller());
    let n_polls = runtime()
        .block_on(async move {
            let mut n_polls = 0;
            while seen.of("long_poll_end").len() < 2 {
                block();
                n_polls += 1;
                tokio::task::yield_now().await;
            }
            n_polls
        })
        .unwrap();
    let ends = records.of("long_poll_end");
    assert_eq!(ends.len(), 2);
    let left_out: Vec<usize> = ends.iter().map(|record| lasted_and_left_out(record).1).collect();
    assert_eq!(left_out, [0, n_polls - 2], "of {n_polls} polls");
    assert!(ends.iter().all(|record| record.field("spawned_at").unwrap().starts_with(spawned_at.file())));
    assert_eq!(records.of("long_poll").len(), 1, "once, while the first one lasted");
}

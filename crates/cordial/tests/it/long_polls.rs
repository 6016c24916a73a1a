//! Long polls: who computes or blocks instead of waiting is told once for each place that spawns such processes.

use std::time::Duration;

use cordial::{Runtime, Task, process};

use crate::program;
use crate::records::Records;

/// Blocks the poll until so many long polls were told.
fn block_until_told(records: &Records, n: usize) {
    while records.of("long_poll").len() < n {
        std::thread::yield_now();
    }
}

/// The same without blocking.
async fn until_told(records: &Records, n: usize) {
    while records.of("long_poll").len() < n {
        tokio::task::yield_now().await;
    }
}

#[test]
fn a_poll_that_lasts_is_told_once_for_each_spawn_place() {
    const NAME: &str = "long_polls::a_poll_that_lasts_is_told_once_for_each_spawn_place";
    if program::part().is_none() {
        let ran = program::run(NAME, "");
        assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
        assert_eq!(ran.told(), ["first place, then second place, then third place"]);
        return;
    }
    let records = Records::install("cordial::process=warn".parse().unwrap());
    let runtime = Runtime::builder().workers(3).stall_after(Duration::from_millis(20)).build().unwrap();
    let told = records.clone();
    let spawned_at = runtime
        .block_on(async move {
            let mut tasks = Vec::new();
            // The second one is never told: it comes from where the first one came.
            for n_told in [1, 3] {
                let records = told.clone();
                tasks.push(Task::spawn(async move {
                    process::set_label("first place");
                    block_until_told(&records, n_told);
                    process::info(process::current().unwrap()).unwrap().spawned_at
                }));
                until_told(&told, 1).await;
            }
            let records = told.clone();
            tasks.push(Task::spawn(async move {
                process::set_label("second place");
                block_until_told(&records, 2);
                process::info(process::current().unwrap()).unwrap().spawned_at
            }));
            until_told(&told, 2).await;
            // When this one is told, the one that is not has been stuck for longer.
            let records = told.clone();
            tasks.push(Task::spawn(async move {
                process::set_label("third place");
                block_until_told(&records, 3);
                process::info(process::current().unwrap()).unwrap().spawned_at
            }));
            Task::await_many(tasks).timeout(Duration::from_secs(60)).await.unwrap()
        })
        .unwrap();
    let records = records.of("long_poll");
    let labels: Vec<&str> = records.iter().map(|record| record.field("label").unwrap()).collect();
    let places: Vec<&str> = records.iter().map(|record| record.field("spawned_at").unwrap()).collect();
    assert_eq!(places, [0, 2, 3].map(|idx| spawned_at[idx].to_string()));
    assert_eq!(spawned_at[0], spawned_at[1]);
    for record in &records {
        assert_eq!((record.target, record.level), ("cordial::process", tracing::Level::WARN));
        let lasted: u64 = record.field("lasted_ms").unwrap().parse().unwrap();
        assert!(lasted >= 20, "told after {lasted} ms, and a poll may last 20 ms");
        assert!(record.field("pid").unwrap().starts_with('<'));
    }
    program::tell(labels.join(", then "));
}

/// Keeps as many threads in a poll as there may be, until a task that waits for one was told of `n` times.
fn exhaust(runtime: &Runtime, records: &Records, n: usize) {
    let waits = std::thread::scope(|scope| {
        let (began, has_begun) = std::sync::mpsc::channel();
        let stuck = (0..2).map(|_| {
            let (began, records) = (began.clone(), records.clone());
            let blocks = async move {
                began.send(()).unwrap();
                while records.of("threads_exhausted").len() < n {
                    std::thread::yield_now();
                }
            };
            scope.spawn(|| runtime.block_on(blocks))
        });
        let stuck: Vec<_> = stuck.collect();
        (0..2).for_each(|_| has_begun.recv().unwrap());
        let waits = runtime.block_on(async { 7 });
        stuck.into_iter().for_each(|stuck| stuck.join().unwrap().unwrap());
        waits
    });
    assert_eq!(waits, Ok(7));
}

#[test]
fn at_the_cap_of_threads_that_is_told_once_until_it_is_over() {
    const NAME: &str = "long_polls::at_the_cap_of_threads_that_is_told_once_until_it_is_over";
    if program::part().is_none() {
        assert_eq!(program::run(NAME, "").told(), ["twice"]);
        return;
    }
    let records = Records::install("cordial::process=warn".parse().unwrap());
    let runtime = Runtime::builder().workers(2).max_threads(2).stall_after(Duration::from_millis(4)).build().unwrap();
    exhaust(&runtime, &records, 1);
    exhaust(&runtime, &records, 2);
    let told = records.of("threads_exhausted");
    for record in &told {
        assert_eq!((record.target, record.level), ("cordial::process", tracing::Level::WARN));
        assert_eq!(record.field("max_threads"), Some("2"));
    }
    assert_eq!(told.len(), 2, "once each");
    program::tell("twice");
}

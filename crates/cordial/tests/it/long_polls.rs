//! Long polls: who computes or blocks instead of waiting is told once for each place that spawns such processes.

use std::time::Duration;

use cordial::{ChildSpec, Location, Restart, Runtime, TaskSupervisor, process};
use tokio::sync::oneshot;

use crate::program;
use crate::records::{Record, Records};

/// The long polls of children, which are labeled from their birth. On a busy machine a poll of anybody may last.
fn told_of_children(records: &Records) -> Vec<Record> {
    let records = records.of("long_poll").into_iter();
    records.filter(|record| record.field("label").is_some_and(|label| label.ends_with(" place"))).collect()
}

/// Waits without blocking until so many of them were told.
async fn until_told(records: &Records, n: usize) {
    while told_of_children(records).len() < n {
        tokio::task::yield_now().await;
    }
}

/// A child that blocks its poll until so many were told, and tells then where it was spawned.
#[track_caller]
fn blocks_until_told(label: &'static str, records: &Records, n: usize) -> (ChildSpec, oneshot::Receiver<Location>) {
    let (tell, place) = oneshot::channel();
    let mut once = Some((tell, records.clone()));
    let child = ChildSpec::task(label, move || {
        let (tell, records) = once.take().unwrap();
        async move {
            while told_of_children(&records).len() < n {
                std::thread::yield_now();
            }
            tell.send(process::info(process::current().unwrap()).unwrap().spawned_at).unwrap();
        }
    });
    (child.restart(Restart::Temporary), place)
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
            let tasks = TaskSupervisor::start();
            let mut places = Vec::new();
            let mut start = |(child, place)| {
                tasks.start_child_with(child).unwrap();
                places.push(place);
            };
            // The second one is never told: it comes from where the first one came, and waits for the third place.
            for n in [1, 3] {
                start(blocks_until_told("first place", &told, n));
                until_told(&told, 1).await;
            }
            start(blocks_until_told("second place", &told, 2));
            until_told(&told, 2).await;
            // When this one is told, the one that is not has been stuck for longer.
            start(blocks_until_told("third place", &told, 3));
            futures::future::try_join_all(places).await
        })
        .unwrap()
        .unwrap();
    let records = told_of_children(&records);
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

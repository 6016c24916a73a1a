//! Long polls: a process that computes or blocks inside a poll is reported once per spawn location.

use std::time::Duration;

use cordial::{ChildSpec, Location, Restart, Runtime, TaskSupervisor, process};
use tokio::sync::oneshot;

use crate::harness::records::{Record, Records};
use crate::harness::{attempts, subprocess};

/// The `long_poll` events of the children of the test, which have a label from the start. On a busy machine, any other poll may
/// be long too.
fn long_polls_of_children(records: &Records) -> Vec<Record> {
    let records = records.of("long_poll").into_iter();
    records.filter(|record| record.field("label").is_some_and(|label| label.ends_with(" location"))).collect()
}

/// Waits, without blocking, until `n` of these events were emitted.
async fn until_emitted(records: &Records, n: usize) {
    while long_polls_of_children(records).len() < n {
        tokio::task::yield_now().await;
    }
}

/// A child that blocks its poll until `n` of these events were emitted. Then it sends its spawn location.
#[track_caller]
fn blocks_until_emitted(label: &'static str, records: &Records, n: usize) -> (ChildSpec, oneshot::Receiver<Location>) {
    let (tx, location) = oneshot::channel();
    let mut once = Some((tx, records.clone()));
    let child = ChildSpec::task(label, move || {
        let (tx, records) = once.take().unwrap();
        async move {
            while long_polls_of_children(&records).len() < n {
                std::thread::yield_now();
            }
            tx.send(process::info(process::current().unwrap()).unwrap().spawned_at).unwrap();
        }
    });
    (child.restart(Restart::Temporary), location)
}

#[test]
fn a_long_poll_is_emitted_once_per_spawn_location() {
    if subprocess::case().is_none() {
        let ran = subprocess::run(test_name!(), "");
        assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
        assert_eq!(ran.reports(), ["first location, then second location, then third location"]);
        return;
    }
    let records = Records::install("cordial::process=warn".parse().unwrap());
    let runtime = Runtime::builder().workers(3).stall_after(Duration::from_millis(20)).build().unwrap();
    let emitted = records.clone();
    let spawned_at = runtime
        .block_on(async move {
            let tasks = TaskSupervisor::start();
            let mut locations = Vec::new();
            let mut start = |(child, location)| {
                tasks.start_child_with(child).unwrap();
                locations.push(location);
            };
            // The second child has the spawn location of the first, so its long poll is not emitted. It blocks until the third
            // location was reported.
            for n in [1, 3] {
                start(blocks_until_emitted("first location", &emitted, n));
                until_emitted(&emitted, 1).await;
            }
            start(blocks_until_emitted("second location", &emitted, 2));
            until_emitted(&emitted, 2).await;
            // When this poll is reported, the unreported second child has been blocked for longer.
            start(blocks_until_emitted("third location", &emitted, 3));
            futures::future::try_join_all(locations).await
        })
        .unwrap()
        .unwrap();
    let records = long_polls_of_children(&records);
    let labels: Vec<&str> = records.iter().map(|record| record.field("label").unwrap()).collect();
    let locations: Vec<&str> = records.iter().map(|record| record.field("spawned_at").unwrap()).collect();
    assert_eq!(locations, [0, 2, 3].map(|idx| spawned_at[idx].to_string()));
    assert_eq!(spawned_at[0], spawned_at[1]);
    for record in &records {
        assert_eq!((record.target, record.level), ("cordial::process", tracing::Level::WARN));
        let lasted: u64 = record.field("lasted_ms").unwrap().parse().unwrap();
        assert!(lasted >= 20, "emitted after {lasted} ms, and a poll may last 20 ms");
        assert!(record.field("pid").unwrap().starts_with('<'));
    }
    subprocess::report(labels.join(", then "));
}

/// Blocks all threads inside polls until `threads_exhausted` was emitted `n` times in total.
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
fn threads_exhausted_is_emitted_once_per_shortage() {
    if subprocess::case().is_none() {
        let test = test_name!();
        // After a gap between two samples the polls count as short again, so that one shortage counts as two. Where the sysmon thread gets no
        // processor for 100 ms, there is such a gap.
        return attempts::one_succeeds(|| assert_eq!(subprocess::run(test, "").reports(), ["twice"]));
    }
    let records = Records::install("cordial::process=warn".parse().unwrap());
    let runtime = Runtime::builder().workers(2).max_threads(2).stall_after(Duration::from_millis(4)).build().unwrap();
    exhaust(&runtime, &records, 1);
    exhaust(&runtime, &records, 2);
    let emitted = records.of("threads_exhausted");
    for record in &emitted {
        assert_eq!((record.target, record.level), ("cordial::process", tracing::Level::WARN));
        assert_eq!(record.field("max_threads"), Some("2"));
    }
    assert_eq!(emitted.len(), 2, "once per shortage");
    subprocess::report("twice");
}

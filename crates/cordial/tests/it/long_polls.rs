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

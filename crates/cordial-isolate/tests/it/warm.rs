//! Calls that follow each other, whose worker reads the next one before it waits again.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::time::Duration;

use cordial::Shutdown;
use cordial_isolate::Pool;
use tokio::time::Instant;

use crate::functions::{BLOCK, CHECKPOINT, SQUARE, TICK, TICKS, functions};
use crate::waits::{LONG, run};

#[test]
fn a_call_that_is_stopped_right_after_others_is_asked_to_shut_down() {
    cordial_isolate::test_main(functions());
    run(async {
        let mut seen = Vec::new();
        for _ in 0..10 {
            let pool = Pool::builder().workers(1).grace(LONG).start().unwrap();
            for n in 0..200 {
                assert_eq!(pool.call(SQUARE, n).timeout(LONG).await, Ok(n * n));
                let task = pool.call(CHECKPOINT, ());
                // The request arrives with the call, or after it.
                for _ in 0..n % 20 {
                    tokio::task::yield_now().await;
                }
                let started = Instant::now();
                let _ = task.shutdown(Shutdown::After(2 * LONG)).await;
                assert!(started.elapsed() < LONG, "it was ended by the grace time");
            }
            // Workers are not ended instead. On a busy machine, the 100 ms that such a call has may pass before it gets a core.
            let statistics = pool.statistics();
            if statistics.started < 100 {
                return;
            }
            seen.push(statistics);
        }
        panic!("too many workers were ended: {seen:?}");
    })
    .unwrap();
}

/// Returns how often each thread of a process has lost a processor, or given one up.
#[cfg(target_os = "linux")]
fn switches(os_pid: i32) -> BTreeMap<OsString, u64> {
    let threads = fs::read_dir(format!("/proc/{os_pid}/task")).expect("it runs").flatten();
    let switches = threads.filter_map(|thread| {
        // The thread may have ended.
        let status = fs::read_to_string(thread.path().join("status")).ok()?;
        let numbers = status.lines().filter_map(|line| line.split_once("ctxt_switches:")?.1.trim().parse::<u64>().ok());
        Some((thread.file_name(), numbers.sum()))
    });
    switches.collect()
}

/// Checks that the threads of a worker give up a processor fewer times than this in half a second. Other programs may lengthen a period, and a worker
/// may need a while until its threads sleep, so one of several periods is enough.
#[cfg(target_os = "linux")]
async fn assert_sleeps(pool: &Pool, most: u64) {
    let os_pid = pool.statistics().workers[0].os_pid;
    let mut seen = Vec::new();
    for _ in 0..20 {
        let before = switches(os_pid);
        tokio::time::sleep(Duration::from_millis(500)).await;
        let after = switches(os_pid);
        let n: u64 = after.iter().map(|(thread, n)| n - before.get(thread).unwrap_or(&0)).sum();
        if n < most {
            return;
        }
        seen.push(n);
    }
    panic!("switches in half a second: {seen:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_worker_without_calls_sleeps() {
    cordial_isolate::test_main(functions());
    run(async {
        let pool = Pool::builder().workers(1).start().unwrap();
        for n in 0..10 {
            assert_eq!(pool.call(SQUARE, n).timeout(LONG).await, Ok(n * n));
        }
        // Until all of its threads sleep.
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_sleeps(&pool, 50).await;
    })
    .unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn a_worker_whose_call_blocks_sleeps() {
    cordial_isolate::test_main(functions());
    run(async {
        let pool = Pool::builder().workers(1).start().unwrap();
        assert_eq!(pool.call(SQUARE, 3).timeout(LONG).await, Ok(9));
        let task = pool.call(BLOCK, ());
        // The rounds of the runtime, which measures the poll, become rarer the longer it lasts.
        tokio::time::sleep(Duration::from_millis(600)).await;
        assert_sleeps(&pool, 100).await;
        drop(task);
    })
    .unwrap();
}

#[test]
fn what_a_call_has_left_behind_runs_on_beside_other_calls() {
    cordial_isolate::test_main(functions());
    run(async {
        let pool = Pool::builder().workers(1).start().unwrap();
        pool.call(TICK, ()).timeout(LONG).await.unwrap();
        let count = |period| {
            let pool = pool.clone();
            async move {
                let before = pool.call(TICKS, ()).timeout(LONG).await.unwrap();
                tokio::time::sleep(period).await;
                pool.call(TICKS, ()).timeout(LONG).await.unwrap() - before
            }
        };
        let mut seen = Vec::new();
        // Other programs may take the processor in one of two periods.
        while seen.len() < 50 {
            let alone = count(Duration::from_millis(300)).await;
            let calls = cordial::Task::spawn({
                let pool = pool.clone();
                async move {
                    loop {
                        pool.call(SQUARE, 3).timeout(LONG).await.unwrap();
                        tokio::time::sleep(Duration::from_millis(3)).await;
                    }
                }
            });
            let beside = count(Duration::from_millis(300)).await;
            drop(calls);
            if beside > alone / 2 {
                return;
            }
            seen.push((alone, beside));
        }
        panic!("ticks without calls, and beside calls: {seen:?}");
    })
    .unwrap();
}

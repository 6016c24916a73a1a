//! Calls that follow each other, whose worker reads the next one before it waits again.

use std::fs;
use std::time::Duration;

use cordial::Shutdown;
use cordial_isolate::Pool;
use tokio::time::Instant;

use crate::functions::{BLOCK, CHECKPOINT, SQUARE, TICK, TICKS, functions};

#[test]
fn a_call_that_is_stopped_right_after_others_is_asked_to_shut_down() {
    cordial_isolate::test_main(functions());
    cordial::run(async {
        let pool = Pool::builder().workers(1).grace(Duration::from_secs(20)).start().unwrap();
        for n in 0..200 {
            assert_eq!(pool.call(SQUARE, n).await, Ok(n * n));
            let task = pool.call(CHECKPOINT, ());
            // The request arrives with the call, or after it.
            for _ in 0..n % 20 {
                tokio::task::yield_now().await;
            }
            let started = Instant::now();
            let _ = task.shutdown(Shutdown::After(Duration::from_secs(60))).await;
            assert!(started.elapsed() < Duration::from_secs(10), "it was ended by the grace time");
        }
        // Workers are not ended instead. On a busy machine, the 100 ms that such a call has may pass before it gets a core.
        let statistics = pool.statistics();
        assert!(statistics.started < 100, "{statistics:?}");
    })
    .unwrap();
}

/// Returns how often the threads of a process have lost a processor, or given one up.
#[cfg(target_os = "linux")]
fn switches(os_pid: i32) -> u64 {
    let threads = fs::read_dir(format!("/proc/{os_pid}/task")).expect("it runs").flatten();
    let statuses = threads.map(|thread| fs::read_to_string(thread.path().join("status")).expect("no thread ends"));
    let lines: Vec<String> =
        statuses.flat_map(|status| status.lines().map(str::to_owned).collect::<Vec<_>>()).collect();
    lines.iter().filter_map(|line| line.split_once("ctxt_switches:")?.1.trim().parse::<u64>().ok()).sum()
}

#[cfg(target_os = "linux")]
#[test]
fn a_worker_without_calls_sleeps() {
    cordial_isolate::test_main(functions());
    cordial::run(async {
        let pool = Pool::builder().workers(1).start().unwrap();
        for n in 0..10 {
            assert_eq!(pool.call(SQUARE, n).await, Ok(n * n));
        }
        let os_pid = pool.statistics().workers[0].os_pid;
        // Until all of its threads sleep.
        tokio::time::sleep(Duration::from_millis(200)).await;
        let before = switches(os_pid);
        tokio::time::sleep(Duration::from_millis(500)).await;
        let n = switches(os_pid) - before;
        assert!(n < 50, "{n} switches in half a second");
    })
    .unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn a_worker_whose_call_blocks_sleeps() {
    cordial_isolate::test_main(functions());
    cordial::run(async {
        let pool = Pool::builder().workers(1).start().unwrap();
        assert_eq!(pool.call(SQUARE, 3).await, Ok(9));
        let task = pool.call(BLOCK, ());
        let os_pid = pool.statistics().workers[0].os_pid;
        // The rounds of the runtime, which measures the poll, become rarer the longer it lasts.
        tokio::time::sleep(Duration::from_millis(600)).await;
        let before = switches(os_pid);
        tokio::time::sleep(Duration::from_millis(500)).await;
        let n = switches(os_pid) - before;
        assert!(n < 100, "{n} switches in half a second");
        drop(task);
    })
    .unwrap();
}

#[test]
fn what_a_call_has_left_behind_runs_on_beside_other_calls() {
    cordial_isolate::test_main(functions());
    cordial::run(async {
        let pool = Pool::builder().workers(1).start().unwrap();
        pool.call(TICK, ()).await.unwrap();
        let count = |period| {
            let pool = pool.clone();
            async move {
                let before = pool.call(TICKS, ()).await.unwrap();
                tokio::time::sleep(period).await;
                pool.call(TICKS, ()).await.unwrap() - before
            }
        };
        let mut seen = Vec::new();
        // Other programs may take the processor in one of two periods.
        while seen.len() < 10 {
            let alone = count(Duration::from_millis(300)).await;
            let calls = cordial::Task::spawn({
                let pool = pool.clone();
                async move {
                    loop {
                        pool.call(SQUARE, 3).await.unwrap();
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

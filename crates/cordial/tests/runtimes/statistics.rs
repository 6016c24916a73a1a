//! The statistics of the real and the simulated scheduler.

use std::sync::mpsc;
use std::time::Duration;

use cordial::process::statistics;
use cordial::{Runtime, Statistics, Task, testing};

/// No poll of a test counts as long.
const NEVER: Duration = Duration::from_secs(3600);

/// Waits until the statistics satisfy a condition: a worker counts a poll only after its end, and by then the test may
/// have gone on.
fn until(runtime: &Runtime, holds: impl Fn(&Statistics) -> bool) -> Statistics {
    loop {
        let statistics = runtime.statistics();
        if holds(&statistics) {
            return statistics;
        }
        std::thread::yield_now();
    }
}

#[test]
fn polls_steals_and_parks_are_counted() {
    let runtime = Runtime::builder().workers(2).stall_after(NEVER).build().unwrap();
    runtime
        .block_on(async {
            let (ran, has_run) = mpsc::channel();
            // Each task displaces the one before from the worker's LIFO slot into its queue, and the worker blocks. More than two tasks:
            // if the worker gets no processor for a moment, the sysmon thread moves the task in the slot to the injected tasks.
            let tasks: Vec<_> = (0..8)
                .map(|_| {
                    let ran = ran.clone();
                    Task::spawn(async move { ran.send(()).unwrap() })
                })
                .collect();
            (0..8).for_each(|_| has_run.recv().unwrap());
            Task::await_many(tasks).await.unwrap();
        })
        .unwrap();
    let statistics = until(&runtime, |now| now.polls >= 9 && now.steals >= 1 && now.parks >= 1);
    assert_eq!((statistics.workers, statistics.stand_ins, statistics.deprioritized), (2, 0, 0));
    assert_eq!((statistics.long_polls, statistics.busy_samples.len()), (0, 2));
}

#[test]
fn queued_tasks_are_counted() {
    let runtime = Runtime::builder().workers(1).stall_after(NEVER).build().unwrap();
    let (ready, is_ready) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let own = std::thread::scope(|scope| {
        let blocked = scope.spawn(|| {
            runtime.block_on(async move {
                let tasks: Vec<_> = (0..10).map(|n| Task::spawn(async move { n })).collect();
                ready.send(()).unwrap();
                let _ = released.recv();
                let statistics = statistics();
                assert_eq!(Task::await_many(tasks).await, Ok((0..10).collect()));
                statistics
            })
        });
        is_ready.recv().unwrap();
        let outside = (0..5).map(|_| scope.spawn(|| runtime.block_on(async {})));
        let outside: Vec<_> = outside.collect();
        // The sysmon thread moves the task in the slot of a long-busy worker to the injected tasks. More than one, if the worker got no
        // processor for a moment while it spawned.
        until(&runtime, |now| now.injected >= 6 && now.injected + now.queued == 15);
        release.send(()).unwrap();
        outside.into_iter().for_each(|outside| outside.join().unwrap().unwrap());
        blocked.join().unwrap().unwrap()
    });
    assert!(own.injected >= 6 && own.injected + own.queued == 15, "a process reads the statistics of its own runtime");
    let busy = own.busy_samples[0];
    assert!(busy > 0, "the sysmon thread has not sampled");
    let after = until(&runtime, |now| now.polls >= 17);
    assert_eq!((after.injected, after.queued), (0, 0));
    assert!(after.busy_samples[0] >= busy && after.long_polls == 0);
}

#[test]
fn stuck_threads_are_counted() {
    let runtime =
        Runtime::builder().workers(2).stall_after(Duration::from_millis(1)).lower_stuck(false).build().unwrap();
    let (began, has_begun) = mpsc::channel();
    let (releases, tasks): (Vec<_>, Vec<_>) = (0..3)
        .map(|_| {
            let began = began.clone();
            let (release, released) = mpsc::channel::<()>();
            let stuck = async move {
                Some(Task::spawn(async move {
                    began.send(()).unwrap();
                    let _ = released.recv();
                }))
            };
            (release, runtime.block_on(stuck).unwrap().unwrap())
        })
        .unzip();
    // The third task runs on a stand-in and is stuck there. No task is queued, so no further stand-in starts.
    (0..3).for_each(|_| has_begun.recv().unwrap());
    let statistics = until(&runtime, |now| now.long_polls >= 3);
    assert_eq!(statistics.workers, 2);
    assert!(statistics.stand_ins >= 1 && statistics.busy_samples.len() >= 3, "{statistics:?}");
    drop(releases);
    tasks.into_iter().for_each(|task| task.wait().unwrap());
    let after = until(&runtime, |now| now.polls >= 6);
    assert_eq!(after.workers, 2);
}

#[test]
fn a_simulation_is_one_worker_and_counts_its_polls() {
    testing::run(async {
        let before = statistics();
        assert_eq!((before.workers, before.polls, before.queued), (1, 0, 0), "the running poll is not counted yet");
        let tasks: Vec<_> = (0..10).map(|n| Task::spawn(async move { n })).collect();
        assert_eq!(statistics().queued, 10);
        assert_eq!(Task::await_many(tasks).await, Ok((0..10).collect()));
        let after = statistics();
        assert!(after.polls > 10 && after.queued == 0, "{after:?}");
        let idle = [after.stand_ins, after.deprioritized, after.injected, after.busy_samples.len()];
        assert_eq!((idle, after.steals, after.parks, after.long_polls), ([0; 4], 0, 0, 0));
    });
}

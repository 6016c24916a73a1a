//! Monitors: one-way watches that answer once.
//!
//! `cases.md` 4.23: L-008, L-009, L-010, L-011 (there is no mailbox, so dropping the watch is all there is).
#![expect(clippy::async_yields_async, reason = "handles leave the runtime that they were made in")]

use std::io;
use std::time::Duration;

use cordial::process::{self, Monitor};
use cordial::{Exit, Pid, Runtime, Task, testing};
use futures::FutureExt;

/// Longer than anything here takes, on a clock that is virtual.
const SETTLED: Duration = Duration::from_secs(3600);

fn waiting() -> Pid {
    Task::start(std::future::pending::<()>())
}

fn n_monitors(pid: Pid) -> usize {
    process::info(pid).unwrap().n_monitors
}

/// L-008, L-010.
#[test]
fn every_monitor_of_a_process_gets_its_exit() {
    let exits = [
        Exit::Normal,
        Exit::Shutdown(None),
        Exit::Shutdown(Some("enough".into())),
        Exit::Killed,
        Exit::NoProcess,
        Exit::from(io::Error::other("no luck")),
    ];
    for exit in exits {
        testing::run(async move {
            let ends = exit.clone();
            let pid = Task::start(async move { cordial::exit(ends).await });
            let monitors = [(); 3].map(|()| process::monitor(pid));
            assert_eq!(n_monitors(pid), 3);
            assert!(monitors.iter().all(|monitor| monitor.pid() == pid));
            for monitor in monitors {
                assert_eq!(monitor.await, exit);
            }
        });
    }
}

#[test]
fn a_monitor_of_a_value_says_normal_and_of_an_err_says_the_error() {
    testing::run(async {
        assert_eq!(process::monitor(Task::start(async {})).await, Exit::Normal);
        let failed = process::monitor(Task::start(async { Err::<(), _>("no luck") })).await;
        assert_eq!(failed, Exit::from(io::Error::other("no luck")));
        // For a task with a handle, an `Err` is a value like any other.
        let task = Task::spawn(async { Err::<(), _>("a value") });
        let end = process::monitor(task.pid());
        assert_eq!((end.await, task.await), (Exit::Normal, Ok(Err("a value"))));
    });
}

/// L-009.
#[test]
fn a_monitor_of_nobody_answers_at_once() {
    let elsewhere = Runtime::builder().workers(1).build().unwrap();
    let foreign = elsewhere.block_on(async { waiting() }).unwrap();
    testing::run(async move {
        let dead = Task::start(async {});
        assert_eq!(process::monitor(dead).await, Exit::Normal);
        for nobody in [dead, Task::completed(()).pid(), foreign] {
            assert_eq!(process::monitor(nobody).now_or_never(), Some(Exit::NoProcess), "{nobody}");
        }
    });
}

/// L-008.
#[test]
fn a_watch_affects_neither_side() {
    testing::run(async {
        let watched = waiting();
        let watcher = Task::start(async move {
            let _watch = process::monitor(watched);
            panic!("no luck");
        });
        assert!(process::monitor(watcher).await.is_abnormal());
        tokio::time::sleep(SETTLED).await;
        assert!(process::info(watched).is_some(), "the end of a watcher ends nobody");
        assert_eq!(n_monitors(watched), 0, "and takes its watch along");

        let alive = Task::spawn(async move { process::monitor(watched).await });
        tokio::task::yield_now().await;
        process::exit(watched, Exit::Killed);
        assert_eq!(alive.await, Ok(Exit::Killed), "the end of the watched one is a value");
    });
}

/// L-011.
#[test]
fn a_monitor_that_is_dropped_ends_the_watch_and_no_other() {
    testing::run(async {
        let pid = waiting();
        let (first, second) = (process::monitor(pid), process::monitor(pid));
        assert_eq!(n_monitors(pid), 2);
        drop(first);
        assert_eq!(n_monitors(pid), 1);
        process::exit(pid, Exit::Killed);
        assert_eq!(second.await, Exit::Killed);
    });
}

#[test]
fn a_monitor_may_be_polled_by_reference_and_loses_nothing() {
    testing::run(async {
        let pid = waiting();
        let mut end = process::monitor(pid);
        assert!(tokio::time::timeout(SETTLED, &mut end).await.is_err());
        process::exit(pid, Exit::Killed);
        assert_eq!(end.await, Exit::Killed);
    });
}

#[test]
fn a_monitor_that_has_answered_says_so_when_it_is_polled_again() {
    testing::run(async {
        let mut end = process::monitor(Task::start(async {}));
        assert_eq!((&mut end).await, Exit::Normal);
        let exit = Task::spawn(end).await.unwrap_err();
        assert!(exit.to_string().contains("a Monitor answers once"), "{exit}");
    });
}

/// The exit is kept: nobody has to wait while it happens.
#[test]
fn a_monitor_answers_however_late_it_is_asked() {
    testing::run(async {
        let pid = Task::start(async { panic!("no luck") });
        let end = process::monitor(pid);
        tokio::time::sleep(SETTLED).await;
        assert!(process::info(pid).is_none());
        assert!(matches!(end.await, Exit::Panic(report) if report.message() == "no luck"));
    });
}

#[test]
fn a_monitor_works_on_a_plain_thread() {
    let (go, gone) = tokio::sync::oneshot::channel::<()>();
    let task = Task::spawn(gone);
    let end = process::monitor(task.pid());
    go.send(()).unwrap();
    assert_eq!(futures::executor::block_on(end), Exit::Normal);
}

#[test]
fn a_monitor_outlives_the_runtime_of_the_process() {
    let runtime = Runtime::builder().workers(1).build().unwrap();
    let end: Monitor = runtime.block_on(async { process::monitor(waiting()) }).unwrap();
    drop(runtime);
    assert_eq!(futures::executor::block_on(end), Exit::Killed);
}

/// Set while the process ends, a watch answers with its exit or that it is gone, and always answers.
#[test]
fn a_monitor_set_while_the_process_ends_never_hangs() {
    const ROUNDS: usize = 10_000;
    let runtime = Runtime::builder().workers(2).build().unwrap();
    runtime
        .block_on(async {
            for round in 1..=ROUNDS {
                let pid = Task::start(async { Err::<(), _>("gone") });
                let watchers = [(); 2].map(|()| Task::spawn(async move { process::monitor(pid).await }));
                for watcher in watchers {
                    match watcher.timeout(Duration::from_secs(60)).await {
                        Ok(Exit::NoProcess) => {}
                        Ok(Exit::Error(error)) if error.to_string() == "gone" => {}
                        other => panic!("round {round}: {other:?}"),
                    }
                }
            }
        })
        .unwrap();
}

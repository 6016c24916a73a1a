//! Monitors: one-way, and each resolves once.
#![expect(clippy::async_yields_async, reason = "handles leave the runtime that they were created in")]

use std::io;
use std::time::Duration;

use cordial::process::{self, Monitor};
use cordial::{Exit, Pid, Runtime, Task, testing};
use futures::FutureExt;

/// Longer than anything here takes, on the virtual clock.
const SETTLED: Duration = Duration::from_secs(3600);

fn waiting() -> Pid {
    Task::start(std::future::pending::<()>())
}

fn n_monitors(pid: Pid) -> usize {
    process::info(pid).unwrap().n_monitors
}

// L-008, L-010
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
fn a_monitor_returns_normal_for_a_value_and_the_error_for_an_err() {
    testing::run(async {
        assert_eq!(process::monitor(Task::start(async {})).await, Exit::Normal);
        let failed = process::monitor(Task::start(async { Err::<(), _>("no luck") })).await;
        assert_eq!(failed, Exit::from(io::Error::other("no luck")));
        // The `Err` of a task with a handle is a value.
        let task = Task::spawn(async { Err::<(), _>("a value") });
        let end = process::monitor(task.pid());
        assert_eq!((end.await, task.await), (Exit::Normal, Ok(Err("a value"))));
    });
}

// L-009
#[test]
fn a_monitor_of_an_unknown_pid_resolves_at_once() {
    let elsewhere = Runtime::builder().workers(1).build().unwrap();
    let foreign = elsewhere.block_on(async { waiting() }).unwrap();
    testing::run(async move {
        let dead = Task::start(async {});
        assert_eq!(process::monitor(dead).await, Exit::Normal);
        for absent in [dead, Task::completed(()).pid(), foreign] {
            assert_eq!(process::monitor(absent).now_or_never(), Some(Exit::NoProcess), "{absent}");
        }
    });
}

// L-008
#[test]
fn a_monitor_affects_neither_process() {
    testing::run(async {
        let monitored = waiting();
        let monitoring = Task::start(async move {
            let _monitor = process::monitor(monitored);
            panic!("no luck");
        });
        assert!(process::monitor(monitoring).await.is_abnormal());
        tokio::time::sleep(SETTLED).await;
        assert!(
            process::info(monitored).is_some(),
            "the exit of the monitoring process does not end the monitored one"
        );
        assert_eq!(n_monitors(monitored), 0, "and its monitor is removed");

        let alive = Task::spawn(async move { process::monitor(monitored).await });
        tokio::task::yield_now().await;
        process::exit(monitored, Exit::Killed);
        assert_eq!(alive.await, Ok(Exit::Killed), "the exit of the monitored process is a value");
    });
}

// L-011
#[test]
fn dropping_a_monitor_removes_it_and_no_other() {
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
fn a_monitor_that_is_polled_after_it_resolved_panics_with_a_clear_message() {
    testing::run(async {
        let mut end = process::monitor(Task::start(async {}));
        assert_eq!((&mut end).await, Exit::Normal);
        let exit = Task::spawn(end).await.unwrap_err();
        assert!(exit.to_string().contains("a Monitor is ready once"), "{exit}");
    });
}

#[test]
fn a_monitor_keeps_the_exit_until_it_is_polled() {
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

/// A monitor that is created while the process exits resolves either to its exit or to `NoProcess`. It never hangs.
#[test]
fn a_monitor_created_while_the_process_exits_never_hangs() {
    const ROUNDS: usize = 10_000;
    let runtime = Runtime::builder().workers(2).build().unwrap();
    runtime
        .block_on(async {
            for round in 1..=ROUNDS {
                let pid = Task::start(async { Err::<(), _>("gone") });
                let monitoring = [(); 2].map(|()| Task::spawn(async move { process::monitor(pid).await }));
                for task in monitoring {
                    match task.timeout(Duration::from_secs(60)).await {
                        Ok(Exit::NoProcess) => {}
                        Ok(Exit::Error(error)) if error.to_string() == "gone" => {}
                        other => panic!("round {round}: {other:?}"),
                    }
                }
            }
        })
        .unwrap();
}

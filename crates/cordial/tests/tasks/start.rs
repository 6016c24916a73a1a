//! Tasks without a handle: `Task::start` and `Task::start_link`.
//!
//! Restates "start/1" and "start_link/1" of Elixir's `task_test.exs`, and the documentation of `Task`. `exit_propagation.rs` has the
//! tables of how the exits of caller and task affect each other.

use std::future::pending;

use cordial::{Exit, Task, process};
use tokio::sync::oneshot;

use crate::harness::exit_kind::error;
use crate::harness::probe::Probe;
use crate::harness::seeds::for_each_seed;

// T-008
#[test]
fn start_link_returns_the_pid_of_a_running_task_that_is_linked_to_its_caller() {
    for_each_seed(|| async {
        let own = process::current().unwrap();
        let (tx, rx) = oneshot::channel();
        let pid = Task::start_link(async move {
            let _ = tx.send(process::current());
            pending::<()>().await
        });
        assert_eq!(process::info(pid).unwrap().links, [own]);
        assert_eq!(process::info(own).unwrap().links, [pid]);
        assert_eq!(rx.await, Ok(Some(pid)));
    });
}

// T-011
#[test]
fn a_start_link_task_that_exits_normally_leaves_its_caller_running_and_unlinked() {
    for_each_seed(|| async {
        let own = process::current().unwrap();
        let pid = Task::start_link(async {});
        assert_eq!(process::monitor(pid).await, Exit::Normal);
        tokio::task::yield_now().await;
        assert!(process::info(own).unwrap().links.is_empty());
    });
}

// T-015
#[test]
fn start_returns_the_pid_of_a_running_task_without_links() {
    for_each_seed(|| async {
        let own = process::current().unwrap();
        let (tx, rx) = oneshot::channel();
        let pid = Task::start(async move {
            let _ = tx.send(process::current());
            pending::<()>().await
        });
        assert!(process::info(pid).unwrap().links.is_empty());
        assert!(process::info(own).unwrap().links.is_empty());
        assert_eq!(rx.await, Ok(Some(pid)));
    });
}

// T-017
#[test]
fn a_started_task_completes_after_its_caller_has_crashed() {
    for_each_seed(|| async {
        let (go, gate) = oneshot::channel::<()>();
        let (tx, rx) = oneshot::channel();
        let caller: Task<()> = Task::spawn(async move {
            Task::start(async move {
                let _ = gate.await;
                let _ = tx.send("completed");
            });
            panic!("no luck")
        });
        assert!(caller.await.unwrap_err().is_abnormal());
        go.send(()).unwrap();
        assert_eq!(rx.await, Ok("completed"));
    });
}

#[test]
fn an_err_of_a_started_task_is_its_exit() {
    for_each_seed(|| async {
        let failed = Task::start(async { Err::<(), _>(std::io::Error::other("no disk")) });
        assert_eq!(process::monitor(failed).await, error("no disk"));

        let shut_down = Task::start(async { Err::<(), _>(Exit::Shutdown(None)) });
        assert_eq!(process::monitor(shut_down).await, Exit::Shutdown(None));

        let succeeded = Task::start(async { Ok::<(), String>(()) });
        assert_eq!(process::monitor(succeeded).await, Exit::Normal);
    });
}

#[test]
fn an_err_of_a_start_link_task_ends_its_caller() {
    for_each_seed(|| async {
        let caller: Task<()> = Task::spawn(async {
            Task::start_link(async { Err::<(), _>("no disk") });
            pending().await
        });
        assert_eq!(caller.await, Err(error("no disk")));
    });
}

#[test]
fn a_task_is_polled_once_per_wake_up_and_dropped_once() {
    let probe = Probe::default();
    let (go, gate) = oneshot::channel::<()>();
    let counted = probe.of(gate);
    cordial::testing::run(async move {
        let pid = Task::start(async move {
            let _ = counted.await;
        });
        let end = process::monitor(pid);
        tokio::time::sleep(crate::harness::seeds::SECOND).await;
        go.send(()).unwrap();
        end.await;
    });
    assert_eq!((probe.polls(), probe.drops()), (2, 1));
}

#[test]
fn a_plain_thread_starts_a_task_that_has_no_callers_and_no_links() {
    let (tx, rx) = std::sync::mpsc::channel();
    Task::start_link(async move {
        let own = process::current().unwrap();
        let _ = tx.send((process::callers(), process::info(own).unwrap().links));
    });
    assert_eq!(rx.recv(), Ok((vec![], vec![])));
}

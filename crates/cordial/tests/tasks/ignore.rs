//! `Task::ignore`: drops the handle without ending the task.
//!
//! Restates "ignore/1" of Elixir's `task_test.exs`.
#![expect(clippy::async_yields_async, reason = "handles and monitors are passed around, not awaited")]

use std::time::Duration;

use cordial::{Exit, Task, process};
use futures::{FutureExt, StreamExt};
use tokio::time::sleep;

use crate::harness::exit_kind::ExitKind;
use crate::harness::probe::Probe;
use crate::harness::seeds::{SECOND, for_each_seed};

// T-036, T-038
#[test]
fn ignore_returns_the_result_of_a_task_that_has_ended() {
    for_each_seed(|| async {
        let mut exits = process::trap_exits();
        for kind in ExitKind::all() {
            let task = Task::spawn_link(kind.clone().perform());
            process::monitor(task.pid()).await;
            let exit = task.ignore().unwrap().err().unwrap_or(Exit::Normal);
            assert!(kind.matches(&exit), "{kind:?} was reported as {exit}");
            let (_, exit) = exits.next().await.unwrap();
            assert!(kind.matches(&exit), "{kind:?} was trapped as {exit}");
        }
        assert_eq!(exits.next().now_or_never(), None, "one exit per task");
    });
}

// T-037, T-039
#[test]
fn a_running_task_that_is_ignored_runs_on_unlinked() {
    for_each_seed(|| async {
        let own = process::current().unwrap();
        for kind in ExitKind::all() {
            let probe = Probe::default();
            let value = probe.guard();
            let how = kind.clone();
            let task = Task::spawn_link(async move {
                sleep(SECOND).await;
                how.perform().await;
                value
            });
            let monitor = process::monitor(task.pid());
            assert!(task.ignore().is_none());
            assert!(process::info(own).unwrap().links.is_empty());
            assert_eq!(probe.drops(), 0);
            // The owner continues to run, even though it does not trap exits.
            let exit = monitor.await;
            assert!(kind.matches(&exit), "{kind:?} was reported as {exit}");
            sleep(SECOND).await;
            assert_eq!(probe.drops(), 1, "the value was dropped");
        }
    });
}

#[test]
fn an_ignored_task_survives_the_exit_of_its_owner() {
    for_each_seed(|| async {
        let owner = Task::spawn(async {
            let task = Task::spawn_link(sleep(60 * SECOND));
            let monitor = process::monitor(task.pid());
            assert_eq!(task.ignore(), None);
            monitor
        });
        let monitor = owner.await.unwrap();
        assert_eq!(monitor.await, Exit::Normal);
    });
}

#[test]
fn ignoring_a_handle_whose_result_was_taken_returns_none() {
    for_each_seed(|| async {
        let mut task = Task::spawn(async { 7 });
        assert_eq!(task.yield_for(SECOND).await, Some(Ok(7)));
        assert_eq!(task.ignore(), None);
        let late = Task::spawn(sleep(SECOND)).timeout(Duration::ZERO);
        let mut late = late;
        assert!(matches!((&mut late).await, Err(Exit::Timeout(_))));
        assert_eq!(late.ignore(), None);
    });
}

//! `Task::yield_for`: waits for a task for a limited time and keeps the handle.
//!
//! Restates "yield/2" of Elixir's `task_test.exs` and its documentation.

use std::future::pending;
use std::time::Duration;

use cordial::{Exit, Shutdown, Task, Timeout, process};
use futures::{FutureExt, StreamExt};
use tokio::time::{Instant, sleep};

use crate::harness::exit_kind::ExitKind;
use crate::harness::probe::Probe;
use crate::harness::seeds::{SECOND, for_each_seed};

// T-084
#[test]
fn without_a_result_yield_for_returns_none_after_the_timeout() {
    for_each_seed(|| async {
        for limit in [Duration::ZERO, SECOND, 60 * SECOND] {
            let mut task = Task::spawn(pending::<()>());
            let begun = Instant::now();
            assert_eq!(task.yield_for(limit).await, None);
            assert_eq!(begun.elapsed(), limit);
        }
    });
}

// T-085, T-091
#[test]
fn the_handle_stays_valid_until_it_has_returned_a_result() {
    for_each_seed(|| async {
        for awaited in [false, true] {
            let mut task = Task::spawn(async {
                sleep(SECOND * 7 / 2).await;
                "done"
            });
            for _ in 0..3 {
                assert_eq!(task.yield_for(SECOND).await, None);
            }
            let begun = Instant::now();
            let result = if awaited { Some(task.await) } else { task.yield_for(SECOND).await };
            assert_eq!(result, Some(Ok("done")));
            assert_eq!(begun.elapsed(), SECOND / 2);
        }
    });
}

async fn check_end(kind: ExitKind, spawn: fn(ExitKind) -> Task<()>) {
    let mut task = spawn(kind.clone());
    let result = task.yield_for(Timeout::Infinity).await.unwrap();
    let exit = result.err().unwrap_or(Exit::Normal);
    assert!(kind.matches(&exit), "{kind:?} was reported as {exit}");
}

// T-086, T-087, T-088
#[test]
fn a_task_that_ended_returns_its_exit_and_does_not_end_the_owner() {
    for_each_seed(|| async {
        let mut exits = process::trap_exits();
        for kind in ExitKind::all() {
            check_end(kind, |kind| Task::spawn(kind.perform())).await;
        }
        assert_eq!(exits.next().now_or_never(), None);
        for kind in ExitKind::all() {
            check_end(kind.clone(), |kind| Task::spawn_link(kind.perform())).await;
            let (_, exit) = exits.next().await.unwrap();
            assert!(kind.matches(&exit), "{kind:?} was trapped as {exit}");
        }
    });
}

// T-062
#[test]
fn an_available_result_is_returned_without_waiting() {
    for_each_seed(|| async {
        let mut task = Task::spawn(async { 7 });
        sleep(SECOND).await;
        assert_eq!(task.yield_for(Duration::ZERO).now_or_never(), Some(Some(Ok(7))));
    });
}

// T-093
#[test]
fn yield_else_shutdown_does_not_lose_a_value_returned_in_between() {
    for_each_seed(|| async {
        for how in [Shutdown::default(), Shutdown::BrutalKill] {
            let mut task = Task::spawn(async {
                sleep(3 * SECOND).await;
                "done"
            });
            assert_eq!(task.yield_for(2 * SECOND).await, None);
            sleep(2 * SECOND).await;
            assert_eq!(task.shutdown(how).await, Some(Ok("done")));
        }
    });
}

// T-094
#[test]
fn yield_else_ignore_lets_a_slow_task_run_on() {
    for_each_seed(|| async {
        let probe = Probe::default();
        let value = probe.guard();
        let mut task = Task::spawn(async move {
            sleep(60 * SECOND).await;
            value
        });
        let end = process::monitor(task.pid());
        assert!(task.yield_for(SECOND).await.is_none());
        assert!(task.ignore().is_none());
        assert_eq!(probe.drops(), 0);
        assert_eq!(end.await, Exit::Normal);
        assert_eq!(probe.drops(), 1, "the value was dropped");
    });
}

#[test]
fn dropping_a_yield_loses_nothing() {
    for_each_seed(|| async {
        let mut task = Task::spawn(async {
            sleep(2 * SECOND).await;
            7
        });
        assert!(task.yield_for(60 * SECOND).now_or_never().is_none());
        assert!(tokio::time::timeout(SECOND, task.yield_for(60 * SECOND)).await.is_err());
        assert_eq!(task.yield_for(60 * SECOND).await, Some(Ok(7)));
    });
}

//! Looking whether a task is done, and keeping it if not.
//!
//! Restates "yield/2" of Elixir's `task_test.exs` and its documentation.

use std::future::pending;
use std::time::Duration;

use cordial::{Exit, Shutdown, Task, Timeout, process};
use futures::{FutureExt, StreamExt};
use tokio::time::{Instant, sleep};

use crate::ends::End;
use crate::orders::{SECOND, in_every_order};
use crate::probe::Probe;

// T-084
#[test]
fn without_a_result_there_is_nothing_after_the_limit() {
    in_every_order(|| async {
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
fn the_handle_stays_good_until_it_gave_a_result() {
    in_every_order(|| async {
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

async fn check_end(end: End, spawn: fn(End) -> Task<()>) {
    let mut task = spawn(end.clone());
    let result = task.yield_for(Timeout::Infinity).await.unwrap();
    let exit = result.err().unwrap_or(Exit::Normal);
    assert!(end.is(&exit), "{end:?} was told as {exit}");
}

// T-086, T-087, T-088
#[test]
fn a_task_that_ended_gives_its_exit_and_the_owner_lives() {
    in_every_order(|| async {
        let mut exits = process::trap_exits();
        for end in End::each() {
            check_end(end, |end| Task::spawn(end.meet())).await;
        }
        assert_eq!(exits.next().now_or_never(), None);
        for end in End::each() {
            check_end(end.clone(), |end| Task::spawn_link(end.meet())).await;
            let (_, exit) = exits.next().await.unwrap();
            assert!(end.is(&exit), "{end:?} was told over the link as {exit}");
        }
    });
}

// T-062
#[test]
fn a_result_that_is_there_is_given_without_waiting() {
    in_every_order(|| async {
        let mut task = Task::spawn(async { 7 });
        sleep(SECOND).await;
        assert_eq!(task.yield_for(Duration::ZERO).now_or_never(), Some(Some(Ok(7))));
    });
}

// T-093
#[test]
fn yield_else_shut_down_does_not_lose_a_value_that_came_in_between() {
    in_every_order(|| async {
        let mut task = Task::spawn(async {
            sleep(3 * SECOND).await;
            "done"
        });
        assert_eq!(task.yield_for(2 * SECOND).await, None);
        sleep(2 * SECOND).await;
        for limit in [Shutdown::default(), Shutdown::BrutalKill] {
            let task = std::mem::replace(&mut task, Task::completed("no more"));
            let result = task.shutdown(limit).await;
            assert_eq!(result, Some(Ok(if limit == Shutdown::BrutalKill { "no more" } else { "done" })));
        }
    });
}

// T-094
#[test]
fn yield_else_ignore_lets_a_slow_task_run_on() {
    in_every_order(|| async {
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
        assert_eq!(probe.drops(), 1, "its value was dropped");
    });
}

#[test]
fn a_yield_that_is_dropped_loses_nothing() {
    in_every_order(|| async {
        let mut task = Task::spawn(async {
            sleep(2 * SECOND).await;
            7
        });
        assert!(task.yield_for(60 * SECOND).now_or_never().is_none());
        assert!(tokio::time::timeout(SECOND, task.yield_for(60 * SECOND)).await.is_err());
        assert_eq!(task.yield_for(60 * SECOND).await, Some(Ok(7)));
    });
}

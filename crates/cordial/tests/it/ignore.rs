//! Letting go of a task without ending it.
//!
//! Restates "ignore/1" of Elixir's `task_test.exs`.
#![expect(clippy::async_yields_async, reason = "handles and monitors are handed around, not awaited")]

use std::time::Duration;

use cordial::{Exit, Task, process};
use futures::{FutureExt, StreamExt};
use tokio::time::sleep;

use crate::ends::End;
use crate::orders::{SECOND, in_every_order};
use crate::probe::Probe;

// T-036, T-038
#[test]
fn of_a_task_that_has_ended_it_gives_the_result() {
    in_every_order(|| async {
        let mut exits = process::trap_exits();
        for end in End::each() {
            let task = Task::spawn_link(end.clone().meet());
            process::monitor(task.pid()).await;
            let exit = task.ignore().unwrap().err().unwrap_or(Exit::Normal);
            assert!(end.is(&exit), "{end:?} was told as {exit}");
            let (_, exit) = exits.next().await.unwrap();
            assert!(end.is(&exit), "{end:?} was told over the link as {exit}");
        }
        assert_eq!(exits.next().now_or_never(), None, "once");
    });
}

// T-037, T-039
#[test]
fn a_task_that_runs_runs_on_without_its_owner() {
    in_every_order(|| async {
        let own = process::current().unwrap();
        for end in End::each() {
            let probe = Probe::default();
            let value = probe.guard();
            let how = end.clone();
            let task = Task::spawn_link(async move {
                sleep(SECOND).await;
                how.meet().await;
                value
            });
            let watch = process::monitor(task.pid());
            assert!(task.ignore().is_none());
            assert!(process::info(own).unwrap().links.is_empty());
            assert_eq!(probe.drops(), 0);
            // Its owner lives, although it does not trap exits.
            let exit = watch.await;
            assert!(end.is(&exit), "{end:?} was told as {exit}");
            sleep(SECOND).await;
            assert_eq!(probe.drops(), 1, "its value was dropped");
        }
    });
}

#[test]
fn an_ignored_task_survives_the_end_of_who_ignored_it() {
    in_every_order(|| async {
        let owner = Task::spawn(async {
            let task = Task::spawn_link(sleep(60 * SECOND));
            let watch = process::monitor(task.pid());
            assert_eq!(task.ignore(), None);
            watch
        });
        let watch = owner.await.unwrap();
        assert_eq!(watch.await, Exit::Normal);
    });
}

#[test]
fn ignoring_a_handle_whose_result_was_taken_gives_nothing() {
    in_every_order(|| async {
        let mut task = Task::spawn(async { 7 });
        assert_eq!(task.yield_for(SECOND).await, Some(Ok(7)));
        assert_eq!(task.ignore(), None);
        let late = Task::spawn(sleep(SECOND)).timeout(Duration::ZERO);
        let mut late = late;
        assert!(matches!((&mut late).await, Err(Exit::Timeout(_))));
        assert_eq!(late.ignore(), None);
    });
}

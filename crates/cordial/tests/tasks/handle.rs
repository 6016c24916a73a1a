//! The `Task` handle: its pid, its owner, and the futures that it can be part of.
//!
//! Restates "async/1" of Elixir's `task_test.exs`. In Elixir only the spawning process may await. Here a handle may move, and the
//! process that holds it is the owner.
#![expect(clippy::async_yields_async, reason = "handles and monitors are passed around, not awaited")]

use std::future::pending;

use cordial::{Exit, Shutdown, Task, process};
use futures::FutureExt;
use futures::future::join_all;
use tokio::sync::oneshot;

use crate::harness::exit_kind::error;
use crate::harness::probe::Probe;
use crate::harness::seeds::{SECOND, for_each_seed};

// T-020
#[test]
fn only_spawn_link_links_the_task_to_its_owner() {
    for_each_seed(|| async {
        let own = process::current().unwrap();
        let linked = Task::spawn_link(pending::<()>());
        let unlinked = Task::spawn(pending::<()>());
        assert_eq!(process::info(linked.pid()).unwrap().links, [own]);
        assert_eq!(process::info(own).unwrap().links, [linked.pid()]);
        assert!(process::info(unlinked.pid()).unwrap().links.is_empty());
    });
}

// T-027
#[test]
fn a_dropped_handle_asks_the_task_to_shut_down_and_does_not_wait() {
    for_each_seed(|| async {
        let probe = Probe::default();
        let task = Task::spawn(probe.of(pending::<()>()));
        let end = process::monitor(task.pid());
        let begun = tokio::time::Instant::now();
        drop(task);
        assert_eq!(probe.drops(), 0, "the future is not dropped inside the call of `drop`");
        assert_eq!(end.await, Exit::Shutdown(None));
        assert_eq!((probe.drops(), begun.elapsed()), (1, std::time::Duration::ZERO));
    });
}

#[test]
fn a_handle_that_moved_to_another_process_is_owned_by_that_process() {
    for_each_seed(|| async {
        let (tx, rx) = oneshot::channel();
        let holder = Task::spawn(async move {
            let _task: Result<Task<()>, _> = rx.await;
            pending::<()>().await
        });
        let spawner = Task::spawn(async move {
            let task = Task::spawn(pending());
            let end = process::monitor(task.pid());
            assert!(tx.send(task).is_ok());
            end
        });
        let mut end = spawner.await.unwrap();
        tokio::time::sleep(SECOND).await;
        assert_eq!((&mut end).now_or_never(), None, "the first owner has exited, and the task runs on");
        assert_eq!(holder.shutdown(Shutdown::default()).await, None);
        assert_eq!(end.await, Exit::Shutdown(None));
    });
}

#[test]
fn a_link_stays_with_the_process_that_spawned_when_the_handle_moves() {
    for_each_seed(|| async {
        let (tx, rx) = oneshot::channel();
        let spawner: Task<()> = Task::spawn(async move {
            assert!(tx.send(Task::spawn_link(pending::<()>())).is_ok());
            cordial::exit(error("no disk")).await
        });
        let moved = rx.await.unwrap();
        assert_eq!(spawner.await, Err(error("no disk")));
        assert_eq!(moved.await, Err(error("no disk")), "ended by the link, since the handle was not dropped");
    });
}

#[test]
fn a_handle_that_moved_into_its_own_task_does_not_keep_the_task_alive() {
    for_each_seed(|| async {
        let (tx, rx) = oneshot::channel::<Task<()>>();
        let task = Task::spawn(async move {
            let _own = rx.await;
        });
        let end = process::monitor(task.pid());
        assert!(tx.send(task).is_ok());
        // The task drops its own handle while it returns, so the shutdown request usually comes too late.
        let exit = end.await;
        assert!(matches!(exit, Exit::Normal | Exit::Shutdown(None)), "{exit}");
    });
}

#[test]
fn after_its_result_was_taken_a_handle_reports_that_it_has_no_process() {
    for_each_seed(|| async {
        let mut task = Task::spawn(async { 1 });
        let pid = task.pid();
        assert_eq!((&mut task).await, Ok(1));
        assert_ne!(task.pid(), pid);
        assert!(process::info(task.pid()).is_none() && task.is_finished());
        assert_eq!((&mut task).await, Err(Exit::NoProcess));
        assert_eq!(task.yield_for(SECOND).await, Some(Err(Exit::NoProcess)));
        assert_eq!((&mut task).await, Err(Exit::NoProcess));
    });
}

#[test]
fn is_finished_becomes_true_when_the_process_has_exited() {
    for_each_seed(|| async {
        let task = Task::spawn(tokio::time::sleep(SECOND));
        assert!(!task.is_finished());
        process::monitor(task.pid()).await;
        assert!(task.is_finished());
        assert_eq!(task.timeout(std::time::Duration::ZERO).await, Ok(()));
    });
}

#[test]
fn handles_work_in_join_all() {
    for_each_seed(|| async {
        let slow = Task::spawn(async {
            tokio::time::sleep(SECOND).await;
            1
        });
        let failing = Task::spawn(async { cordial::exit(error("no disk")).await });
        let answers = join_all([slow, Task::completed(2), failing]).await;
        assert_eq!(answers, [Ok(1), Ok(2), Err(error("no disk"))]);
    });
}

#[test]
fn a_handle_by_reference_loses_nothing_in_a_select_that_another_branch_wins() {
    for_each_seed(|| async {
        let mut task = Task::spawn(async {
            tokio::time::sleep(3 * SECOND).await;
            "done"
        });
        let mut ticks = 0;
        let answer = loop {
            tokio::select! {
                answer = &mut task => break answer,
                () = tokio::time::sleep(SECOND * 2 / 3) => ticks += 1,
            }
        };
        assert_eq!((answer, ticks), (Ok("done"), 4));
    });
}

#[test]
fn a_handle_by_value_is_dropped_by_the_select_that_another_branch_wins() {
    for_each_seed(|| async {
        let task = Task::spawn(pending::<()>());
        let end = process::monitor(task.pid());
        tokio::select! {
            _ = task => unreachable!("the task never finishes"),
            () = tokio::time::sleep(SECOND) => {}
        }
        assert_eq!(end.await, Exit::Shutdown(None));
    });
}

//! How the exit of a caller affects its task and the reverse, for each call that starts a task.
//!
//! Restates the cases on links and owners of Elixir's `task_test.exs` and of the documentation of `Task`. In Elixir only a link
//! connects the two. Here the owner also holds a handle, which is dropped before its links are notified. So a task with a handle
//! ends with `Shutdown(None)`, whatever the exit of its owner is.

use std::future::pending;

use cordial::{Exit, OnTimeout, Task, process};
use futures::StreamExt;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::harness::exit_kind::{ExitKind, error};
use crate::harness::seeds::{SECOND, for_each_seed};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Call {
    Spawn,
    SpawnLink,
    Start,
    StartLink,
}

use Call::{Spawn, SpawnLink, Start, StartLink};

const CALLS: [Call; 4] = [Spawn, SpawnLink, Start, StartLink];

/// Starts the task. Returns its pid, and its handle if there is one.
fn launch(call: Call, future: impl Future<Output = ()> + Send + 'static) -> (cordial::Pid, Option<Task<()>>) {
    match call {
        Spawn | SpawnLink => {
            let task = if call == Spawn { Task::spawn(future) } else { Task::spawn_link(future) };
            (task.pid(), Some(task))
        }
        Start => (Task::start(future), None),
        StartLink => (Task::start_link(future), None),
    }
}

/// What becomes of a task when its owner exits.
#[derive(Debug, PartialEq)]
enum Effect {
    RunsOn,
    ExitsLikeTheOwner,
    IsShutDown,
}

async fn check_exit_of_owner(call: Call, kind: ExitKind, effect: Effect) {
    let (tx, rx) = oneshot::channel();
    let how = kind.clone();
    let owner = Task::spawn(async move {
        let (pid, _handle) = launch(call, pending());
        let _ = tx.send(process::monitor(pid));
        how.perform().await;
    });
    let task = rx.await.unwrap();
    let pid = task.pid();
    let begun = Instant::now();
    let ended = process::monitor(owner.pid()).await;
    let ended = if ended == Exit::NoProcess { owner.await.err().unwrap_or(Exit::Normal) } else { ended };
    assert!(kind.matches(&ended), "the owner ended with {ended}");
    if effect == Effect::RunsOn {
        tokio::time::sleep(SECOND).await;
        assert!(process::info(pid).is_some(), "{call:?} of an owner with {kind:?}");
        return process::exit(pid, Exit::Killed);
    }
    let exit = task.await;
    let expected = if effect == Effect::ExitsLikeTheOwner { ended } else { Exit::Shutdown(None) };
    assert_eq!(exit, expected, "{call:?} of an owner with {kind:?}");
    assert_eq!(begun.elapsed(), std::time::Duration::ZERO, "the task must end before time advances");
}

// T-013, T-014, T-017, T-026, T-027
#[test]
fn the_exit_of_an_owner_ends_its_owned_and_linked_tasks() {
    for_each_seed(|| async {
        for (call, kind) in CALLS.iter().flat_map(|&call| ExitKind::all().map(|kind| (call, kind))) {
            let effect = match call {
                Spawn | SpawnLink => Effect::IsShutDown,
                Start => Effect::RunsOn,
                StartLink if kind.is_normal() => Effect::RunsOn,
                StartLink => Effect::ExitsLikeTheOwner,
            };
            check_exit_of_owner(call, kind, effect).await;
        }
    });
}

async fn check_exit_of_task(call: Call, kind: ExitKind, ends_the_owner: bool) {
    let how = kind.clone();
    let owner = Task::spawn(async move {
        let (pid, _handle) = launch(call, how.perform());
        process::monitor(pid).await;
        tokio::time::sleep(SECOND).await;
    });
    match owner.await {
        Ok(()) => assert!(!ends_the_owner, "{call:?} of a task with {kind:?} must end the owner"),
        Err(exit) => {
            assert!(ends_the_owner && kind.matches(&exit), "{call:?} of a task with {kind:?}: the owner {exit}")
        }
    }
}

// T-011, T-012, T-015, T-025
#[test]
fn the_exit_of_a_linked_task_ends_its_owner_unless_it_is_normal() {
    for_each_seed(|| async {
        for (call, kind) in CALLS.iter().flat_map(|&call| ExitKind::all().map(|kind| (call, kind))) {
            let is_linked = matches!(call, SpawnLink | StartLink);
            let ends_the_owner = is_linked && !kind.is_normal();
            check_exit_of_task(call, kind, ends_the_owner).await;
        }
    });
}

// T-012, T-025
#[test]
fn an_owner_that_traps_exits_receives_every_exit_of_a_linked_task() {
    for_each_seed(|| async {
        let mut exits = process::trap_exits();
        for (call, kind) in [SpawnLink, StartLink].iter().flat_map(|&call| ExitKind::all().map(|kind| (call, kind))) {
            let (pid, handle) = launch(call, kind.clone().perform());
            let (from, exit) = exits.next().await.unwrap();
            assert!(from == pid && kind.matches(&exit), "{call:?} of a task with {kind:?}: {exit}");
            if let Some(task) = handle {
                assert_eq!(task.await.err().unwrap_or(Exit::Normal), exit);
            }
        }
    });
}

// T-026: the exit of the owner is a shutdown request, so a graceful task may finish
#[test]
fn a_graceful_task_finishes_after_its_owner_crashed() {
    for_each_seed(|| async {
        let (tx, rx) = oneshot::channel();
        let (ready, is_ready) = oneshot::channel();
        let owner: Task<()> = Task::spawn(async move {
            let _task = Task::spawn_link(async move {
                let _ = ready.send(futures::FutureExt::now_or_never(cordial::shutdown_requested()));
                cordial::shutdown_requested().await;
                tokio::time::sleep(60 * SECOND).await;
                let _ = tx.send("finished");
            });
            let _ = is_ready.await;
            panic!("no luck")
        });
        assert!(owner.await.unwrap_err().is_abnormal());
        assert_eq!(rx.await, Ok("finished"));
    });
}

#[test]
fn a_start_link_task_that_traps_exits_receives_the_exit_of_its_caller() {
    for_each_seed(|| async {
        let (tx, rx) = oneshot::channel();
        let (ready, is_ready) = oneshot::channel();
        let caller: Task<()> = Task::spawn(async move {
            Task::start_link(async move {
                let mut exits = process::trap_exits();
                let _ = ready.send(());
                let _ = tx.send(exits.next().await);
            });
            let _ = is_ready.await;
            cordial::exit(error("no disk")).await
        });
        let pid = caller.pid();
        assert_eq!(caller.await, Err(error("no disk")));
        assert_eq!(rx.await, Ok(Some((pid, error("no disk")))));
    });
}

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("no luck");
    }
}

async fn check_unlinked<F: Future<Output = ()>>(how: &str, drop_handle: impl Fn(Task<()>) -> F) {
    let own = process::current().unwrap();
    for linked_by in ["spawn_link", "the owner", "the task"] {
        let work = async move {
            let _bomb = Bomb;
            if linked_by == "the task" {
                process::link(own);
            }
            tokio::time::sleep(10 * SECOND).await;
        };
        let task = if linked_by == "spawn_link" { Task::spawn_link(work) } else { Task::spawn(work) };
        if linked_by == "the owner" {
            process::link(task.pid());
        }
        let end = process::monitor(task.pid());
        tokio::time::sleep(SECOND).await;
        assert_eq!(process::info(own).unwrap().links, [task.pid()]);
        drop_handle(task).await;
        let links = process::info(own).unwrap().links;
        assert!(links.is_empty(), "{how}, linked by {linked_by}: the link was not removed");
        let exit = end.await;
        assert!(matches!(&exit, Exit::Panic(report) if report.message() == "no luck"), "{how}: {exit}");
        tokio::time::sleep(SECOND).await;
    }
}

// T-039, T-044, T-073, T-098, T-135: a crash of the task after the drop does not end its owner
#[test]
fn every_way_to_drop_a_linked_handle_removes_the_link_first() {
    for_each_seed(|| async {
        check_unlinked("drop", |task| async { drop(task) }).await;
        check_unlinked("timeout", |task| async {
            assert!(matches!(task.timeout(SECOND).await, Err(Exit::Timeout(_))));
        })
        .await;
        check_unlinked("ignore", |task| async { assert_eq!(task.ignore(), None) }).await;
        check_unlinked("shutdown", |task| async {
            assert!(matches!(task.shutdown(SECOND).await, Some(Err(Exit::Panic(_)))));
        })
        .await;
        check_unlinked("await_many", |task| async {
            let failing = Task::spawn(async { cordial::exit(error("no disk")).await });
            assert_eq!(Task::await_many([task, failing]).await, Err(error("no disk")));
        })
        .await;
        check_unlinked("yield_many, ignore", |task| async {
            let mut tasks = [task];
            let results = Task::yield_many(&mut tasks).timeout(SECOND).on_timeout(OnTimeout::Ignore).await;
            assert_eq!(results, [None]);
        })
        .await;
        check_unlinked("yield_many, kill", |task| async {
            let mut tasks = [task];
            let results = Task::yield_many(&mut tasks).timeout(SECOND).on_timeout(OnTimeout::KillTask).await;
            assert!(matches!(results[..], [Some(Err(Exit::Panic(_)))]));
        })
        .await;
    });
}

//! How caller and task are tied: what the end of one does to the other, for each call that starts a task.
//!
//! Restates the cases on links and owners of Elixir's `task_test.exs` and of the documentation of `Task`. There the tie is a
//! link. Here it is the handle too, which is dropped before links are told; so a task that has an owner ends with
//! `Shutdown(None)`, whatever the owner ended with.

use std::future::pending;

use cordial::{Exit, OnTimeout, Task, process};
use futures::StreamExt;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::ends::{End, error};
use crate::orders::{SECOND, in_every_order};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Call {
    Spawn,
    SpawnLink,
    Start,
    StartLink,
}

use Call::{Spawn, SpawnLink, Start, StartLink};

const CALLS: [Call; 4] = [Spawn, SpawnLink, Start, StartLink];

/// The pid, and the handle where there is one.
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

#[derive(Debug, PartialEq)]
enum Fate {
    RunsOn,
    EndsLikeTheOwner,
    IsShutDown,
}

async fn check_end_of_owner(call: Call, end: End, fate: Fate) {
    let (tx, rx) = oneshot::channel();
    let how = end.clone();
    let owner = Task::spawn(async move {
        let (pid, _handle) = launch(call, pending());
        let _ = tx.send(process::monitor(pid));
        how.meet().await;
    });
    let task = rx.await.unwrap();
    let pid = task.pid();
    let begun = Instant::now();
    let ended = process::monitor(owner.pid()).await;
    let ended = if ended == Exit::NoProcess { owner.await.err().unwrap_or(Exit::Normal) } else { ended };
    assert!(end.is(&ended), "the owner ended with {ended}");
    if fate == Fate::RunsOn {
        tokio::time::sleep(SECOND).await;
        assert!(process::info(pid).is_some(), "{call:?} of an owner with {end:?}");
        return process::exit(pid, Exit::Killed);
    }
    let exit = task.await;
    let expected = if fate == Fate::EndsLikeTheOwner { ended } else { Exit::Shutdown(None) };
    assert_eq!(exit, expected, "{call:?} of an owner with {end:?}");
    assert_eq!(begun.elapsed(), std::time::Duration::ZERO, "dead before time moves");
}

// T-013, T-014, T-017, T-026, T-027
#[test]
fn the_end_of_an_owner_ends_what_it_holds_and_what_it_is_linked_to() {
    in_every_order(|| async {
        for (call, end) in CALLS.iter().flat_map(|&call| End::each().map(|end| (call, end))) {
            let fate = match call {
                Spawn | SpawnLink => Fate::IsShutDown,
                Start => Fate::RunsOn,
                StartLink if end.is_normal() => Fate::RunsOn,
                StartLink => Fate::EndsLikeTheOwner,
            };
            check_end_of_owner(call, end, fate).await;
        }
    });
}

async fn check_end_of_task(call: Call, end: End, ends_the_owner: bool) {
    let how = end.clone();
    let owner = Task::spawn(async move {
        let (pid, _handle) = launch(call, how.meet());
        process::monitor(pid).await;
        tokio::time::sleep(SECOND).await;
    });
    match owner.await {
        Ok(()) => assert!(!ends_the_owner, "{call:?} of a task with {end:?} has to end the owner"),
        Err(exit) => assert!(ends_the_owner && end.is(&exit), "{call:?} of a task with {end:?}: the owner {exit}"),
    }
}

// T-011, T-012, T-015, T-025
#[test]
fn the_end_of_a_linked_task_ends_its_owner_unless_it_is_normal() {
    in_every_order(|| async {
        for (call, end) in CALLS.iter().flat_map(|&call| End::each().map(|end| (call, end))) {
            let is_linked = matches!(call, SpawnLink | StartLink);
            let ends_the_owner = is_linked && !end.is_normal();
            check_end_of_task(call, end, ends_the_owner).await;
        }
    });
}

// T-012, T-025
#[test]
fn an_owner_that_traps_is_told_of_every_end_of_a_linked_task_and_lives() {
    in_every_order(|| async {
        let mut exits = process::trap_exits();
        for (call, end) in [SpawnLink, StartLink].iter().flat_map(|&call| End::each().map(|end| (call, end))) {
            let (pid, handle) = launch(call, end.clone().meet());
            let (from, exit) = exits.next().await.unwrap();
            assert!(from == pid && end.is(&exit), "{call:?} of a task with {end:?}: {exit}");
            if let Some(task) = handle {
                assert_eq!(task.await.err().unwrap_or(Exit::Normal), exit);
            }
        }
    });
}

// T-026: the end of the owner is a request, so a task that asked to be told may finish.
#[test]
fn a_task_that_asked_to_be_told_finishes_after_its_owner_crashed() {
    in_every_order(|| async {
        let (tx, rx) = oneshot::channel();
        let (ready, is_ready) = oneshot::channel();
        let owner: Task<()> = Task::spawn(async move {
            let _task = Task::spawn_link(async move {
                let _ = ready.send(futures::FutureExt::now_or_never(cordial::shutdown_requested()));
                cordial::shutdown_requested().await;
                tokio::time::sleep(60 * SECOND).await;
                let _ = tx.send("closed the books");
            });
            let _ = is_ready.await;
            panic!("no luck")
        });
        assert!(owner.await.unwrap_err().is_abnormal());
        assert_eq!(rx.await, Ok("closed the books"));
    });
}

#[test]
fn a_start_link_task_that_traps_is_told_of_the_end_of_its_caller() {
    in_every_order(|| async {
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

async fn check_giving_up<F: Future<Output = ()>>(how: &str, give_up: impl FnOnce(Task<()>) -> F) {
    let own = process::current().unwrap();
    let task = Task::spawn_link(async {
        let _bomb = Bomb;
        tokio::time::sleep(10 * SECOND).await;
    });
    let end = process::monitor(task.pid());
    tokio::time::sleep(SECOND).await;
    assert_eq!(process::info(own).unwrap().links, [task.pid()]);
    give_up(task).await;
    assert!(process::info(own).unwrap().links.is_empty(), "{how}: the link is there still");
    let exit = end.await;
    assert!(matches!(&exit, Exit::Panic(report) if report.message() == "no luck"), "{how}: {exit}");
    tokio::time::sleep(SECOND).await;
}

// T-039, T-044, T-073, T-098, T-135: whatever a task does when it is given up, its owner is not struck.
#[test]
fn giving_up_a_linked_task_removes_the_link_first() {
    in_every_order(|| async {
        check_giving_up("drop", |task| async { drop(task) }).await;
        check_giving_up("a limit that passed", |task| async {
            assert!(matches!(task.timeout(SECOND).await, Err(Exit::Timeout(_))));
        })
        .await;
        check_giving_up("ignore", |task| async { assert_eq!(task.ignore(), None) }).await;
        check_giving_up("shutdown", |task| async {
            assert!(matches!(task.shutdown(SECOND).await, Some(Err(Exit::Panic(_)))));
        })
        .await;
        check_giving_up("await_many", |task| async {
            let failing = Task::spawn(async { cordial::exit(error("no disk")).await });
            assert_eq!(Task::await_many([task, failing]).await, Err(error("no disk")));
        })
        .await;
        check_giving_up("yield_many, ignore", |task| async {
            let mut tasks = [task];
            let results = Task::yield_many(&mut tasks).timeout(SECOND).on_timeout(OnTimeout::Ignore).await;
            assert_eq!(results, [None]);
        })
        .await;
        check_giving_up("yield_many, kill", |task| async {
            let mut tasks = [task];
            let results = Task::yield_many(&mut tasks).timeout(SECOND).on_timeout(OnTimeout::KillTask).await;
            assert!(matches!(results[..], [Some(Err(Exit::Panic(_)))]));
        })
        .await;
    });
}

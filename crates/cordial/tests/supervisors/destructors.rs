//! Factories whose destructors panic. A supervisor has many of them, and drops them together.

use std::future::{pending, ready};

use cordial::server::{Server, ServerRef};
use cordial::{ChildSpec, Exit, Restart, Shutdown, SupervisorBuilder, Task, TaskSupervisor, process, testing};
use futures::FutureExt;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::harness::children::{Log, LogGuard, exits_late, one_for_one};
use crate::harness::events;
use crate::harness::seeds::SECOND;
use crate::harness::subprocess;

/// Panics when it is dropped.
#[derive(Debug)]
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("boom");
    }
}

fn task(id: &str) -> ChildSpec {
    let bomb = Bomb;
    let create = move || {
        let _ = &bomb;
        pending::<()>()
    };
    ChildSpec::task(id, create).restart(Restart::Permanent)
}

fn init(id: &str) -> ChildSpec {
    let bomb = Bomb;
    ChildSpec::init(id, move || {
        let _ = &bomb;
        ready(Ok::<_, &str>(pending::<()>()))
    })
}

fn nested(id: &str) -> ChildSpec {
    let bomb = Bomb;
    ChildSpec::supervisor(id, move || {
        let _ = &bomb;
        one_for_one()
    })
}

struct Idle;

impl Server for Idle {}

fn server(id: &str) -> ChildSpec {
    let bomb = Bomb;
    let create = move || {
        let _ = &bomb;
        Idle
    };
    ChildSpec::server(id, create).1
}

/// Eight children whose factories are bombs.
fn bombs() -> SupervisorBuilder {
    let tree = one_for_one().child(task("a")).child(task("b")).child(init("c")).child(init("d"));
    tree.child(nested("e")).child(nested("f")).child(server("g")).child(server("h"))
}

#[test]
fn every_factory_whose_destructor_panics_is_emitted_and_no_process_ends_with_it() {
    if !subprocess::is_isolated(test_name!()) {
        return;
    }
    let emitted = events::capture(|| {
        testing::run(async {
            drop(bombs());
            drop(bombs().start());
            assert!(bombs().child(task("a")).start().await.is_err(), "there are two children with this id");
            let failed = ChildSpec::init("failed", || ready(Err::<std::future::Pending<()>, _>("out of order")));
            assert!(bombs().child(failed).start().await.is_err());
            assert!(bombs().start().await.expect("every child starts").stop().await.is_clean());
            // The supervisor is stopped before its first poll.
            assert!(bombs().start().now_or_never().is_none());
            tokio::time::sleep(SECOND).await;

            let tasks = TaskSupervisor::start();
            for id in ["a", "b", "c"] {
                tasks.start_child_with(task(id)).expect("there is room");
            }
            assert!(tasks.stop().await.is_clean());
            assert!(tasks.start_child_with(task("d")).is_err(), "the supervisor has ended");
        });
    });
    // The supervisor with two children of one id had nine. The task supervisor had three, and refused a fourth.
    assert_eq!(events::named(&emitted, "lost_panic").len(), 8 + 8 + 9 + 8 + 8 + 8 + 4);
    let crashes = events::named(&emitted, "crash");
    assert!(!crashes.iter().any(|crash| crash.field("exit").contains("boom")), "{crashes:?}");
}

#[test]
fn a_server_whose_function_has_a_destructor_that_panics_notifies_its_monitors() {
    if !subprocess::is_isolated(test_name!()) {
        return;
    }
    testing::run(async {
        let bomb = Bomb;
        let create = move || {
            let _ = &bomb;
            Idle
        };
        let server = ServerRef::builder(create).unlinked().start();
        let pid = server.pid();
        let ended = process::monitor(pid);
        drop(server);
        process::exit(pid, Exit::Killed);
        assert_eq!(ended.await, Exit::Killed);
    });
}

/// An error whose destructor panics.
#[derive(Debug)]
struct BombError(Bomb);

impl std::fmt::Display for BombError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no luck")
    }
}

impl std::error::Error for BombError {}

/// The bug was that the supervisor panicked and killed its children.
#[test]
fn the_error_of_an_owner_whose_destructor_panics_does_not_interrupt_the_stop_of_its_supervisors() {
    if !subprocess::is_isolated(test_name!()) {
        return;
    }
    testing::run(async {
        let (log, (sender, started)) = (Log::default(), oneshot::channel());
        let child = log.child_that("child", || exits_late(SECOND));
        let of_task = log.clone();
        Task::start(async move {
            let tree = one_for_one().child(child).start().await.unwrap();
            let tasks = TaskSupervisor::start();
            tasks
                .start_child(async move {
                    let _guard = LogGuard::new(&of_task, "task");
                    exits_late(SECOND).await;
                })
                .unwrap();
            tokio::time::sleep(SECOND).await;
            sender.send((tree, tasks)).unwrap();
            Err::<(), _>(BombError(Bomb))
        });
        let (tree, tasks) = started.await.unwrap();
        log.take();
        let begun = Instant::now();
        assert_eq!(tasks.ended().await, Exit::Shutdown(None));
        assert_eq!(tree.ended().await, Exit::Shutdown(None));
        assert_eq!(begun.elapsed(), 2 * SECOND, "each child had its grace time");
        assert_eq!(log.take(), "-task -child");
    });
}

/// The bug was that the caller panicked.
#[test]
fn an_error_whose_destructor_panics_does_not_interrupt_terminate_child() {
    if !subprocess::is_isolated(test_name!()) {
        return;
    }
    testing::run(async {
        let tasks = TaskSupervisor::start();
        let child = ChildSpec::task("child", || async {
            cordial::shutdown_requested().await;
            Err::<(), _>(BombError(Bomb))
        });
        let pid = tasks.start_child_with(child).unwrap();
        tokio::time::sleep(SECOND).await;
        assert_eq!(tasks.terminate_child(pid).await, Ok(()));
    });
}

/// The bug was that the supervisor panicked while it waited for its children.
#[test]
fn an_error_whose_destructor_panics_does_not_interrupt_the_stop_of_a_task_supervisor_without_a_limit() {
    if !subprocess::is_isolated(test_name!()) {
        return;
    }
    testing::run(async {
        let tasks = TaskSupervisor::builder().shutdown(Shutdown::Infinity).start();
        let child = async {
            cordial::shutdown_requested().await;
            Err::<(), _>(BombError(Bomb))
        };
        tasks.start_child(child).unwrap();
        tokio::time::sleep(SECOND).await;
        assert!(tasks.stop().await.is_clean());
        assert_eq!(tasks.ended().await, Exit::Normal);
    });
}

/// The bug was that the caller panicked.
#[test]
fn an_error_whose_destructor_panics_does_not_interrupt_stop_subtree() {
    if !subprocess::is_isolated(test_name!()) {
        return;
    }
    testing::run(async {
        let pid = Task::start(async {
            Task::start(async {
                // It ends after its parent, and so it is the last one that the stop waits for.
                exits_late(SECOND).await;
                Err::<(), _>(BombError(Bomb))
            });
            cordial::shutdown_requested().await;
        });
        tokio::time::sleep(SECOND).await;
        let answer = process::inspector().stop_subtree(pid, Shutdown::default()).await;
        assert!(answer.has_ended());
    });
}

//! Restarts of servers: the mailbox outlives the processes of its server.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use cordial::server::ServerRef;
use cordial::{
    Backoff, ChildSpec, Exit, Pid, Restart, StartError, Strategy, Supervisor, TaskSupervisor, process, testing,
};
use tokio::time::Instant;

use crate::harness::children::{Log, has_given_up, settle};
use crate::work::{Crash, End, SECOND, Say, Slow, Worker, is_stopped};

#[test]
fn queued_messages_survive_a_restart_in_order() {
    testing::run(async {
        let log = Log::default();
        let server = Worker::builder(&log).restart(Restart::Permanent).start();
        let first = server.pid();
        server.cast(Slow(1, "a")).await.unwrap();
        server.cast(Crash("boom")).await.unwrap();
        server.cast(Say("b")).await.unwrap();
        assert_eq!(server.call(Say("c")).await, Ok(1));
        assert_ne!(server.pid(), first);
        assert_eq!(log.take(), "started a stopping: boom started b c");
    });
}

#[test]
fn a_server_in_a_tree_keeps_its_mailbox_when_the_tree_restarts_it() {
    testing::run(async {
        let log = Log::default();
        let of_server = log.clone();
        let (server, spec) = ChildSpec::server("worker", move || Worker { log: of_server.clone() });
        let mut early = server.call(Say("before"));
        assert!(futures::poll!(&mut early).is_pending());
        let tree = Supervisor::builder(Strategy::OneForOne).child(spec).start().await.unwrap();
        assert_eq!(early.await, Ok(6));
        let (crash, queued) = tokio::join!(server.call(Crash("boom")), server.call(Say("queued")));
        assert!(crash.unwrap_err().is_panic());
        assert_eq!(queued, Ok(6));
        let children = tree.which_children().await;
        assert_eq!((children[0].pid, children[0].incarnation), (Some(server.pid()), 2));
        assert_eq!(process::info(server.pid()).unwrap().label.as_deref(), Some("worker"));
        tree.stop().await;
        assert!(is_stopped(&server.call(Say("late")).await));
        assert_eq!(log.take(), "started before stopping: boom started queued stopping: was shut down");
    });
}

#[test]
fn a_running_server_is_handed_over_to_a_tree_with_its_mailbox() {
    testing::run(async {
        let log = Log::default();
        let server = Worker::builder(&log).label("worker").start();
        let pid = server.pid();
        server.cast(Slow(1, "in-hand")).await.unwrap();
        settle().await;
        server.cast(Say("queued")).await.unwrap();
        let tree = Supervisor::builder(Strategy::OneForOne).child(server.child_spec()).start().await.unwrap();
        assert_eq!(tree.which_children().await[0].pid, Some(pid));
        assert_eq!(process::info(pid).unwrap().supervisor, Some(tree.pid()));
        assert!(server.call(Crash("boom")).await.unwrap_err().is_panic());
        assert_eq!(server.call(Say("again")).await, Ok(5));
        assert_ne!(server.pid(), pid);
        tree.stop().await;
        assert_eq!(log.take(), "started in-hand queued stopping: boom started again stopping: was shut down");
    });
}

#[test]
fn a_server_that_has_ended_is_started_by_the_tree_that_it_is_handed_to() {
    testing::run(async {
        let server = Worker::start(&Log::default());
        assert!(server.call(Crash("boom")).await.unwrap_err().is_panic());
        let tree = Supervisor::builder(Strategy::OneForOne).child(server.child_spec()).start().await.unwrap();
        assert_eq!(server.call(Say("again")).await, Ok(5));
        tree.stop().await;
    });
}

#[test]
fn a_second_tree_does_not_get_the_server() {
    testing::run(async {
        let server = Worker::builder(&Log::default()).label("one").start();
        let first = Supervisor::builder(Strategy::OneForOne).child(server.child_spec()).start().await.unwrap();
        let second = Supervisor::builder(Strategy::OneForOne).child(server.child_spec()).start().await;
        assert_eq!(second.unwrap_err(), StartError::AlreadySupervised("one".into()));
        assert_eq!(server.call(Say("fine")).await, Ok(4));
        let tasks = TaskSupervisor::start();
        assert_eq!(tasks.start_child_with(server.child_spec()), Err(StartError::AlreadySupervised("one".into())));
        first.stop().await;
        // The first tree has ended, so another tree may adopt the server.
        let third = Supervisor::builder(Strategy::OneForOne).child(server.child_spec()).start().await.unwrap();
        assert_eq!(server.call(Say("fine")).await, Ok(4));
        third.stop().await;
    });
}

#[test]
fn the_restart_of_a_sibling_keeps_the_mailbox() {
    testing::run(async {
        let log = Log::default();
        let of_server = log.clone();
        let (server, spec) = ChildSpec::server("worker", move || Worker { log: of_server.clone() });
        let sibling = Log::default();
        let tree = Supervisor::builder(Strategy::OneForAll).child(spec).child(sibling.child("sibling")).start().await;
        let tree = tree.unwrap();
        server.cast(Slow(1, "in-hand")).await.unwrap();
        settle().await;
        server.cast(Say("queued")).await.unwrap();
        let sibling = tree.which_children().await[1].pid.unwrap();
        process::exit(sibling, Exit::Killed);
        assert_eq!(server.call(Say("last")).await, Ok(4));
        assert_eq!(log.take(), "started in-hand stopping: was shut down started queued last");
        tree.stop().await;
    });
}

#[test]
fn calls_wait_for_a_delayed_restart_and_a_terminated_child_answers_them() {
    testing::run(async {
        let log = Log::default();
        let of_server = log.clone();
        let (server, spec) = ChildSpec::server("worker", move || Worker { log: of_server.clone() });
        let spec = spec.backoff(Backoff::exponential(2 * SECOND, 2 * SECOND));
        let tree = Supervisor::builder(Strategy::OneForOne).child(spec).start().await.unwrap();
        assert!(server.call(Crash("boom")).await.unwrap_err().is_panic());
        assert!(server.call(Say("in between")).timeout(Duration::from_millis(500)).await.unwrap_err().is_timeout());
        assert_eq!(server.call(Say("after")).await, Ok(5));
        assert!(server.call(Crash("boom")).await.unwrap_err().is_panic());
        let begun = Instant::now();
        let (answer, ()) = tokio::join!(server.call(Say("waits")), async {
            settle().await;
            tree.terminate_child("worker").await.unwrap();
        });
        assert!(answer.unwrap_err().is_panic());
        assert!(begun.elapsed() < SECOND);
        tree.restart_child("worker").await.unwrap();
        assert_eq!(server.call(Say("again")).await, Ok(5));
        tree.stop().await;
    });
}

#[test]
fn a_supervisor_that_gives_up_answers_all_that_wait() {
    testing::run(async {
        let of_server = Log::default();
        let server =
            Worker::builder(&of_server).unlinked().restart(Restart::Permanent).max_restarts(1, 5 * SECOND).start();
        let calls = [server.call(Crash("one")), server.call(Crash("two"))];
        let [one, two] = calls;
        let (one, two, three) = tokio::join!(one, two, server.call(Say("three")));
        assert!(one.unwrap_err().is_panic());
        assert!(two.unwrap_err().is_panic());
        assert!(three.unwrap_err().to_string().contains("two"));
    });
}

#[test]
fn the_owner_of_a_server_that_is_given_up_ends() {
    let exit = testing::run(async {
        cordial::Task::spawn(async {
            let server = Worker::builder(&Log::default()).restart(Restart::Permanent).max_restarts(0, SECOND).start();
            let _ = server.call(Crash("no luck")).await;
            std::future::pending::<()>().await;
        })
        .await
        .unwrap_err()
    });
    assert!(has_given_up(&exit), "{exit}");
}

#[test]
fn only_an_abnormal_exit_restarts_a_transient_server() {
    testing::run(async {
        let log = Log::default();
        let server = Worker::builder(&log).restart(Restart::Transient).start();
        assert_eq!(server.call(End(Exit::from("broken"))).await, Ok("ends"));
        assert_eq!(server.call(Say("again")).await, Ok(5));
        let (ends, queued) = tokio::join!(server.call(End(Exit::Normal)), server.call(Say("queued")));
        assert!(ends == Ok("ends") && is_stopped(&queued), "{ends:?}, {queued:?}");
    });
}

#[test]
fn a_factory_is_called_for_each_incarnation() {
    testing::run(async {
        let made = Arc::new(AtomicU32::new(0));
        let counter = made.clone();
        let log = Log::default();
        let create = move || {
            counter.fetch_add(1, Ordering::SeqCst);
            Worker { log: log.clone() }
        };
        let server = ServerRef::builder(create).restart(Restart::Permanent).start();
        for n in 1..=3 {
            assert!(server.call(Crash("boom")).await.unwrap_err().is_panic());
            assert_eq!(server.call(Say("x")).await, Ok(1));
            assert_eq!(made.load(Ordering::SeqCst), n + 1);
        }
    });
}

#[test]
fn a_server_under_a_task_supervisor_is_restarted_with_its_mailbox() {
    testing::run(async {
        let log = Log::default();
        let of_server = log.clone();
        let (server, spec) = ChildSpec::server("worker", move || Worker { log: of_server.clone() });
        let tasks = TaskSupervisor::start();
        tasks.start_child_with(spec).unwrap();
        let (crash, queued) = tokio::join!(server.call(Crash("boom")), server.call(Say("queued")));
        assert!(crash.is_err());
        assert_eq!(queued, Ok(6));
        tasks.stop().await;
        assert!(is_stopped(&server.call(Say("late")).await));
    });
}

#[test]
fn a_handle_knows_its_process_as_soon_as_the_process_was_started() {
    testing::run(async {
        let (log, tasks) = (Log::default(), TaskSupervisor::start());
        let (worker, spec) = {
            let log = log.clone();
            ChildSpec::server("worker", move || Worker { log: log.clone() })
        };
        let first = tasks.start_child_with(spec.restart(Restart::Temporary)).unwrap();
        assert_eq!(worker.pid(), first);

        // Asked to stop before its first poll, like any other process.
        assert!(worker.stop().await.is_clean());
        let second = tasks.start_child_with(worker.child_spec().restart(Restart::Temporary)).unwrap();
        assert_ne!(second, first);
        assert_eq!(worker.pid(), second);
        let watch = process::monitor(worker.pid());
        assert_eq!(worker.call(Say("hello")).await, Ok(5));

        process::exit(second, Exit::Killed);
        assert_eq!(watch.await, Exit::Killed);
        assert_eq!(worker.ended().await, Exit::Killed);
    });
}

/// Starts a tree with a supervisor that has `server` as a child, and a sibling that can end that supervisor.
async fn nested(server: &ServerRef<Worker>, restart: Restart) -> Supervisor {
    let server = server.clone();
    let inner = move || {
        let crashes = ChildSpec::task("crashes", std::future::pending::<()>).restart(Restart::Permanent);
        Supervisor::builder(Strategy::OneForOne).max_restarts(0, SECOND).child(server.child_spec()).child(crashes)
    };
    let middle = move || {
        Supervisor::builder(Strategy::OneForOne).child(ChildSpec::supervisor("inner", inner.clone()).restart(restart))
    };
    let tree = Supervisor::builder(Strategy::OneForOne).child(ChildSpec::supervisor("middle", middle));
    tree.start().await.unwrap()
}

/// The process with this label.
fn with_label(label: &str) -> Pid {
    let snapshot = process::snapshot();
    let found = snapshot.processes.into_iter().find(|shown| shown.label.as_deref() == Some(label));
    found.map(|shown| shown.pid).expect("it runs")
}

#[test]
fn messages_wait_while_the_supervisor_of_their_server_is_rebuilt() {
    for ends in ["crashes", "inner", "middle"] {
        testing::run(async move {
            let log = Log::default();
            let server = Worker::builder(&log).label("worker").start();
            let tree = nested(&server, Restart::Permanent).await;
            let first = server.pid();
            server.cast(Slow(1, "in-hand")).await.unwrap();
            settle().await;
            server.cast(Say("cast")).await.unwrap();
            let (call, later, ()) = tokio::join!(
                server.call(Say("call")),
                async {
                    process::monitor(first).await;
                    server.call(Say("between")).await
                },
                async {
                    settle().await;
                    process::exit(with_label(ends), Exit::Killed);
                }
            );
            assert_eq!((call, later), (Ok(4), Ok(7)), "{ends}");
            assert_ne!(server.pid(), first);
            let handled = log.take();
            assert!(handled.ends_with("started cast call between"), "{ends}: {handled}");
            tree.stop().await;
            assert!(is_stopped(&server.call(Say("late")).await));
        });
    }
}

#[test]
fn messages_are_refused_when_the_supervisor_of_their_server_is_not_rebuilt() {
    testing::run(async {
        // Rebuilt without the server.
        let log = Log::default();
        let of_server = log.clone();
        let (server, spec) = ChildSpec::server("worker", move || Worker { log: of_server.clone() });
        let mut specs = vec![spec];
        let inner =
            move || Supervisor::builder(Strategy::OneForOne).child(specs.pop().unwrap_or_else(|| log.child("other")));
        let tree = Supervisor::builder(Strategy::OneForOne).child(ChildSpec::supervisor("inner", inner)).start().await;
        server.cast(Slow(1, "in-hand")).await.unwrap();
        let begun = Instant::now();
        let (answer, ()) = tokio::join!(server.call(Say("waits")), async {
            settle().await;
            process::exit(with_label("inner"), Exit::Killed);
        });
        assert!(answer.is_err() && begun.elapsed() < SECOND, "{answer:?}");
        assert!(is_stopped(&server.call(Say("late")).await));
        tree.unwrap().stop().await;

        // Not rebuilt, because its restart is temporary, or because the whole tree stops.
        for (restart, stops) in [(Restart::Temporary, false), (Restart::Permanent, true)] {
            let server = Worker::builder(&Log::default()).label("worker").start();
            let tree = nested(&server, restart).await;
            server.cast(Slow(1, "in-hand")).await.unwrap();
            settle().await;
            let (answer, ()) = tokio::join!(server.call(Say("waits")), async {
                settle().await;
                if stops { _ = tree.stop().await } else { process::exit(with_label("crashes"), Exit::Killed) }
            });
            assert!(is_stopped(&answer), "{answer:?}");
            assert!(is_stopped(&server.call(Say("late")).await));
            tree.stop().await;
        }
    });
}

#[test]
fn messages_wait_while_a_killed_supervisor_of_a_supervisor_waits_for_its_restart() {
    testing::run(async move {
        let server = Worker::builder(&Log::default()).label("worker").start();
        let of_inner = server.clone();
        let inner = move || Supervisor::builder(Strategy::OneForOne).child(of_inner.child_spec());
        let middle =
            move || Supervisor::builder(Strategy::OneForOne).child(ChildSpec::supervisor("inner", inner.clone()));
        let middle = ChildSpec::supervisor("middle", middle).backoff(Backoff::exponential(SECOND, SECOND));
        let tree = Supervisor::builder(Strategy::OneForOne).child(middle).start().await.unwrap();
        process::exit(with_label("middle"), Exit::Killed);
        settle().await;
        assert_eq!(server.call(Say("late")).await, Ok(4));
        tree.stop().await;
    });
}

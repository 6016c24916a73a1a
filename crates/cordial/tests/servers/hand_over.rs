//! A server that gets another supervisor: after its own one has given up, while that one waits for a restart, or while it stops.

use cordial::server::Context;
use cordial::{Backoff, ChildSpec, Restart, StartError, Strategy, Supervisor, TaskSupervisor, process, testing};
use tokio::time::sleep;

use crate::harness::children::{Log, settle};
use crate::work::{Crash, SECOND, Say, With, Worker};

fn backoff() -> Backoff {
    Backoff::exponential(SECOND, SECOND)
}

#[test]
fn a_server_that_was_given_up_is_stopped_by_the_supervisor_that_starts_it_again() {
    testing::run(async {
        let builder = Worker::builder(&Log::default()).unlinked().restart(Restart::Permanent).max_restarts(0, SECOND);
        let server = builder.start();
        assert!(server.call(Crash("boom")).await.unwrap_err().is_panic());
        settle().await;
        let tasks = TaskSupervisor::start();
        let first = tasks.start_child_with(server.child_spec()).unwrap();
        let stop = With(|ctx: &mut Context<Worker>| {
            let own = ctx.server();
            Box::pin(async move { own.stop().await.is_clean() })
        });
        assert_eq!(server.call(stop).await, Ok(true));
        settle().await;
        assert_eq!(server.call(Say("next")).await, Ok(4));
        let second = server.pid();
        assert_ne!(second, first);
        assert!(server.stop().await.is_clean());
        assert!(process::info(second).is_none());
        settle().await;
        let (crash, queued) = tokio::join!(server.call(Crash("boom")), server.call(Say("queued")));
        assert!(crash.unwrap_err().is_panic());
        assert_eq!(queued, Ok(6), "no stop is in force");
        tasks.stop().await;
    });
}

#[test]
fn a_task_supervisor_takes_a_server_from_its_own_supervisor_that_waits_for_a_restart() {
    testing::run(async {
        let log = Log::default();
        let server = Worker::builder(&log).unlinked().restart(Restart::Permanent).backoff(backoff()).start();
        assert!(server.call(Crash("boom")).await.unwrap_err().is_panic());
        settle().await;
        server.cast(Say("waits")).await.unwrap();
        let tasks = TaskSupervisor::start();
        let pid = tasks.start_child_with(server.child_spec()).unwrap();
        sleep(3 * SECOND).await;
        assert_eq!(server.pid(), pid);
        assert_eq!(log.take(), "started stopping: boom started waits");
        assert_eq!(
            tasks.start_child_with(server.child_spec()),
            Err(StartError::AlreadySupervised("Worker".into())),
            "it is running"
        );
        tasks.stop().await;
    });
}

#[test]
fn a_task_supervisor_has_a_server_as_a_child_once() {
    testing::run(async {
        let log = Log::default();
        let of_server = log.clone();
        let (server, spec) = ChildSpec::server("worker", move || Worker { log: of_server.clone() });
        let tasks = TaskSupervisor::start();
        tasks.start_child_with(spec.backoff(backoff())).unwrap();
        assert!(server.call(Crash("boom")).await.unwrap_err().is_panic());
        settle().await;
        let second = tasks.start_child_with(server.child_spec());
        assert_eq!(second, Err(StartError::AlreadySupervised("worker".into())), "it waits for its restart");
        sleep(3 * SECOND).await;
        assert_eq!(server.call(Say("again")).await, Ok(5));
        assert_eq!(log.take(), "started stopping: boom started again");
        tasks.stop().await;
    });
}

#[test]
fn a_server_that_is_stopped_while_a_tree_takes_it_over_stops_once() {
    for (seed, n_yields) in (0..20).flat_map(|seed| (0..10).map(move |n| (seed, n))) {
        testing::run_seeded(seed, async move {
            let server = Worker::start(&Log::default());
            settle().await;
            let first = server.pid();
            let spec = server.child_spec();
            let tree = async {
                for _ in 0..n_yields {
                    tokio::task::yield_now().await;
                }
                Supervisor::builder(Strategy::OneForOne).child(spec).start().await.unwrap()
            };
            let (report, tree) = tokio::join!(server.stop(), tree);
            assert!(report.is_clean() && process::info(first).is_none(), "{seed} {n_yields}");
            settle().await;
            let (crash, queued) = tokio::join!(server.call(Crash("boom")), server.call(Say("queued")));
            assert!(crash.unwrap_err().is_panic());
            assert_eq!(queued, Ok(6), "{seed} {n_yields}");
            tree.stop().await;
        });
    }
}

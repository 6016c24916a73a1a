//! Factories whose destructors panic. A supervisor has many of them, and drops them together.

use std::future::{pending, ready};

use cordial::server::{Server, ServerRef};
use cordial::{ChildSpec, Exit, Restart, SupervisorBuilder, TaskSupervisor, process, testing};
use futures::FutureExt;

use crate::harness::children::one_for_one;
use crate::harness::events;
use crate::harness::seeds::SECOND;
use crate::harness::subprocess;

/// Panics when it is dropped.
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

//! Factories whose destructors panic. A supervisor has many of them, and drops them together.

use std::future::{pending, ready};

use cordial::{ChildSpec, Restart, Strategy, Supervisor, SupervisorBuilder, TaskSupervisor, testing};
use futures::FutureExt;

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

fn one_for_one() -> SupervisorBuilder {
    Supervisor::builder(Strategy::OneForOne)
}

/// Six children whose factories are bombs.
fn bombs() -> SupervisorBuilder {
    let tree = one_for_one().child(task("a")).child(task("b")).child(init("c"));
    tree.child(init("d")).child(nested("e")).child(nested("f"))
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
            let failed = ChildSpec::init("g", || ready(Err::<std::future::Pending<()>, _>("out of order")));
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
    // A supervisor that was refused has one child more, and so has the task supervisor that has ended.
    assert_eq!(events::named(&emitted, "lost_panic").len(), 6 + 6 + 7 + 6 + 6 + 6 + 4);
    let crashes = events::named(&emitted, "crash");
    assert!(!crashes.iter().any(|crash| crash.field("exit").contains("boom")), "{crashes:?}");
}

//! Snapshots and events of supervisors.

use std::future::pending;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cordial::process::{InactiveState, SupervisorKind};
use cordial::{
    ChildSpec, Exit, Restart, Shutdown, Strategy, Supervisor, SupervisorBuilder, TaskSupervisor, process, testing,
};
use tracing::Level;

use crate::harness::children::{Log, crash, has_given_up, pid, settle};
use crate::harness::events;
use crate::harness::limited;
use crate::harness::seeds::SECOND;
use crate::harness::subprocess;

#[test]
fn a_snapshot_shows_the_tree() {
    let runtime = limited::runtime(2);
    let (tree, tasks) = runtime
        .block_on(async {
            let tasks = TaskSupervisor::builder().label("tasks").max_children(10).start();
            let crashes = ChildSpec::task("once", {
                let has_crashed = AtomicBool::new(false);
                move || {
                    let is_first = !has_crashed.swap(true, Ordering::SeqCst);
                    async move {
                        assert!(!is_first, "no luck");
                        pending::<()>().await;
                    }
                }
            });
            let nested = || Supervisor::builder(Strategy::RestForOne).child(ChildSpec::task("leaf", pending::<()>));
            let tree = Supervisor::builder(Strategy::OneForAll)
                .label("tree")
                .child(tasks.child_spec())
                .child(ChildSpec::supervisor("nested", nested))
                .child(crashes.restart(Restart::Permanent))
                .child(ChildSpec::task("done", || async {}).restart(Restart::Transient))
                .unlinked()
                .start()
                .await
                .unwrap();
            while tree.which_children().await.iter().any(|child| {
                child.incarnation < 2 || (&*child.id == "done") != (child.state == cordial::ChildState::Stopped)
            }) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            let task = tasks.start_child(pending::<()>()).unwrap();
            while process::info(task).unwrap().polls == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            (tree, tasks)
        })
        .unwrap();
    let snapshot = runtime.snapshot();
    let of = |pid| snapshot.processes.iter().find(|process| process.pid == pid).unwrap();
    let root = of(tree.pid());
    assert_eq!((root.label.as_deref(), root.supervisor, root.owner), (Some("tree"), None, None));
    let supervision = root.supervises.as_ref().unwrap();
    assert_eq!((supervision.kind, supervision.restarts, supervision.n_running), (SupervisorKind::OneForAll, 1, 3));
    let inactive: Vec<_> = supervision.inactive.iter().map(|child| (&*child.id, child.state)).collect();
    assert_eq!(inactive, [("done", InactiveState::Stopped)]);
    let mut children: Vec<_> = snapshot
        .processes
        .iter()
        .filter_map(|process| Some((process.child_id.as_deref()?, process.supervisor?, process.incarnation)))
        .collect();
    children.sort();
    let nested = snapshot.processes.iter().find(|process| process.label.as_deref() == Some("nested")).unwrap();
    let own = tree.pid();
    assert_eq!(children, [("leaf", nested.pid, 1), ("nested", own, 2), ("once", own, 2), ("tasks", own, 2)]);
    let pool = of(tasks.pid()).supervises.clone().unwrap();
    assert_eq!(
        (pool.kind, pool.max_children, pool.n_running, pool.incarnation),
        (SupervisorKind::Tasks, Some(10), 1, 2)
    );
    assert!(snapshot.processes.iter().any(|process| process.supervisor == Some(tasks.pid()) && process.polls == 1));
    let crash = snapshot.crashes.iter().find(|crash| crash.label.as_deref() == Some("once")).unwrap();
    assert_eq!((crash.supervisor, crash.incarnation), (Some(own), 1));
    assert!(crash.exit.to_string().contains("no luck"));
}

#[test]
fn supervisors_emit_events() {
    if !subprocess::is_isolated(test_name!()) {
        return;
    }
    let emitted = events::capture(|| {
        testing::run(async {
            let tree = Supervisor::builder(Strategy::OneForOne)
                .label("tree")
                .max_restarts(1, 5 * SECOND)
                .child(Log::default().child("a"))
                .child(
                    ChildSpec::task("slow", || async {
                        cordial::shutdown_requested().await;
                        pending::<()>().await;
                    })
                    .shutdown(SECOND),
                )
                .unlinked()
                .start()
                .await
                .unwrap();
            settle().await;
            crash(&tree, "a").await;
            process::exit(pid(&tree, "a").await, Exit::from(std::io::Error::other("no disk")));
            assert!(has_given_up(&tree.ended().await));
            let full = TaskSupervisor::builder().max_children(0).start();
            full.start_child(async {}).unwrap_err();
            full.stop().await;
            let failed = ChildSpec::init("bad", || async { Err::<std::future::Ready<()>, _>("no luck") });
            Supervisor::builder(Strategy::OneForOne)
                .child(failed.shutdown(Shutdown::BrutalKill))
                .start()
                .await
                .unwrap_err();
        });
    });
    let one = |name| match events::named(&emitted, name)[..] {
        [event] => event,
        ref several => panic!("{name}: {several:?}"),
    };
    let restart = one("restart");
    assert_eq!(restart.level, Level::WARN);
    assert_eq!((restart.field("child"), restart.field("label"), restart.field("incarnation")), ("a", "tree", "2"));
    assert!(
        restart.field("reason").contains("was killed") && restart.field("spawned_at").contains("supervisors/events.rs")
    );
    let give_up = one("give_up");
    assert_eq!(give_up.level, Level::ERROR);
    assert_eq!((give_up.field("child"), give_up.field("restarts"), give_up.field("window")), ("a", "1", "5s"));
    assert_eq!((give_up.field("incarnation"), give_up.field("reason")), ("2", "no disk"));
    assert_eq!(give_up.field("supervisor"), restart.field("supervisor"));
    let forced = one("forced");
    assert_eq!((forced.field("how"), forced.field("label")), ("killed", "slow"));
    let refused = one("refused");
    assert!(refused.field("refusal").contains("max_children") && !refused.field("supervisor").is_empty());
    let failed = one("start_failed");
    assert!(failed.field("reason").contains("no luck") && failed.field("child") == "bad");
    assert_eq!(failed.field("incarnation"), "1");
    let crashes = events::named(&emitted, "crash");
    // One error for one failure.
    let of_failed: Vec<_> = crashes.iter().filter(|crash| crash.field("exit") == "no luck").collect();
    assert_eq!((of_failed.len(), of_failed[0].level, failed.level), (1, Level::ERROR, Level::DEBUG));
    let of_child: Vec<_> = crashes.iter().filter(|crash| crash.field("label") == "a").collect();
    assert_eq!(of_child.iter().map(|crash| crash.field("incarnation")).collect::<Vec<_>>(), ["1", "2"]);
    assert!(of_child.iter().all(|crash| crash.field("supervisor") == restart.field("supervisor")));
}

#[test]
fn give_up_has_the_number_of_restarts_and_the_last_incarnation() {
    if !subprocess::is_isolated(test_name!()) {
        return;
    }
    let crashes = || ChildSpec::task("crashes", || async { Err::<(), _>("no luck") }).restart(Restart::Permanent);
    for allowed in [0, 1, 3] {
        let of_tree = events::capture(|| {
            testing::run(async move {
                let tree = Supervisor::builder(Strategy::OneForOne).max_restarts(allowed, 5 * SECOND).child(crashes());
                tree.unlinked().start().await.unwrap().ended().await;
            });
        });
        let of_tasks = events::capture(|| {
            testing::run(async move {
                let tasks = TaskSupervisor::builder().max_restarts(allowed, 5 * SECOND).unlinked().start();
                tasks.start_child_with(crashes()).unwrap();
                tasks.ended().await;
            });
        });
        for emitted in [of_tree, of_tasks] {
            let restarts = events::named(&emitted, "restart");
            let next: Vec<_> = restarts.iter().map(|restart| restart.field("incarnation").to_owned()).collect();
            assert_eq!(next, (2..allowed + 2).map(|n| n.to_string()).collect::<Vec<_>>());
            let [give_up] = events::named(&emitted, "give_up")[..] else { panic!("{emitted:?}") };
            assert_eq!(give_up.field("restarts"), allowed.to_string());
            assert_eq!(give_up.field("incarnation"), (allowed + 1).to_string());
        }
    }
}

/// The function that describes a nested supervisor runs before there is a process whose `crash` event could be the error.
#[test]
fn a_nested_supervisor_whose_function_panics_is_an_error_in_the_events() {
    if !subprocess::is_isolated(test_name!()) {
        return;
    }
    let emitted = events::capture(|| {
        testing::run(async {
            let nested = ChildSpec::supervisor("nested", || -> SupervisorBuilder { panic!("no plan") });
            Supervisor::builder(Strategy::OneForOne).child(nested).start().await.unwrap_err();
        });
    });
    assert!(events::named(&emitted, "crash").is_empty(), "{emitted:?}");
    let [failed] = events::named(&emitted, "start_failed")[..] else { panic!("{emitted:?}") };
    assert!(failed.field("reason").contains("no plan") && failed.field("child") == "nested", "{failed:?}");
    assert_eq!(failed.level, Level::ERROR);
}

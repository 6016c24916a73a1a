//! Starting a supervision tree, and the calls that manage its children.
//!
//! Restates the suites of Elixir's `supervisor_test.exs` and the child parts of `task_test.exs`.

use std::future::pending;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use cordial::{
    AutoShutdown, ChildCounts, ChildKind, ChildSpec, ChildState, DeleteError, Exit, NotFound, Refusal, Restart,
    Shutdown, StartError, SupervisorBuilder, Task, TaskSupervisor, process,
};
use tokio::time::{Instant, sleep};

use crate::harness::children::{Log, crash, info, one_for_one, pid, settle, state};
use crate::harness::exit_kind::{ExitKind, error};
use crate::harness::seeds::{SECOND, for_each_seed};

// T-001
#[test]
fn a_task_child_starts_successfully_whatever_it_returns() {
    for_each_seed(|| async {
        let tree = one_for_one()
            .child(ChildSpec::task("nothing", || async {}))
            .child(ChildSpec::task("error", || async { Err::<(), _>("no luck") }))
            .start()
            .await
            .unwrap();
        settle().await;
        assert_eq!(
            tree.count_children().await,
            ChildCounts::default(),
            "temporary children are removed when they exit"
        );
    });
}

// T-002
#[test]
fn starting_a_task_child_does_not_wait_for_its_work() {
    for_each_seed(|| async {
        let begun = Instant::now();
        let (log, other) = (Log::default(), Log::default());
        let slow = log.child_that("slow", || sleep(60 * SECOND));
        let tree = one_for_one().child(slow).child(other.child("other")).start().await.unwrap();
        assert_eq!(begun.elapsed(), Duration::ZERO);
        assert_eq!(other.take(), "+other");
        tree.stop().await;
    });
}

// T-003, T-004
#[test]
fn defaults_and_overrides_of_a_child_spec() {
    let text = |spec: &ChildSpec| format!("{spec:?}");
    let task = ChildSpec::task("a", || async {});
    assert!(text(&task).contains(r#"id: "a", restart: Temporary, shutdown: After(5s), backoff: None"#), "{task:?}");
    let other = task.restart(Restart::Transient).shutdown(Shutdown::BrutalKill).significant();
    assert!(
        text(&other).contains(r#"restart: Transient, shutdown: BrutalKill, backoff: None, is_significant: true"#),
        "{other:?}"
    );
    let init = ChildSpec::init("b", || async { Ok::<_, io::Error>(async {}) });
    assert!(text(&init).contains("restart: Permanent, shutdown: After(5s)"), "{init:?}");
    let nested = ChildSpec::supervisor("c", one_for_one);
    assert!(text(&nested).contains("restart: Permanent, shutdown: Infinity"), "{nested:?}");
    let emails = TaskSupervisor::builder().label("emails").start().child_spec();
    assert!(text(&emails).contains(r#"id: "emails", restart: Permanent, shutdown: Infinity"#), "{emails:?}");
}

/// Runs a child whose incarnations exit in these ways, one after another; later incarnations never
/// exit. Returns the number of its runs.
async fn runs(restart: Restart, kinds: Vec<ExitKind>) -> u32 {
    let n_runs = Arc::new(AtomicU32::new(0));
    let counted = n_runs.clone();
    let child = ChildSpec::task("child", move || {
        let kind = kinds.get(counted.fetch_add(1, Ordering::SeqCst) as usize).cloned();
        async move {
            match kind {
                Some(kind) => kind.perform().await,
                None => pending().await,
            }
        }
    });
    let tree = one_for_one().child(child.restart(restart)).start().await.unwrap();
    sleep(SECOND).await;
    tree.stop().await;
    n_runs.load(Ordering::SeqCst)
}

// T-005, T-006, T-007, V-025, V-028
#[test]
fn restart_kind_and_exit_decide_whether_a_child_is_restarted() {
    for_each_seed(|| async {
        for kind in ExitKind::all() {
            assert_eq!(runs(Restart::Temporary, vec![kind.clone()]).await, 1, "{kind:?}");
            assert_eq!(runs(Restart::Permanent, vec![kind.clone()]).await, 2, "{kind:?}");
            let transient = if kind.is_abnormal() { 2 } else { 1 };
            assert_eq!(runs(Restart::Transient, vec![kind.clone()]).await, transient, "{kind:?}");
        }
        assert_eq!(runs(Restart::Transient, vec![ExitKind::Panics, ExitKind::Returns]).await, 2);
    });
}

// V-007
#[test]
fn children_start_in_order_each_after_the_previous_one_has_started() {
    for_each_seed(|| async {
        let log = Log::default();
        let slow = {
            let log = log.clone();
            ChildSpec::init("slow", move || {
                let log = log.clone();
                async move {
                    sleep(SECOND).await;
                    log.push("slow is ready");
                    Ok::<_, io::Error>(pending::<()>())
                }
            })
        };
        let begun = Instant::now();
        let tree = one_for_one().child(log.child("a")).child(slow).child(log.child("b")).start().await.unwrap();
        assert_eq!(begun.elapsed(), SECOND);
        assert_eq!(log.take(), "+a slow is ready +b");
        tree.stop().await;
    });
}

/// A child that fails to start in this way.
fn failing(how: &'static str) -> ChildSpec {
    match how {
        "the outer future returns an error" => {
            ChildSpec::init("bad", || async { Err::<std::future::Ready<()>, _>(io::Error::other("no disk")) })
        }
        "the outer future panics" => ChildSpec::init("bad", || async {
            if always() {
                panic!("no luck");
            }
            Ok::<_, io::Error>(async {})
        }),
        "the factory panics" => ChildSpec::task("bad", || -> std::future::Ready<()> { panic!("no luck") }),
        "the factory of an init child panics" => {
            ChildSpec::init("bad", || -> std::future::Ready<Result<std::future::Ready<()>, io::Error>> {
                panic!("no luck")
            })
        }
        "the builder panics" => ChildSpec::supervisor("bad", || -> SupervisorBuilder { panic!("no luck") }),
        "a grandchild" => ChildSpec::supervisor("bad", || one_for_one().child(failing("the factory panics"))),
        other => panic!("unknown way to fail {other:?}"),
    }
}

fn always() -> bool {
    true
}

const FAILURES: [&str; 6] = [
    "the outer future returns an error",
    "the outer future panics",
    "the factory panics",
    "the factory of an init child panics",
    "the builder panics",
    "a grandchild",
];

// V-008
#[test]
fn when_a_child_fails_to_start_earlier_children_are_stopped_and_later_ones_never_start() {
    for_each_seed(|| async {
        for how in FAILURES {
            let log = Log::default();
            let tree = one_for_one().child(log.child("a")).child(log.child("b")).child(failing(how));
            let started = tree.child(log.child("c")).start().await;
            match started.unwrap_err() {
                StartError::Child { id, exit } => {
                    assert_eq!(&*id, "bad", "{how}");
                    let text = exit.to_string();
                    let expected = match how {
                        "the outer future returns an error" => "no disk",
                        "a grandchild" => "the child \"bad\" failed to start",
                        _ => "no luck",
                    };
                    assert!(text.contains(expected), "{how}: {text}");
                }
                other => panic!("{how}: {other:?}"),
            }
            assert_eq!(log.take(), "+a +b -b -a", "{how}: all started children must be stopped");
        }
    });
}

// V-010
#[test]
fn invalid_options_start_nothing() {
    for_each_seed(|| async {
        let log = Log::default();
        let twins = one_for_one().child(log.child("a")).child(log.child("b")).child(log.child("a"));
        assert_eq!(twins.start().await.unwrap_err(), StartError::DuplicateId("a".into()));
        let permanent = one_for_one().auto_shutdown(AutoShutdown::AnySignificant).child(log.child("a").significant());
        assert_eq!(permanent.start().await.unwrap_err(), StartError::SignificantPermanent("a".into()));
        let never = one_for_one().child(log.child("a").restart(Restart::Transient).significant());
        assert_eq!(never.start().await.unwrap_err(), StartError::SignificantNever("a".into()));
        assert_eq!(log.take(), "");
    });
}

// V-055
#[test]
#[should_panic(expected = "a window of zero counts nothing")]
fn a_task_supervisor_with_a_window_of_zero_panics() {
    drop(TaskSupervisor::builder().max_restarts(3, Duration::ZERO));
}

// V-055
#[test]
#[should_panic(expected = "a window of zero counts nothing")]
fn a_supervisor_with_a_window_of_zero_panics() {
    drop(one_for_one().max_restarts(3, Duration::ZERO));
}

// V-015
#[test]
fn a_child_is_shown_with_the_settings_of_its_specification() {
    for_each_seed(|| async {
        let spec = ChildSpec::task("child", pending::<()>).restart(Restart::Transient).shutdown(9 * SECOND);
        let tree = one_for_one().auto_shutdown(AutoShutdown::AnySignificant).child(spec.significant());
        let tree = tree.start().await.unwrap();
        let seen = info(&tree, "child").await.unwrap();
        assert_eq!((seen.restart, seen.shutdown), (Restart::Transient, (9 * SECOND).into()));
        assert!(seen.is_significant);
        tree.stop().await;
    });
}

// V-014, V-015
#[test]
fn children_are_listed_and_counted() {
    for_each_seed(|| async {
        let tree = one_for_one().start().await.unwrap();
        assert!(tree.which_children().await.is_empty());
        assert_eq!(tree.count_children().await, ChildCounts::default());
        let worker = tree.start_child(Log::default().child("worker")).await.unwrap();
        tree.start_child(ChildSpec::supervisor("supervisor", one_for_one)).await.unwrap();
        let children = tree.which_children().await;
        let of = |at: usize| (&*children[at].id, children[at].kind, children[at].state, children[at].incarnation);
        assert_eq!(of(0), ("worker", ChildKind::Worker, ChildState::Running, 1));
        assert_eq!(of(1), ("supervisor", ChildKind::Supervisor, ChildState::Running, 1));
        assert_eq!(children[0].pid, Some(worker));
        let counts = tree.count_children().await;
        assert_eq!((counts.specs, counts.active, counts.supervisors, counts.workers), (2, 2, 1, 1));
        tree.stop().await;
    });
}

// V-016, V-018, V-020, V-021, V-022, V-023
#[test]
fn children_can_be_terminated_restarted_and_deleted_by_calls() {
    for_each_seed(|| async {
        let log = Log::default();
        let tree = one_for_one().child(log.child("a")).start().await.unwrap();
        let first = tree.start_child(log.child("b")).await.unwrap();
        assert_eq!(log.take(), "+a +b");
        assert_eq!(tree.delete_child("b").await, Err(DeleteError::Running));
        assert_eq!(tree.restart_child("b").await, Err(StartError::AlreadyStarted { id: "b".into(), pid: first }));
        assert_eq!(
            tree.start_child(log.child("b")).await,
            Err(StartError::AlreadyStarted { id: "b".into(), pid: first })
        );
        assert_eq!(tree.terminate_child("b").await, Ok(()));
        assert!(process::info(first).is_none());
        assert_eq!(tree.terminate_child("b").await, Ok(()), "terminating a child without a process succeeds");
        settle().await;
        assert_eq!(state(&tree, "b").await, Some(ChildState::Stopped), "a terminated child is not restarted");
        assert_eq!(tree.start_child(log.child("b")).await, Err(StartError::AlreadyPresent("b".into())));
        let second = tree.restart_child("b").await.unwrap();
        assert_ne!(second, first);
        assert_eq!(info(&tree, "b").await.unwrap().incarnation, 2);
        tree.terminate_child("b").await.unwrap();
        assert_eq!(tree.delete_child("b").await, Ok(()));
        assert_eq!(tree.delete_child("b").await, Err(NotFound.into()));
        assert_eq!(tree.restart_child("b").await, Err(NotFound.into()));
        assert!(tree.terminate_child("b").await.is_err());
        assert_eq!(log.take(), "-b +b -b");

        let failed = tree.start_child(failing("the factory panics")).await;
        assert!(matches!(failed, Err(StartError::Child { .. })), "{failed:?}");
        assert_eq!(state(&tree, "bad").await, None, "a child that fails to start is removed");

        tree.start_child(log.child("t").restart(Restart::Temporary)).await.unwrap();
        tree.terminate_child("t").await.unwrap();
        assert_eq!(state(&tree, "t").await, None, "a temporary child is removed when it is terminated");
        tree.stop().await;
    });
}

// V-013
#[test]
fn an_invalid_child_is_refused_and_not_started() {
    for_each_seed(|| async {
        let log = Log::default();
        let tree = one_for_one().start().await.unwrap();
        let significant = log.child("a").restart(Restart::Transient).significant();
        assert_eq!(tree.start_child(significant).await, Err(StartError::SignificantNever("a".into())));
        assert_eq!(
            tree.start_child(log.child("a").significant()).await,
            Err(StartError::SignificantPermanent("a".into()))
        );
        assert_eq!(log.take(), "");
        tree.start_child(log.child("a")).await.unwrap();
        let known = log.child("a").restart(Restart::Transient).significant();
        assert_eq!(tree.start_child(known).await, Err(StartError::SignificantNever("a".into())));
        assert_eq!(log.take(), "+a");
        tree.stop().await;
    });
}

#[test]
fn a_child_that_fails_to_restart_by_a_call_stays_without_a_process() {
    for_each_seed(|| async {
        let n_runs = AtomicU32::new(0);
        let once = ChildSpec::init("once", move || {
            let run = n_runs.fetch_add(1, Ordering::SeqCst);
            async move { if run == 0 { Ok(pending::<()>()) } else { Err(io::Error::other("no disk")) } }
        });
        let tree = one_for_one().child(once).start().await.unwrap();
        tree.terminate_child("once").await.unwrap();
        let failed = tree.restart_child("once").await;
        assert_eq!(failed, Err(StartError::Child { id: "once".into(), exit: error("no disk") }));
        assert_eq!(state(&tree, "once").await, Some(ChildState::Stopped));
        tree.stop().await;
    });
}

#[test]
fn a_supervisor_that_stops_or_has_stopped_refuses_calls() {
    for_each_seed(|| async {
        let log = Log::default();
        let slow = log.child_that("slow", || async {
            cordial::shutdown_requested().await;
            sleep(2 * SECOND).await;
        });
        let tree = one_for_one().child(slow).start().await.unwrap();
        settle().await;
        let stopping = Task::spawn({
            let tree = tree.clone();
            async move { tree.stop().await }
        });
        sleep(SECOND).await;
        let gone = StartError::Refused(Refusal::SupervisorStopped);
        assert_eq!(tree.start_child(log.child("late")).await, Err(gone.clone()));
        assert_eq!(tree.which_children().await.len(), 1, "children can be listed during a stop");
        assert!(stopping.await.unwrap().is_clean());
        assert_eq!(tree.restart_child("slow").await, Err(gone));
        assert!(tree.terminate_child("slow").await.is_err());
        assert_eq!(tree.delete_child("slow").await, Err(NotFound.into()));
        assert!(tree.which_children().await.is_empty());
        assert_eq!(log.take(), "+slow -slow");
    });
}

#[test]
fn a_start_whose_future_is_dropped_is_undone() {
    for_each_seed(|| async {
        let log = Log::default();
        let slow = ChildSpec::init("slow", || async {
            sleep(5 * SECOND).await;
            Ok::<_, io::Error>(pending::<()>())
        });
        let start = one_for_one().child(log.child("a")).child(slow).start();
        assert!(tokio::time::timeout(SECOND, start).await.is_err());
        sleep(10 * SECOND).await;
        assert_eq!(log.take(), "+a -a");
    });
}

#[test]
fn a_supervisor_nests_to_any_depth() {
    fn level(depth: usize, log: Log) -> SupervisorBuilder {
        if depth == 0 {
            return one_for_one().child(log.child("leaf"));
        }
        one_for_one().child(ChildSpec::supervisor(format!("level {depth}"), move || level(depth - 1, log.clone())))
    }
    for_each_seed(|| async {
        let log = Log::default();
        let tree = level(20, log.clone()).start().await.unwrap();
        assert_eq!(log.take(), "+leaf");
        crash(&tree, "level 20").await;
        assert_eq!(log.take(), "-leaf +leaf", "a killed supervisor leaves no descendants behind");
        assert!(tree.stop().await.is_clean());
        assert_eq!(log.take(), "-leaf");
    });
}

#[test]
fn children_have_their_supervisor_as_their_caller_and_their_id_as_their_label() {
    for_each_seed(|| async {
        let own = process::current().unwrap();
        let tree = one_for_one().child(Log::default().child("a")).start().await.unwrap();
        let child = process::info(pid(&tree, "a").await).unwrap();
        assert_eq!(child.callers, [tree.pid(), own]);
        assert_eq!(child.label.as_deref(), Some("a"));
        assert_eq!((child.supervisor, child.child_id.as_deref(), child.incarnation), (Some(tree.pid()), Some("a"), 1));
        tree.stop().await;
        assert_eq!(tree.ended().await, Exit::Normal);
    });
}

#[test]
fn a_hanging_start_whose_future_is_dropped_is_undone() {
    for_each_seed(|| async {
        let log = Log::default();
        let hangs = ChildSpec::init("hangs", || async {
            pending::<()>().await;
            Ok::<_, io::Error>(pending::<()>())
        });
        let start = one_for_one().child(log.child("a")).child(hangs).start();
        assert!(tokio::time::timeout(SECOND, start).await.is_err());
        settle().await;
        assert_eq!(log.take(), "+a -a");
    });
}

#[test]
fn a_start_whose_future_is_dropped_before_it_is_ready_is_undone() {
    for_each_seed(|| async {
        let log = Log::default();
        let mut start = Box::pin(one_for_one().child(log.child("a")).unlinked().start());
        assert!(futures::poll!(&mut start).is_pending());
        settle().await;
        assert_eq!(log.take(), "+a", "the tree has started");
        drop(start);
        settle().await;
        assert_eq!(log.take(), "-a");
    });
}

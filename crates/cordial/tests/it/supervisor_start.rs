//! Starting a tree, and the calls that manage its children.
//!
//! Restates the suites of Elixir's `supervisor_test.exs` and the child parts of `task_test.exs`.

use std::future::pending;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use cordial::{
    AutoShutdown, ChildKind, ChildSpec, ChildState, Counts, DeleteError, Exit, Refusal, Restart, Shutdown, StartError,
    Strategy, Supervisor, SupervisorBuilder, Task, TaskSupervisor, process,
};
use tokio::time::{Instant, sleep};

use crate::ends::{End, error};
use crate::orders::{SECOND, in_every_order};
use crate::tree::{Log, crash, info, pid, settle, state};

fn one_for_one() -> SupervisorBuilder {
    Supervisor::builder(Strategy::OneForOne)
}

// T-001
#[test]
fn a_task_child_has_started_whatever_it_gives() {
    in_every_order(|| async {
        let tree = one_for_one()
            .child(ChildSpec::task("nothing", || async {}))
            .child(ChildSpec::task("error", || async { Err::<(), _>("no luck") }))
            .start()
            .await
            .unwrap();
        settle().await;
        assert_eq!(tree.count_children().await, Counts::default(), "temporary children that have ended are forgotten");
    });
}

// T-002
#[test]
fn the_work_of_a_task_child_is_not_waited_for() {
    in_every_order(|| async {
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
fn what_a_specification_says_unless_it_is_told_otherwise() {
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

/// How often a child runs that ends so, time after time.
async fn runs(restart: Restart, ends: Vec<End>) -> u32 {
    let n_runs = Arc::new(AtomicU32::new(0));
    let counted = n_runs.clone();
    let child = ChildSpec::task("child", move || {
        let end = ends.get(counted.fetch_add(1, Ordering::SeqCst) as usize).cloned();
        async move {
            match end {
                Some(end) => end.meet().await,
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
fn a_child_is_restarted_by_its_kind_and_its_exit() {
    in_every_order(|| async {
        for end in End::each() {
            let exit_is_abnormal = match &end {
                End::Returns | End::Asked => false,
                End::Panics | End::Killed => true,
                End::Exits(exit) => exit.is_abnormal(),
            };
            assert_eq!(runs(Restart::Temporary, vec![end.clone()]).await, 1, "{end:?}");
            assert_eq!(runs(Restart::Permanent, vec![end.clone()]).await, 2, "{end:?}");
            let transient = if exit_is_abnormal { 2 } else { 1 };
            assert_eq!(runs(Restart::Transient, vec![end.clone()]).await, transient, "{end:?}");
        }
        assert_eq!(runs(Restart::Transient, vec![End::Panics, End::Returns]).await, 2);
    });
}

// V-007
#[test]
fn children_start_in_order_each_when_the_one_before_has() {
    in_every_order(|| async {
        let log = Log::default();
        let slow = {
            let log = log.clone();
            ChildSpec::init("slow", move || {
                let log = log.clone();
                async move {
                    sleep(SECOND).await;
                    log.note("slow is ready");
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

/// A child that fails to start so.
fn failing(how: &'static str) -> ChildSpec {
    match how {
        "the outer future gives an error" => {
            ChildSpec::init("bad", || async { Err::<std::future::Ready<()>, _>(io::Error::other("no disk")) })
        }
        "the outer future panics" => ChildSpec::init("bad", || async {
            if how_unlucky() {
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
        other => panic!("there is no way to fail {other:?}"),
    }
}

fn how_unlucky() -> bool {
    true
}

const FAILURES: [&str; 6] = [
    "the outer future gives an error",
    "the outer future panics",
    "the factory panics",
    "the factory of an init child panics",
    "the builder panics",
    "a grandchild",
];

// V-008, and a factory that panics
#[test]
fn when_a_child_fails_to_start_those_before_it_are_stopped_and_those_after_it_never_start() {
    in_every_order(|| async {
        for how in FAILURES {
            let log = Log::default();
            let tree = one_for_one().child(log.child("a")).child(log.child("b")).child(failing(how));
            let started = tree.child(log.child("c")).start().await;
            match started.unwrap_err() {
                StartError::Child { id, exit } => {
                    assert_eq!(&*id, "bad", "{how}");
                    let text = exit.to_string();
                    let expected = match how {
                        "the outer future gives an error" => "no disk",
                        "a grandchild" => "the child \"bad\" failed to start",
                        _ => "no luck",
                    };
                    assert!(text.contains(expected), "{how}: {text}");
                }
                other => panic!("{how}: {other:?}"),
            }
            assert_eq!(log.take(), "+a +b -b -a", "{how}: the starter lives, and everything is gone");
        }
    });
}

// V-010, V-055, and the other bad inputs of a builder
#[test]
fn bad_options_start_nothing() {
    in_every_order(|| async {
        let log = Log::default();
        let twins = one_for_one().child(log.child("a")).child(log.child("b")).child(log.child("a"));
        assert_eq!(twins.start().await.unwrap_err(), StartError::DuplicateId("a".into()));
        let permanent = one_for_one().auto_shutdown(AutoShutdown::AnySignificant).child(log.child("a").significant());
        assert_eq!(permanent.start().await.unwrap_err(), StartError::SignificantPermanent("a".into()));
        let never = one_for_one().child(log.child("a").restart(Restart::Transient).significant());
        assert_eq!(never.start().await.unwrap_err(), StartError::SignificantNever("a".into()));
        let zero = one_for_one().child(log.child("a")).max_restarts(3, Duration::ZERO);
        assert_eq!(zero.start().await.unwrap_err(), StartError::ZeroWindow);
        assert_eq!(log.take(), "");
    });
}

#[test]
#[should_panic(expected = "a window of zero counts nothing")]
fn a_task_supervisor_with_a_window_of_zero_is_told_so_at_once() {
    drop(TaskSupervisor::builder().max_restarts(3, Duration::ZERO));
}

// V-014, V-015
#[test]
fn what_is_told_of_children() {
    in_every_order(|| async {
        let tree = one_for_one().start().await.unwrap();
        assert!(tree.which_children().await.is_empty());
        assert_eq!(tree.count_children().await, Counts::default());
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
fn the_life_of_a_child_that_is_managed_by_hand() {
    in_every_order(|| async {
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
        assert_eq!(tree.terminate_child("b").await, Ok(()), "it has no process, and that is what was asked for");
        settle().await;
        assert_eq!(state(&tree, "b").await, Some(ChildState::Stopped), "it is not started again");
        assert_eq!(tree.start_child(log.child("b")).await, Err(StartError::AlreadyPresent("b".into())));
        let second = tree.restart_child("b").await.unwrap();
        assert_ne!(second, first);
        assert_eq!(info(&tree, "b").await.unwrap().incarnation, 2);
        tree.terminate_child("b").await.unwrap();
        assert_eq!(tree.delete_child("b").await, Ok(()));
        assert_eq!(tree.delete_child("b").await, Err(DeleteError::NotFound));
        assert_eq!(tree.restart_child("b").await, Err(StartError::NotFound("b".into())));
        assert!(tree.terminate_child("b").await.is_err());
        assert_eq!(log.take(), "-b +b -b");

        let failed = tree.start_child(failing("the factory panics")).await;
        assert!(matches!(failed, Err(StartError::Child { .. })), "{failed:?}");
        assert_eq!(info(&tree, "bad").await.map(|child| child.state), None, "what fails to start is forgotten");

        tree.start_child(log.child("t").restart(Restart::Temporary)).await.unwrap();
        tree.terminate_child("t").await.unwrap();
        assert_eq!(state(&tree, "t").await, None, "a temporary child is forgotten");
        tree.stop().await;
    });
}

// V-013
#[test]
fn a_bad_child_is_refused_and_not_started() {
    in_every_order(|| async {
        let log = Log::default();
        let tree = one_for_one().start().await.unwrap();
        let significant = log.child("a").restart(Restart::Transient).significant();
        assert_eq!(tree.start_child(significant).await, Err(StartError::SignificantNever("a".into())));
        assert_eq!(
            tree.start_child(log.child("a").significant()).await,
            Err(StartError::SignificantPermanent("a".into()))
        );
        assert_eq!(log.take(), "");
        tree.stop().await;
    });
}

#[test]
fn a_child_that_fails_by_hand_stays_without_a_process() {
    in_every_order(|| async {
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

// Starting a child while stopping
#[test]
fn a_supervisor_that_stops_or_is_gone_refuses() {
    in_every_order(|| async {
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
        assert_eq!(tree.which_children().await.len(), 1, "to look is possible meanwhile");
        assert!(stopping.await.unwrap().is_clean());
        assert_eq!(tree.restart_child("slow").await, Err(gone));
        assert!(tree.terminate_child("slow").await.is_err());
        assert_eq!(tree.delete_child("slow").await, Err(DeleteError::NotFound));
        assert!(tree.which_children().await.is_empty());
        assert_eq!(log.take(), "+slow -slow");
    });
}

#[test]
fn a_start_that_nobody_waits_for_any_more_is_undone() {
    in_every_order(|| async {
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
    in_every_order(|| async {
        let log = Log::default();
        let tree = level(20, log.clone()).start().await.unwrap();
        assert_eq!(log.take(), "+leaf");
        crash(&tree, "level 20").await;
        assert_eq!(log.take(), "-leaf +leaf", "a supervisor that is killed leaves nobody behind");
        assert!(tree.stop().await.is_clean());
        assert_eq!(log.take(), "-leaf");
    });
}

#[test]
fn children_have_their_supervisor_as_their_caller_and_their_id_as_their_label() {
    in_every_order(|| async {
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
fn a_start_that_hangs_and_that_nobody_waits_for_any_more_is_undone() {
    in_every_order(|| async {
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
fn a_start_whose_answer_nobody_takes_is_undone() {
    in_every_order(|| async {
        let log = Log::default();
        let mut start = Box::pin(one_for_one().child(log.child("a")).unlinked().start());
        assert!(futures::poll!(&mut start).is_pending());
        settle().await;
        assert_eq!(log.take(), "+a", "the answer is there");
        drop(start);
        settle().await;
        assert_eq!(log.take(), "-a");
    });
}

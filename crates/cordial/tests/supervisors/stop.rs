//! Stopping a supervisor: the order, the grace times, and what stops it: a call, its owner, its parent, a kill.
//!
//! Restates the stop parts of Elixir's `supervisor_test.exs` and `dynamic_supervisor_test.exs`.

use std::future::pending;
use std::time::Duration;

use cordial::{Backoff, ChildSpec, ChildState, Exit, Restart, Shutdown, Supervisor, Task, TaskSupervisor, process};
use tokio::time::{Instant, sleep};

use crate::harness::children::{Log, LogGuard, crash, exits_late, one_for_one, pid, settle, state};
use crate::harness::limited;
use crate::harness::seeds::{SECOND, for_each_seed};

// V-024, V-045, V-046, V-047, V-048, V-049
#[test]
fn children_are_stopped_in_reverse_order_each_with_its_own_grace_time() {
    for_each_seed(|| async {
        let log = Log::default();
        let tree = one_for_one()
            .child(log.child("waits").shutdown(60 * SECOND))
            .child(log.child_that("in time", || exits_late(SECOND)).shutdown(2 * SECOND))
            .child(log.child_that("too slow", || exits_late(10 * SECOND)).shutdown(3 * SECOND))
            .child(log.child_that("brutal", || exits_late(10 * SECOND)).shutdown(Shutdown::BrutalKill))
            .child(log.child_that("patient", || exits_late(20 * SECOND)).shutdown(Shutdown::Infinity))
            .start()
            .await
            .unwrap();
        settle().await;
        let slow = pid(&tree, "too slow").await;
        log.take();
        let begun = Instant::now();
        let report = tree.stop().await;
        assert_eq!(begun.elapsed(), (20 + 3 + 1) * SECOND);
        assert_eq!(log.take(), "-patient -brutal -too slow -in time -waits");
        let killed: Vec<_> = report.killed.iter().map(|stopped| (stopped.pid, stopped.label.as_deref())).collect();
        assert_eq!(killed, [(slow, Some("too slow"))]);
        assert!(report.abandoned.is_empty());
        assert_eq!(tree.ended().await, Exit::Normal);
        assert_eq!(tree.stop().await.killed.len(), 1, "a later stop returns the report of the first");
    });
}

/// Regression: the report of one child took time proportional to the number of all children.
#[test]
fn twenty_thousand_killed_children_are_all_reported() {
    const CHILDREN: usize = 20_000;
    cordial::testing::run(async {
        let stubborn = |n: usize| ChildSpec::task(format!("{n}"), || exits_late(SECOND)).shutdown(Duration::ZERO);
        let builder = (0..CHILDREN).fold(one_for_one(), |builder, n| builder.child(stubborn(n)));
        let tree = builder.start().await.unwrap();
        settle().await;
        let report = tree.stop().await;
        assert_eq!((report.killed.len(), report.abandoned.len()), (CHILDREN, 0));
        let labels = report.killed.iter().map(|stopped| stopped.label.as_deref().unwrap().parse::<usize>().unwrap());
        assert!(labels.eq((0..CHILDREN).rev()), "the report must list the children in stop order");
    });
}

#[test]
fn a_stop_cancels_waiting_restarts() {
    for_each_seed(|| async {
        let log = Log::default();
        let tree = one_for_one()
            .child(log.child_that("slow", || exits_late(SECOND)))
            .child(log.child("crashed").backoff(Backoff::exponential(60 * SECOND, 60 * SECOND)))
            .start()
            .await
            .unwrap();
        settle().await;
        crash(&tree, "crashed").await;
        assert_eq!(state(&tree, "crashed").await, Some(ChildState::Restarting));
        let of_stop = tree.clone();
        let stop = Task::spawn(async move { of_stop.stop().await });
        sleep(SECOND / 2).await;
        assert_eq!(state(&tree, "crashed").await, Some(ChildState::Stopped));
        assert!(process::snapshot().to_string().contains("crashed: has ended"));
        assert!(stop.await.unwrap().is_clean());
    });
}

// V-050
#[test]
fn a_stop_without_a_timeout_waits_for_its_child_and_a_kill_ends_it() {
    for_each_seed(|| async {
        let log = Log::default();
        let tree =
            one_for_one().child(log.child_that("endless", || exits_late(Duration::MAX)).shutdown(Shutdown::Infinity));
        let tree = tree.child(log.child("b")).unlinked().start().await.unwrap();
        settle().await;
        let stopping = tree.clone();
        let stop = Task::spawn(async move { stopping.stop().await }).timeout(Duration::MAX);
        sleep(365 * 24 * 3600 * SECOND / 2).await;
        assert!(!stop.is_finished());
        process::exit(tree.pid(), Exit::Killed);
        assert!(stop.await.is_ok());
        assert_eq!(tree.ended().await, Exit::Killed);
        assert_eq!(log.take(), "+endless +b -b -endless");
    });
}

// V-052, S-043
#[test]
fn a_supervisor_ends_with_its_owner_for_every_kind_of_exit() {
    for_each_seed(|| async {
        for kind in crate::harness::exit_kind::ExitKind::all() {
            let log = Log::default();
            let (of_owner, how) = (log.clone(), kind.clone());
            let owner = Task::spawn(async move {
                let log = of_owner;
                let tree = one_for_one().child(log.child("a")).child(log.child("b")).start().await.unwrap();
                let tasks = TaskSupervisor::start();
                let guard = LogGuard::new(&log, "task");
                tasks
                    .start_child(async move {
                        let _guard = guard;
                        pending::<()>().await;
                    })
                    .unwrap();
                how.perform().await;
                drop(tree);
            });
            drop(owner.await);
            settle().await;
            // The supervisor that was started last stops first.
            assert_eq!(log.take(), "+a +b +task -task -b -a", "{kind:?}");
        }
    });
}

#[test]
fn several_supervisors_of_one_owner_end_in_reverse_order_one_after_the_other() {
    for_each_seed(|| async {
        let log = Log::default();
        let of_owner = log.clone();
        let owner = Task::spawn(async move {
            for id in ["a", "b", "c"] {
                one_for_one().child(of_owner.child_that(id, || exits_late(SECOND))).start().await.unwrap();
            }
            let gone = one_for_one().child(of_owner.child("gone")).start().await.unwrap();
            gone.stop().await;
            settle().await;
        });
        owner.await.unwrap();
        sleep(3500 * SECOND / 1000).await;
        assert_eq!(log.take(), "+a +b +c +gone -gone -c -b -a");
    });
}

#[test]
fn an_unlinked_supervisor_has_no_owner() {
    for_each_seed(|| async {
        let log = Log::default();
        let of_owner = log.clone();
        let tree = Task::spawn(async move { one_for_one().child(of_owner.child("a")).unlinked().start().await });
        let tree = tree.await.unwrap().unwrap();
        settle().await;
        assert_eq!(log.take(), "+a");
        process::exit(tree.pid(), Exit::Shutdown(Some("enough".into())));
        assert_eq!(tree.ended().await, Exit::Shutdown(Some("enough".into())));
        assert_eq!(log.take(), "-a");
    });
}

#[test]
fn dropping_every_handle_stops_nothing() {
    for_each_seed(|| async {
        let log = Log::default();
        drop(one_for_one().child(log.child("a")).start().await.unwrap());
        let tasks = TaskSupervisor::start();
        let child = tasks.start_child(pending::<()>()).unwrap();
        drop(tasks);
        settle().await;
        assert_eq!(log.take(), "+a");
        assert!(process::info(child).is_some());
    });
}

// V-053
#[test]
fn a_killed_supervisor_ends_its_children_first() {
    for_each_seed(|| async {
        let log = Log::default();
        let nested = {
            let log = log.clone();
            move || one_for_one().child(log.child_that("leaf", || exits_late(60 * SECOND)))
        };
        let tree = one_for_one().child(log.child_that("a", || exits_late(60 * SECOND)));
        let tree = tree.child(ChildSpec::supervisor("nested", nested)).unlinked().start().await.unwrap();
        settle().await;
        let begun = Instant::now();
        process::exit(tree.pid(), Exit::Killed);
        assert_eq!(tree.ended().await, Exit::Killed);
        assert_eq!(begun.elapsed(), Duration::ZERO);
        let log = log.take();
        assert!(log.contains("-leaf") && log.contains("-a"), "{log}: the children must exit before their supervisor");
    });
}

// V-054
#[test]
fn a_supervisor_that_is_killed_during_its_stop_leaves_no_orphans() {
    for_each_seed(|| async {
        let log = Log::default();
        let nested = {
            let log = log.clone();
            move || one_for_one().child(log.child_that("leaf", || exits_late(60 * SECOND)).shutdown(60 * SECOND))
        };
        let nested = ChildSpec::supervisor("nested", nested).shutdown(SECOND);
        let tree = one_for_one().child(log.child("a")).child(nested).start().await.unwrap();
        settle().await;
        let nested = pid(&tree, "nested").await;
        let begun = Instant::now();
        let report = tree.stop().await;
        assert_eq!(begun.elapsed(), SECOND);
        assert_eq!(log.take(), "+a +leaf -leaf -a");
        assert!(report.killed.iter().any(|stopped| stopped.pid == nested));
    });
}

#[test]
fn the_report_of_a_tree_lists_killed_processes_at_any_depth() {
    for_each_seed(|| async {
        let nested = || one_for_one().child(ChildSpec::task("stubborn", || exits_late(60 * SECOND)).shutdown(SECOND));
        let tree = one_for_one().child(ChildSpec::supervisor("nested", nested)).start().await.unwrap();
        settle().await;
        let report = tree.stop().await;
        let labels: Vec<_> = report.killed.iter().map(|stopped| stopped.label.as_deref()).collect();
        assert_eq!(labels, [Some("stubborn")]);
    });
}

#[test]
fn a_child_that_crashes_during_a_stop_is_not_restarted() {
    for_each_seed(|| async {
        let log = Log::default();
        let crashes = log.child_that("a", || async {
            cordial::shutdown_requested().await;
            panic!("no luck");
        });
        let tree = one_for_one().child(crashes).start().await.unwrap();
        settle().await;
        assert!(tree.stop().await.is_clean());
        assert_eq!(log.take(), "+a -a");
    });
}

#[test]
fn a_child_may_stop_its_own_supervisor() {
    for_each_seed(|| async {
        let log = Log::default();
        let (send, receive) = tokio::sync::oneshot::channel::<Supervisor>();
        let mut receive = Some(receive);
        let stops = ChildSpec::task("stops", move || {
            let receive = receive.take();
            async move {
                if let Some(receive) = receive {
                    receive.await.unwrap().stop().await;
                }
            }
        });
        let tree = one_for_one().child(log.child("a")).child(stops.restart(Restart::Permanent)).start().await.unwrap();
        let _ = send.send(tree.clone());
        assert_eq!(tree.ended().await, Exit::Normal);
        assert_eq!(log.take(), "+a -a");
    });
}

#[test]
fn the_supervisors_of_the_root_stop_before_its_other_descendants() {
    let log = Log::default();
    let of_root = log.clone();
    cordial::testing::run(async move {
        let log = of_root;
        let guard = LogGuard::new(&log, "other");
        Task::start(async move {
            let _guard = guard;
            exits_late(SECOND).await;
        });
        one_for_one().child(log.child_that("a", || exits_late(SECOND))).start().await.unwrap();
        one_for_one().child(log.child("unlinked")).unlinked().start().await.unwrap();
        one_for_one().child(log.child("b")).start().await.unwrap();
        settle().await;
    });
    assert_eq!(log.take(), "+other +a +unlinked +b -b -unlinked -a -other");
}

#[test]
fn exits_sent_by_other_processes_do_not_delay_a_supervisor() {
    let runtime = limited::runtime(2);
    runtime
        .block_on(async {
            let log = Log::default();
            let tree = one_for_one().child(log.child("a")).unlinked().start().await.unwrap();
            let supervisor = tree.pid();
            let sender = Task::spawn(async move {
                while process::info(supervisor).is_some() {
                    for _ in 0..64 {
                        process::exit(supervisor, Exit::NoProcess);
                    }
                    tokio::task::yield_now().await;
                }
            });
            sleep(Duration::from_millis(50)).await;
            assert!(tokio::time::timeout(120 * SECOND, tree.stop()).await.is_ok());
            sender.await.unwrap();
        })
        .unwrap();
}

/// A child calls its own supervisor, which is asked to stop before it answers. The stop waits for the child without a
/// limit, and the child waits for the call, so the call must be refused.
#[test]
fn a_call_that_waits_while_the_supervisor_stops_is_refused_at_once() {
    for_each_seed(|| async {
        let (send, receive) = tokio::sync::oneshot::channel::<Supervisor>();
        let (mut receive, answers) = (Some(receive), Log::default());
        let of_child = answers.clone();
        let calls = ChildSpec::task("calls", move || {
            let (receive, answers) = (receive.take(), of_child.clone());
            async move {
                let _exits = process::trap_exits();
                let tree = receive.unwrap().await.unwrap();
                let started = tree.start_child(ChildSpec::task("late", pending::<()>)).await;
                answers.push(format!("{started:?}"));
            }
        });
        let hangs = ChildSpec::init("hangs", || async {
            pending::<()>().await;
            Ok::<_, std::io::Error>(pending::<()>())
        });
        let tree = one_for_one().child(calls.shutdown(Shutdown::Infinity)).start().await.unwrap();
        settle().await;
        let busy = Task::spawn({
            let tree = tree.clone();
            async move { tree.start_child(hangs).await }
        });
        settle().await;
        assert!(send.send(tree.clone()).is_ok());
        settle().await;
        assert!(tokio::time::timeout(SECOND, tree.stop()).await.is_ok_and(|report| report.is_clean()));
        assert!(busy.await.unwrap().is_err());
        let answer = answers.take();
        assert!(answer.starts_with("Err(Refused("), "{answer}");
    });
}

#[test]
fn a_supervisor_ends_with_its_owner_even_if_the_owner_has_removed_the_link() {
    for_each_seed(|| async {
        let log = Log::default();
        let child = log.child("a");
        let owner = Task::spawn(async move {
            let tree = one_for_one().child(child).start().await.unwrap();
            process::unlink(tree.pid());
            tree
        });
        let tree = owner.await.unwrap();
        assert_eq!(tree.ended().await, Exit::Shutdown(None));
        assert_eq!(log.take(), "+a -a");
    });
}

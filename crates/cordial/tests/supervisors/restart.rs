//! Restarts: which children are stopped and started, in which order, and failing restarts.
//!
//! Restates the restart parts of Elixir's `supervisor_test.exs` and `dynamic_supervisor_test.exs`.

use std::future::pending;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use cordial::{Backoff, ChildSpec, ChildState, Exit, Restart, Strategy, Supervisor, Task, process};
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::harness::children::{Log, LogGuard, crash, has_given_up, info, state};
use crate::harness::seeds::{SECOND, for_each_seed};

// V-025, V-026, V-036
#[test]
fn a_strategy_determines_which_children_are_restarted_in_which_order() {
    for_each_seed(|| async {
        for (strategy, crashed, expected) in [
            (Strategy::OneForOne, "b", "-b +b"),
            (Strategy::OneForAll, "b", "-b -c -a +a +b +c"),
            (Strategy::OneForAll, "c", "-c -b -a +a +b +c"),
            (Strategy::RestForOne, "a", "-a -c -b +a +b +c"),
            (Strategy::RestForOne, "b", "-b -c +b +c"),
            (Strategy::RestForOne, "c", "-c +c"),
        ] {
            let log = Log::default();
            let tree = Supervisor::builder(strategy).child(log.child("a")).child(log.child("b")).child(log.child("c"));
            // A group restart counts once.
            let tree = tree.max_restarts(1, SECOND).start().await.unwrap();
            log.take();
            crash(&tree, crashed).await;
            assert_eq!(log.take(), expected, "{strategy:?}, {crashed}");
            tree.stop().await;
        }
    });
}

// V-029, V-030, V-031
#[test]
fn a_group_restart_starts_ended_siblings_but_no_temporary_ones() {
    for_each_seed(|| async {
        for strategy in [Strategy::OneForAll, Strategy::RestForOne] {
            let log = Log::default();
            let tree = Supervisor::builder(strategy)
                .child(log.child("a"))
                .child(log.child("temporary").restart(Restart::Temporary))
                .child(log.child_that("done", || sleep(SECOND)).restart(Restart::Transient))
                .child(log.child("manual"))
                .start()
                .await
                .unwrap();
            sleep(2 * SECOND).await;
            tree.terminate_child("manual").await.unwrap();
            assert_eq!(log.take(), "+a +temporary +done +manual -done -manual");
            crash(&tree, "a").await;
            sleep(2 * SECOND).await;
            assert_eq!(log.take(), "-a -temporary +a +done +manual -done", "{strategy:?}");
            assert_eq!(state(&tree, "temporary").await, None);
            tree.start_child(log.child("temporary").restart(Restart::Temporary)).await.unwrap();
            log.take();
            crash(&tree, "temporary").await;
            assert_eq!(log.take(), "-temporary", "the exit of a temporary child restarts no sibling");
            tree.stop().await;
        }
    });
}

/// A child that starts once, and then fails to start `failures` times.
fn flaky(log: &Log, failures: u32) -> ChildSpec {
    let (n_starts, log) = (AtomicU32::new(0), log.clone());
    ChildSpec::init("flaky", move || {
        let start = n_starts.fetch_add(1, Ordering::SeqCst);
        let guard = LogGuard::new(&log, "flaky");
        async move {
            if (1..=failures).contains(&start) {
                return Err(io::Error::other("no disk"));
            }
            Ok(async move {
                let _guard = guard;
                pending::<()>().await;
            })
        }
    })
}

// V-038, V-068, V-069, V-070
#[test]
fn a_failed_restart_is_retried_and_counts() {
    for_each_seed(|| async {
        for (failures, survives) in [(1, true), (2, true), (3, false), (9, false)] {
            let log = Log::default();
            let tree = Supervisor::builder(Strategy::OneForOne).child(flaky(&log, failures)).unlinked();
            let tree = tree.max_restarts(3, 5 * SECOND).start().await.unwrap();
            let end = process::monitor(tree.pid());
            crash(&tree, "flaky").await;
            if survives {
                assert_eq!(state(&tree, "flaky").await, Some(ChildState::Running));
                assert_eq!(info(&tree, "flaky").await.unwrap().incarnation, 2 + failures);
                tree.stop().await;
            } else {
                assert!(has_given_up(&end.await));
            }
        }
    });
}

/// As in Erlang, the retry begins with the child that failed to start, not with the child that crashed.
#[test]
fn a_retried_group_restart_begins_with_the_child_that_failed() {
    for_each_seed(|| async {
        for (strategy, expected) in [
            (Strategy::OneForAll, "-a -c -flaky +a +flaky -flaky -a +a +flaky +c"),
            (Strategy::RestForOne, "-a -c -flaky +a +flaky -flaky +flaky +c"),
        ] {
            let log = Log::default();
            let tree = Supervisor::builder(strategy).child(log.child("a")).child(flaky(&log, 1)).child(log.child("c"));
            let tree = tree.start().await.unwrap();
            log.take();
            crash(&tree, "a").await;
            assert_eq!(log.take(), expected, "{strategy:?}");
            tree.stop().await;
        }
    });
}

#[test]
fn a_supervisor_with_a_hanging_start_can_be_stopped() {
    for_each_seed(|| async {
        let log = Log::default();
        let n_starts = AtomicU32::new(0);
        let hangs = ChildSpec::init("hangs", move || {
            let start = n_starts.fetch_add(1, Ordering::SeqCst);
            async move {
                if start > 0 {
                    pending::<()>().await;
                }
                Ok::<_, io::Error>(pending::<()>())
            }
        });
        let tree = Supervisor::builder(Strategy::OneForOne).child(log.child("a")).child(hangs).start().await.unwrap();
        crash(&tree, "hangs").await;
        assert_eq!(state(&tree, "hangs").await, Some(ChildState::Restarting));
        assert!(tree.stop().await.is_clean());
        assert_eq!(log.take(), "+a -a");
    });
}

// V-118
#[test]
fn a_crash_in_the_middle_of_a_group_restart_is_one_more_restart() {
    for_each_seed(|| async {
        let log = Log::default();
        let n_starts = Arc::new(AtomicU32::new(0));
        let slow = {
            let n_starts = n_starts.clone();
            ChildSpec::init("slow", move || {
                let is_first = n_starts.fetch_add(1, Ordering::SeqCst) == 0;
                async move {
                    if !is_first {
                        sleep(SECOND).await;
                    }
                    Ok::<_, io::Error>(pending::<()>())
                }
            })
        };
        let tree = Supervisor::builder(Strategy::OneForAll).child(log.child("a")).child(slow).child(log.child("c"));
        let tree = tree.start().await.unwrap();
        log.take();
        crash(&tree, "c").await;
        assert_eq!(state(&tree, "slow").await, Some(ChildState::Restarting));
        crash(&tree, "a").await;
        sleep(5 * SECOND).await;
        assert_eq!(log.take(), "-c -a +a -a +a +c");
        assert_eq!(n_starts.load(Ordering::SeqCst), 3);
        tree.stop().await;
    });
}

// V-117
/// A regression test: the later child continued to run after the earlier child had started, even though each failed attempt to start the earlier
/// child had stopped the later one.
#[test]
fn a_child_that_is_started_while_an_earlier_one_waits_for_its_restart_is_restarted_after_it() {
    for_each_seed(|| async {
        for (strategy, before, after) in [
            (Strategy::OneForOne, "-a -b +b +late +temporary", "+a"),
            (Strategy::OneForAll, "-a -b +b +late +temporary", "-temporary -late -b +a +b +late"),
            (Strategy::RestForOne, "-a -b +b +late +temporary", "-temporary -late -b +a +b +late"),
        ] {
            let log = Log::default();
            let tree = Supervisor::builder(strategy)
                .child(log.child("a").backoff(Backoff::exponential(10 * SECOND, 10 * SECOND)))
                .child(log.child("b"))
                .start()
                .await
                .unwrap();
            log.take();
            crash(&tree, "a").await;
            tree.terminate_child("b").await.unwrap();
            tree.restart_child("b").await.unwrap();
            tree.start_child(log.child("late")).await.unwrap();
            tree.start_child(log.child("temporary").restart(Restart::Temporary)).await.unwrap();
            assert_eq!(log.take(), before, "{strategy:?}");
            sleep(60 * SECOND).await;
            assert_eq!(log.take(), after, "{strategy:?}");
            let n_temporary = usize::from(strategy == Strategy::OneForOne);
            assert_eq!(tree.count_children().await.active, 3 + n_temporary);
            tree.stop().await;
        }
    });
}

// V-117
#[test]
fn a_child_that_is_started_while_an_earlier_supervisor_starts_again_is_restarted_after_it() {
    for_each_seed(|| async {
        for strategy in [Strategy::OneForAll, Strategy::RestForOne] {
            let log = Log::default();
            let (n_starts, of_inner) = (Arc::new(AtomicU32::new(0)), log.clone());
            let nested = ChildSpec::supervisor("nested", move || {
                let (n_starts, log) = (n_starts.clone(), of_inner.clone());
                let inner = ChildSpec::init("inner", move || {
                    let is_second = n_starts.fetch_add(1, Ordering::SeqCst) == 1;
                    let guard = (!is_second).then(|| LogGuard::new(&log, "inner"));
                    async move {
                        let guard = guard.ok_or_else(|| io::Error::other("no disk"))?;
                        Ok::<_, io::Error>(async move {
                            let _guard = guard;
                            pending::<()>().await;
                        })
                    }
                });
                let inner = inner.backoff(Backoff::exponential(10 * SECOND, 10 * SECOND));
                Supervisor::builder(Strategy::OneForOne).child(inner)
            });
            let tree = Supervisor::builder(strategy).child(nested).start().await.unwrap();
            crash(&tree, "nested").await;
            tree.start_child(log.child("late")).await.unwrap();
            assert_eq!(log.take(), "+inner -inner +late");
            sleep(60 * SECOND).await;
            assert_eq!(log.take(), "+inner -late +late", "{strategy:?}");
            tree.stop().await;
        }
    });
}

// V-117
/// An earlier child that starts again restarts the later ones, also those that have ended by themselves, but not those that a call has terminated.
#[test]
fn a_child_that_is_started_early_and_ends_by_itself_starts_again_unless_a_call_has_terminated_it() {
    for_each_seed(|| async {
        for strategy in [Strategy::OneForAll, Strategy::RestForOne] {
            let log = Log::default();
            let ends = |id| log.child_that(id, || sleep(SECOND)).restart(Restart::Transient);
            let backoff = Backoff::exponential(10 * SECOND, 10 * SECOND);
            let tree = Supervisor::builder(strategy).child(log.child("a").backoff(backoff)).start().await.unwrap();
            log.take();
            crash(&tree, "a").await;
            tree.start_child(ends("ends")).await.unwrap();
            tree.start_child(log.child("terminated")).await.unwrap();
            tree.start_child(ends("both")).await.unwrap();
            sleep(2 * SECOND).await;
            tree.terminate_child("terminated").await.unwrap();
            tree.terminate_child("both").await.unwrap();
            log.take();
            sleep(9 * SECOND).await;
            assert_eq!(log.take(), "+a +ends -ends", "{strategy:?}");
            assert_eq!(state(&tree, "terminated").await, Some(ChildState::Stopped));
            tree.stop().await;
        }
    });
}

// V-117
/// A regression test: the later child was not restarted if the exit of another child arrived when the earlier child had just started again.
#[test]
fn a_supervisor_that_has_started_again_when_another_exit_is_handled_restarts_the_later_children() {
    // A supervisor with one child. The start with the number `failing` fails, and is tried again after the backoff. The other starts wait for
    // `connects`.
    let nested = |id: &'static str, connects: Arc<Notify>, n_starts: Arc<AtomicU32>, failing: u32| {
        ChildSpec::supervisor(id, move || {
            let (n_starts, connects) = (n_starts.clone(), connects.clone());
            let inner = ChildSpec::init("inner", move || {
                let (fails, connects) = (n_starts.fetch_add(1, Ordering::SeqCst) == failing, connects.clone());
                async move {
                    if fails {
                        return Err(io::Error::other("no disk"));
                    }
                    connects.notified().await;
                    Ok(pending::<()>())
                }
            });
            let inner = inner.restart(Restart::Permanent).backoff(Backoff::exponential(SECOND, SECOND));
            Supervisor::builder(Strategy::OneForOne).child(inner)
        })
    };
    for seed in 0..200 {
        cordial::testing::run_seeded(seed, async move {
            let (log, connects, never) = (Log::default(), Arc::new(Notify::new()), Arc::new(Notify::new()));
            connects.notify_one();
            let first = nested("first", connects.clone(), Arc::default(), 1);
            let tree = Supervisor::builder(Strategy::RestForOne).child(first).start().await.unwrap();
            crash(&tree, "first").await;
            tree.start_child(log.child("late")).await.unwrap();
            let mut starting = Task::spawn({
                let (tree, second) = (tree.clone(), nested("second", never, Arc::default(), 0));
                async move { tree.start_child(second).await }
            });
            sleep(2 * SECOND).await;
            assert_eq!(log.take(), "+late");
            // The first supervisor has started at the moment in which the second one exits.
            let second = info(&tree, "second").await.unwrap().pid.unwrap();
            connects.notify_one();
            for _ in 0..seed % 8 {
                tokio::task::yield_now().await;
            }
            process::exit(second, Exit::Killed);
            // If the first supervisor has started before, the second one is started again, and this call waits.
            drop(starting.yield_for(SECOND).await);
            sleep(SECOND).await;
            assert_eq!(state(&tree, "first").await, Some(ChildState::Running), "seed {seed}");
            assert_eq!(log.take(), "-late +late", "seed {seed}");
            tree.stop().await;
        });
    }
}

//! Restarts: who is stopped and started, in which order, and what a restart that fails means.
//!
//! Restates the restart parts of Elixir's `supervisor_test.exs` and `dynamic_supervisor_test.exs`.

use std::future::pending;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use cordial::{ChildSpec, ChildState, Restart, Strategy, Supervisor, process};
use tokio::time::sleep;

use crate::orders::{SECOND, in_every_order};
use crate::tree::{Log, crash, has_given_up, info, state};

// V-025, V-026, V-036
#[test]
fn a_strategy_says_who_is_stopped_and_started_in_which_order() {
    in_every_order(|| async {
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
            // A restart of all is one restart.
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
fn siblings_that_had_ended_come_back_and_temporary_ones_do_not() {
    in_every_order(|| async {
        for strategy in [Strategy::OneForAll, Strategy::RestForOne] {
            let log = Log::default();
            let tree = Supervisor::builder(strategy)
                .child(log.child("a"))
                .child(log.child("temporary").restart(Restart::Temporary))
                .child(log.child_that("done", || sleep(SECOND)).restart(Restart::Transient))
                .child(log.child("by hand"))
                .start()
                .await
                .unwrap();
            sleep(2 * SECOND).await;
            tree.terminate_child("by hand").await.unwrap();
            assert_eq!(log.take(), "+a +temporary +done +by hand -done -by hand");
            crash(&tree, "a").await;
            sleep(2 * SECOND).await;
            assert_eq!(log.take(), "-a -temporary +a +done +by hand -done", "{strategy:?}");
            assert_eq!(state(&tree, "temporary").await, None);
            tree.start_child(log.child("temporary").restart(Restart::Temporary)).await.unwrap();
            log.take();
            crash(&tree, "temporary").await;
            assert_eq!(log.take(), "-temporary", "its own end concerns nobody");
            tree.stop().await;
        }
    });
}

/// Starts once, and then fails so many times.
fn flaky(log: &Log, failures: u32) -> ChildSpec {
    let (n_starts, log) = (AtomicU32::new(0), log.clone());
    ChildSpec::init("flaky", move || {
        let start = n_starts.fetch_add(1, Ordering::SeqCst);
        let noted = crate::tree::Noted::new(&log, "flaky");
        async move {
            if (1..=failures).contains(&start) {
                return Err(io::Error::other("no disk"));
            }
            Ok(async move {
                let _noted = noted;
                pending::<()>().await;
            })
        }
    })
}

// V-038, V-068, V-069, V-070
#[test]
fn a_restart_that_fails_is_tried_again_and_counts() {
    in_every_order(|| async {
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

// 3.5: the retry is anchored at the child that failed to start.
#[test]
fn in_a_group_the_retry_begins_with_whoever_failed() {
    in_every_order(|| async {
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
fn a_start_that_hangs_can_be_stopped() {
    in_every_order(|| async {
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
        assert_eq!(state(&tree, "hangs").await, Some(ChildState::Starting));
        assert!(tree.stop().await.is_clean());
        assert_eq!(log.take(), "+a -a");
    });
}

#[test]
fn a_crash_in_the_middle_of_a_group_restart_is_one_more_restart() {
    in_every_order(|| async {
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
        assert_eq!(state(&tree, "slow").await, Some(ChildState::Starting));
        crash(&tree, "a").await;
        sleep(5 * SECOND).await;
        assert_eq!(log.take(), "-c -a +a -a +a +c");
        assert_eq!(n_starts.load(Ordering::SeqCst), 3);
        tree.stop().await;
    });
}

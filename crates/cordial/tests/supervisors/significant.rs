//! Significant children and automatic shutdown.
//!
//! Restates the `:auto_shutdown` tests of Elixir's `supervisor_test.exs`.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use cordial::{AutoShutdown, Backoff, ChildSpec, Exit, Restart, Strategy, Supervisor, process};
use tokio::time::sleep;

use crate::harness::children::{Log, crash, end, settle};
use crate::harness::seeds::{SECOND, for_each_seed};

// V-040, V-042, V-044
#[test]
fn the_exit_of_significant_children_stops_the_supervisor() {
    for_each_seed(|| async {
        for (auto_shutdown, after_first) in
            [(AutoShutdown::AnySignificant, false), (AutoShutdown::AllSignificant, true)]
        {
            for restart in [Restart::Transient, Restart::Temporary] {
                let log = Log::default();
                let short = |id, seconds: u32| {
                    log.child_that(id, move || sleep(seconds * SECOND)).restart(restart).significant()
                };
                let tree = Supervisor::builder(Strategy::OneForOne)
                    .auto_shutdown(auto_shutdown)
                    .child(log.child("other"))
                    .child(short("first", 1))
                    .child(short("second", 2))
                    .unlinked()
                    .start()
                    .await
                    .unwrap();
                sleep(1500 * SECOND / 1000).await;
                assert_eq!(process::info(tree.pid()).is_some(), after_first, "{auto_shutdown:?}, {restart:?}");
                assert_eq!(tree.ended().await, Exit::Shutdown(None));
                assert_eq!(log.take(), "+other +first +second -first -second -other");
            }
        }
    });
}

#[test]
fn children_killed_by_an_automatic_shutdown_are_reported() {
    for_each_seed(|| async {
        let log = Log::default();
        let tree = Supervisor::builder(Strategy::OneForOne)
            .auto_shutdown(AutoShutdown::AnySignificant)
            .child(
                log.child_that("stubborn", || async {
                    cordial::shutdown_requested().await;
                    pending().await
                })
                .shutdown(SECOND),
            )
            .child(log.child_that("short", || sleep(SECOND)).restart(Restart::Temporary).significant())
            .unlinked()
            .start()
            .await
            .unwrap();
        assert_eq!(tree.ended().await, Exit::Shutdown(None));
        let report = tree.stop().await;
        let killed: Vec<_> = report.killed.iter().map(|stopped| stopped.label.as_deref()).collect();
        assert_eq!((killed, report.abandoned.len()), (vec![Some("stubborn")], 0));
    });
}

#[test]
fn a_significant_child_that_crashes_or_is_terminated_does_not_stop_the_supervisor() {
    for_each_seed(|| async {
        let log = Log::default();
        let tree = Supervisor::builder(Strategy::OneForOne)
            .auto_shutdown(AutoShutdown::AnySignificant)
            .child(log.child("a").restart(Restart::Transient).significant())
            .start()
            .await
            .unwrap();
        crash(&tree, "a").await;
        tree.terminate_child("a").await.unwrap();
        settle().await;
        assert!(process::info(tree.pid()).is_some());
        assert_eq!(log.take(), "+a -a +a -a");
        tree.stop().await;
    });
}

// V-119
#[test]
fn the_end_of_a_child_that_is_not_significant_does_not_stop_the_supervisor() {
    for auto_shutdown in [AutoShutdown::Never, AutoShutdown::AnySignificant, AutoShutdown::AllSignificant] {
        for restart in [Restart::Transient, Restart::Temporary] {
            for_each_seed(move || async move {
                let tree = Supervisor::builder(Strategy::OneForOne).auto_shutdown(auto_shutdown).unlinked();
                let tree = tree.max_restarts(9, SECOND).start().await.unwrap();
                let child = || ChildSpec::task("child", pending::<()>).restart(restart);
                for exit in [Exit::Killed, Exit::from("no luck"), Exit::Shutdown(None)] {
                    let pid = tree.start_child(child()).await.unwrap();
                    end(pid, exit).await;
                    // It may have been restarted.
                    let _ = tree.terminate_child("child").await;
                    let _ = tree.delete_child("child").await;
                    settle().await;
                    assert!(process::info(tree.pid()).is_some(), "{auto_shutdown:?}, {restart:?}");
                }
                tree.stop().await;
            });
        }
    }
}

#[test]
fn all_significant_waits_for_a_child_that_waits_for_its_restart() {
    for_each_seed(|| async {
        let wait = 10 * SECOND;
        let runs = Arc::new(AtomicU32::new(0));
        let of_child = runs.clone();
        let flaky = ChildSpec::task("flaky", move || {
            let run = of_child.fetch_add(1, Ordering::SeqCst);
            async move {
                sleep(SECOND).await;
                assert!(run > 0, "no luck");
            }
        });
        let flaky = flaky.restart(Restart::Transient).backoff(Backoff::exponential(wait, wait)).significant();
        let short = ChildSpec::task("short", || sleep(2 * SECOND)).restart(Restart::Transient).significant();
        let tree = Supervisor::builder(Strategy::OneForOne).auto_shutdown(AutoShutdown::AllSignificant).unlinked();
        let tree = tree.child(flaky).child(short).start().await.unwrap();
        assert_eq!(tree.ended().await, Exit::Shutdown(None));
        assert_eq!(runs.load(Ordering::SeqCst), 2, "the flaky child must be restarted before the shutdown");
    });
}

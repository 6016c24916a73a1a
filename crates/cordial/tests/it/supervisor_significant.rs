//! Significant children: whose end is that of their supervisor.
//!
//! Restates what Elixir's `supervisor_test.exs` says of `:auto_shutdown`.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use cordial::{AutoShutdown, Backoff, ChildSpec, Exit, Restart, Strategy, Supervisor, process};
use tokio::time::sleep;

use crate::orders::{SECOND, in_every_order};
use crate::tree::{Log, crash, settle};

// V-040, V-042, V-044
#[test]
fn the_end_of_significant_children_is_that_of_the_supervisor() {
    in_every_order(|| async {
        for (auto_shutdown, after_first) in
            [(AutoShutdown::AnySignificant, false), (AutoShutdown::AllSignificant, true)]
        {
            for restart in [Restart::Transient, Restart::Temporary] {
                let log = Log::default();
                let brief = |id, seconds: u32| {
                    log.child_that(id, move || sleep(seconds * SECOND)).restart(restart).significant()
                };
                let tree = Supervisor::builder(Strategy::OneForOne)
                    .auto_shutdown(auto_shutdown)
                    .child(log.child("other"))
                    .child(brief("first", 1))
                    .child(brief("second", 2))
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
fn what_an_automatic_shutdown_had_to_kill_stands_in_the_report_of_the_end() {
    in_every_order(|| async {
        let log = Log::default();
        let tree = Supervisor::builder(Strategy::OneForOne)
            .auto_shutdown(AutoShutdown::AnySignificant)
            .child(
                log.child_that("deaf", || async {
                    cordial::shutdown_requested().await;
                    pending().await
                })
                .shutdown(SECOND),
            )
            .child(log.child_that("brief", || sleep(SECOND)).restart(Restart::Temporary).significant())
            .unlinked()
            .start()
            .await
            .unwrap();
        assert_eq!(tree.ended().await, Exit::Shutdown(None));
        let report = tree.stop().await;
        let killed: Vec<_> = report.killed.iter().map(|stopped| stopped.label.as_deref()).collect();
        assert_eq!((killed, report.abandoned.len()), (vec![Some("deaf")], 0));
    });
}

#[test]
fn a_significant_child_that_crashes_or_is_terminated_ends_nobody() {
    in_every_order(|| async {
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

#[test]
fn all_significant_children_have_not_ended_while_one_waits_for_its_restart() {
    in_every_order(|| async {
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
        assert_eq!(runs.load(Ordering::SeqCst), 2, "it was started again before");
    });
}

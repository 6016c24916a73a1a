//! Backoff between restarts: its duration, the calls that are possible meanwhile, and what ends it.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cordial::{Backoff, ChildSpec, ChildState, DeleteError, StartError, Strategy, Supervisor};
use tokio::time::{Instant, sleep};

use crate::harness::children::{Log, crash, info, state};
use crate::harness::seeds::{SECOND, for_each_seed};

// V-039
#[test]
fn a_restart_waits_for_its_backoff_without_blocking_other_calls() {
    for_each_seed(|| async {
        let log = Log::default();
        let backoff = Backoff::exponential(10 * SECOND, 60 * SECOND);
        let tree = Supervisor::builder(Strategy::OneForOne)
            .child(log.child("patient").backoff(backoff))
            .child(log.child("other"))
            .start()
            .await
            .unwrap();
        log.take();
        crash(&tree, "patient").await;
        assert_eq!(log.take(), "-patient");
        assert_eq!(state(&tree, "patient").await, Some(ChildState::Restarting));
        assert_eq!(tree.delete_child("patient").await, Err(DeleteError::Restarting));
        assert_eq!(tree.restart_child("patient").await, Err(StartError::Restarting("patient".into())));
        assert_eq!(tree.start_child(log.child("patient")).await, Err(StartError::Restarting("patient".into())));
        assert_eq!(tree.count_children().await.active, 1);
        // Other children can be started, restarted and terminated meanwhile.
        let begun = Instant::now();
        crash(&tree, "other").await;
        tree.start_child(log.child("new")).await.unwrap();
        tree.terminate_child("new").await.unwrap();
        assert!(begun.elapsed() < SECOND);
        assert_eq!(log.take(), "-other +other +new -new");
        sleep(9 * SECOND - begun.elapsed()).await;
        assert_eq!(log.take(), "", "the backoff is at least 10 s");
        sleep(11 * SECOND).await;
        assert_eq!(log.take(), "+patient", "the backoff is at most 20 s");
        assert_eq!(info(&tree, "patient").await.unwrap().incarnation, 2);
        tree.stop().await;
    });
}

#[test]
fn the_backoff_grows_while_a_child_keeps_failing_and_is_reset_when_it_has_run() {
    for_each_seed(|| async {
        let backoff = Backoff::exponential(SECOND, 60 * SECOND);
        let tree = Supervisor::builder(Strategy::OneForOne).child(Log::default().child("a").backoff(backoff));
        let tree = tree.max_restarts(100, 5 * SECOND).start().await.unwrap();
        let wait = async || {
            let begun = Instant::now();
            crash(&tree, "a").await;
            while state(&tree, "a").await != Some(ChildState::Running) {
                sleep(SECOND / 100).await;
            }
            begun.elapsed()
        };
        for least in [1, 2, 4] {
            let waited = wait().await;
            let least = least * SECOND;
            assert!((least..2 * least + SECOND / 10).contains(&waited), "{waited:?} after {least:?}");
        }
        sleep(6 * SECOND).await;
        assert!(wait().await < 2 * SECOND + SECOND / 10);
        tree.stop().await;
    });
}

#[test]
fn one_for_all_stops_all_siblings_at_once_and_starts_them_after_the_backoff() {
    for_each_seed(|| async {
        let log = Log::default();
        let backoff = Backoff::exponential(10 * SECOND, 10 * SECOND);
        let tree =
            Supervisor::builder(Strategy::OneForAll).child(log.child("a")).child(log.child("b").backoff(backoff));
        let tree = tree.start().await.unwrap();
        log.take();
        crash(&tree, "b").await;
        assert_eq!(log.take(), "-b -a");
        assert_eq!(state(&tree, "a").await, Some(ChildState::Restarting));
        sleep(11 * SECOND).await;
        assert_eq!(log.take(), "+a +b");
        tree.stop().await;
    });
}

#[test]
fn a_child_that_waits_for_its_restart_can_be_terminated() {
    for_each_seed(|| async {
        let log = Log::default();
        let backoff = Backoff::exponential(10 * SECOND, 10 * SECOND);
        let tree =
            Supervisor::builder(Strategy::OneForOne).child(log.child("a").backoff(backoff)).start().await.unwrap();
        crash(&tree, "a").await;
        tree.terminate_child("a").await.unwrap();
        assert_eq!(state(&tree, "a").await, Some(ChildState::Stopped));
        sleep(60 * SECOND).await;
        assert_eq!(log.take(), "+a -a");
        tree.restart_child("a").await.unwrap();
        tree.stop().await;
    });
}

#[test]
fn a_supervisor_that_waits_for_a_restart_stops_at_once() {
    for_each_seed(|| async {
        let log = Log::default();
        let backoff = Backoff::exponential(3600 * SECOND, 3600 * SECOND);
        let tree =
            Supervisor::builder(Strategy::OneForAll).child(log.child("a")).child(log.child("b").backoff(backoff));
        let tree = tree.start().await.unwrap();
        crash(&tree, "b").await;
        let begun = Instant::now();
        assert!(tree.stop().await.is_clean());
        assert_eq!((begun.elapsed(), &*log.take()), (Duration::ZERO, "+a +b -b -a"));
    });
}

#[test]
fn the_backoff_grows_while_slow_starts_keep_failing() {
    for_each_seed(|| async {
        let attempts = Arc::new(Mutex::new(Vec::new()));
        let (of_child, begun) = (attempts.clone(), Instant::now());
        let connects = ChildSpec::init("connects", move || {
            let attempts = of_child.clone();
            async move {
                attempts.lock().unwrap().push(begun.elapsed());
                if attempts.lock().unwrap().len() > 1 {
                    // Longer than the restart window of 5 s.
                    sleep(10 * SECOND).await;
                    return Err(io::Error::other("connection refused"));
                }
                Ok(async { sleep(SECOND).await })
            }
        });
        let tree = Supervisor::builder(Strategy::OneForOne);
        let tree = tree.child(connects.backoff(Backoff::exponential(SECOND, 1000 * SECOND))).start().await.unwrap();
        sleep(2000 * SECOND).await;
        let attempts = attempts.lock().unwrap().len();
        assert!((5..20).contains(&attempts), "{attempts}");
        tree.stop().await;
    });
}

//! Restarts: strategies, intensity, backoff, automatic shutdown, giving up.
//!
//! Restates the restart parts of Elixir's `supervisor_test.exs` and `dynamic_supervisor_test.exs`.

use std::future::pending;
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cordial::{
    AutoShutdown, Backoff, ChildSpec, ChildState, DeleteError, Exit, Restart, StartError, Strategy, Supervisor, Task,
    TaskSupervisor, process,
};
use futures::StreamExt;
use tokio::time::{Instant, sleep};

use crate::orders::{SECOND, in_every_order};
use crate::tree::{Log, crash, has_given_up, info, pid, settle, state};

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

// V-033, V-034
#[test]
fn too_many_restarts_within_the_window_end_the_supervisor() {
    in_every_order(|| async {
        for allowed in [0, 1, 3] {
            let log = Log::default();
            let tree = Supervisor::builder(Strategy::OneForOne).child(log.child("a")).child(log.child("b")).unlinked();
            let tree = tree.max_restarts(allowed, 5 * SECOND).start().await.unwrap();
            for _ in 0..allowed {
                crash(&tree, "a").await;
            }
            log.take();
            crash(&tree, "b").await;
            assert_eq!(log.take(), "-b -a");
            assert!(has_given_up(&tree.ended().await));
        }
    });
}

#[test]
fn restarts_that_lie_far_enough_apart_go_on_for_ever() {
    in_every_order(|| async {
        let tree = Supervisor::builder(Strategy::OneForOne).child(Log::default().child("a"));
        let tree = tree.max_restarts(1, SECOND).start().await.unwrap();
        for _ in 0..50 {
            crash(&tree, "a").await;
            sleep(SECOND).await;
        }
        assert_eq!(info(&tree, "a").await.unwrap().incarnation, 51);
        tree.stop().await;
    });
}

// V-037
#[test]
fn a_supervisor_that_gave_up_is_restarted_by_its_parent_if_it_is_permanent() {
    in_every_order(|| async {
        for (restart, expected) in [(Restart::Permanent, "-a +a"), (Restart::Transient, "-a")] {
            let log = Log::default();
            let (of_leaf, leaf) = (log.clone(), Arc::new(Mutex::new(None)));
            let of_test = leaf.clone();
            let nested = move || {
                let leaf = leaf.clone();
                let child = of_leaf.child_that("a", move || {
                    let leaf = leaf.clone();
                    async move {
                        *leaf.lock().unwrap() = process::current();
                        pending::<()>().await;
                    }
                });
                Supervisor::builder(Strategy::OneForOne).max_restarts(0, SECOND).child(child)
            };
            let tree = Supervisor::builder(Strategy::OneForOne);
            let tree = tree.child(ChildSpec::supervisor("nested", nested).restart(restart)).start().await.unwrap();
            settle().await;
            log.take();
            let supervision = process::info(pid(&tree, "nested").await).unwrap().supervises.unwrap();
            assert_eq!((supervision.strategy, supervision.n_running), ("one_for_one", 1));
            let leaf = of_test.lock().unwrap().unwrap();
            process::exit(leaf, Exit::Killed);
            settle().await;
            assert_eq!(log.take(), expected, "{restart:?}");
            tree.stop().await;
        }
    });
}

#[test]
fn giving_up_ends_whoever_started_the_supervisor_unless_it_traps() {
    in_every_order(|| async {
        let failing =
            || Supervisor::builder(Strategy::OneForOne).max_restarts(0, SECOND).child(Log::default().child("a"));
        let owner: Task<()> = Task::spawn(async move {
            let tree = failing().start().await.unwrap();
            process::exit(pid(&tree, "a").await, Exit::Killed);
            pending().await
        });
        assert!(has_given_up(&owner.await.unwrap_err()));

        let mut exits = process::trap_exits();
        let tree = failing().start().await.unwrap();
        crash(&tree, "a").await;
        let (from, exit) = exits.next().await.unwrap();
        assert!(from == tree.pid() && has_given_up(&exit), "{exit}");
    });
}

#[test]
fn the_exit_of_a_supervisor_that_gave_up_says_on_whom_and_why() {
    in_every_order(|| async {
        let fails = || ChildSpec::task("poller", || async { Err::<(), _>("no disk") }).restart(Restart::Permanent);
        let tree = Supervisor::builder(Strategy::OneForOne).label("tree").max_restarts(1, SECOND).child(fails());
        let text = "supervisor \"tree\" gave up on child \"poller\", after 1 restart within 1s: no disk";
        assert_eq!(tree.unlinked().start().await.unwrap().ended().await, Exit::Shutdown(Some(text.into())));

        let tasks = TaskSupervisor::builder().unlinked().start();
        tasks.start_child_with(fails()).unwrap();
        let text =
            format!("supervisor {} gave up on child \"poller\", after 3 restarts within 5s: no disk", tasks.pid());
        assert_eq!(tasks.ended().await, Exit::Shutdown(Some(text.into())));
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

// V-039, and backoff
#[test]
fn a_restart_waits_as_its_backoff_says_and_holds_up_nobody() {
    in_every_order(|| async {
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
        // Others are started, restarted and terminated meanwhile.
        let begun = Instant::now();
        crash(&tree, "other").await;
        tree.start_child(log.child("new")).await.unwrap();
        tree.terminate_child("new").await.unwrap();
        assert!(begun.elapsed() < SECOND);
        assert_eq!(log.take(), "-other +other +new -new");
        sleep(9 * SECOND - begun.elapsed()).await;
        assert_eq!(log.take(), "", "10 s at least");
        sleep(11 * SECOND).await;
        assert_eq!(log.take(), "+patient", "20 s at most");
        assert_eq!(info(&tree, "patient").await.unwrap().incarnation, 2);
        tree.stop().await;
    });
}

#[test]
fn backoff_grows_while_a_child_keeps_failing_and_begins_anew_when_it_has_run() {
    in_every_order(|| async {
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
fn one_for_all_stops_the_others_at_once_and_waits_before_it_starts_them() {
    in_every_order(|| async {
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
    in_every_order(|| async {
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
    in_every_order(|| async {
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
fn the_handle_of_a_task_supervisor_is_good_across_its_restarts() {
    in_every_order(|| async {
        let log = Log::default();
        let emails = TaskSupervisor::builder().label("emails").start();
        let (first, noted) = (emails.pid(), crate::tree::Noted::new(&log, "email"));
        emails
            .start_child(async move {
                let _noted = noted;
                pending::<()>().await;
            })
            .unwrap();
        let backoff = Backoff::exponential(SECOND, SECOND);
        let tree = Supervisor::builder(Strategy::OneForOne).child(emails.child_spec().backoff(backoff));
        let tree = tree.start().await.unwrap();
        assert_eq!(
            (pid(&tree, "emails").await, emails.incarnation()),
            (first, 1),
            "the one that runs becomes the child"
        );
        assert_eq!(log.take(), "+email");
        crash(&tree, "emails").await;
        assert_eq!(log.take(), "-email");
        // Between incarnations.
        assert!(matches!(emails.start_child(async {}), Err(StartError::Refused(_))));
        assert!(matches!(emails.spawn(async {}).await, Err(Exit::Refused(_))));
        assert_eq!(emails.ended().await, Exit::Killed);
        sleep(3 * SECOND).await;
        assert_eq!(emails.incarnation(), 2);
        assert_eq!(emails.pid(), pid(&tree, "emails").await);
        assert_eq!(emails.spawn(async { 1 }).await, Ok(1));
        tree.stop().await;
        assert!(emails.start_child(async {}).is_err());
    });
}

// A supervisor handed to two trees
#[test]
fn a_task_supervisor_has_one_parent() {
    in_every_order(|| async {
        let log = Log::default();
        let emails = TaskSupervisor::builder().label("emails").start();
        let first = Supervisor::builder(Strategy::OneForOne).child(emails.child_spec()).start().await.unwrap();
        let second = Supervisor::builder(Strategy::OneForOne).child(log.child("a")).child(emails.child_spec());
        assert_eq!(second.start().await.unwrap_err(), StartError::AlreadySupervised("emails".into()));
        assert_eq!(log.take(), "+a -a");
        assert_eq!(emails.spawn(async { 1 }).await, Ok(1), "the first tree has it");
        first.stop().await;
        // One that has ended can be handed over again, and is started then.
        let third = Supervisor::builder(Strategy::OneForOne).child(emails.child_spec()).start().await.unwrap();
        assert_eq!((emails.spawn(async { 1 }).await, emails.incarnation()), (Ok(1), 2));
        third.stop().await;
    });
}

#[test]
fn one_that_was_handed_over_no_longer_ends_with_its_first_owner() {
    in_every_order(|| async {
        let (send, receive) = tokio::sync::oneshot::channel();
        let owner = Task::spawn(async move {
            let emails = TaskSupervisor::builder().label("emails").start();
            let _ = send.send(emails.clone());
            pending::<()>().await;
        });
        let emails = receive.await.unwrap();
        let tree = Supervisor::builder(Strategy::OneForOne).child(emails.child_spec()).start().await.unwrap();
        drop(owner);
        settle().await;
        assert_eq!((emails.spawn(async { 1 }).await, emails.incarnation()), (Ok(1), 1));
        tree.stop().await;
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

#[test]
fn backoff_grows_while_a_child_is_slow_to_fail_to_start() {
    in_every_order(|| async {
        let attempts = Arc::new(Mutex::new(Vec::new()));
        let (of_child, begun) = (attempts.clone(), Instant::now());
        let connects = ChildSpec::init("connects", move || {
            let attempts = of_child.clone();
            async move {
                attempts.lock().unwrap().push(begun.elapsed());
                if attempts.lock().unwrap().len() > 1 {
                    // Longer than the window of 5 s.
                    sleep(10 * SECOND).await;
                    return Err(io::Error::other("nobody answers"));
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

#[test]
fn one_that_is_handed_over_while_its_owner_ends_keeps_no_other_one_waiting() {
    for seed in 0..200 {
        cordial::testing::run_seeded(seed, async {
            let (send, receive) = tokio::sync::oneshot::channel();
            let owner = Task::spawn(async move {
                // They end latest first.
                let (first, emails) = (TaskSupervisor::start(), TaskSupervisor::builder().label("emails").start());
                let _ = send.send((first, emails));
                pending::<()>().await;
            });
            let (first, emails) = receive.await.unwrap();
            let tree = Supervisor::builder(Strategy::OneForOne).child(emails.child_spec()).unlinked();
            let tree = Task::spawn(tree.start());
            drop(owner);
            let tree = tree.await.unwrap().unwrap();
            first.ended().await;
            settle().await;
            assert_eq!(emails.spawn(async { 1 }).await, Ok(1));
            tree.stop().await;
        });
    }
}

#[test]
fn a_task_supervisor_that_was_deleted_from_a_tree_may_go_to_another() {
    in_every_order(|| async {
        let emails = TaskSupervisor::builder().label("emails").start();
        let first = Supervisor::builder(Strategy::OneForOne).child(emails.child_spec()).start().await.unwrap();
        let second = Supervisor::builder(Strategy::OneForOne).start().await.unwrap();
        first.terminate_child("emails").await.unwrap();
        let taken = StartError::AlreadySupervised("emails".into());
        assert_eq!(second.start_child(emails.child_spec()).await, Err(taken), "it may be started again in the first");
        first.delete_child("emails").await.unwrap();
        second.start_child(emails.child_spec()).await.unwrap();
        assert_eq!(emails.spawn(async { 1 }).await, Ok(1));
        first.stop().await;
        assert_eq!(emails.spawn(async { 1 }).await, Ok(1));
        second.stop().await;
    });
}

//! Code that has seen the exit of a child does not see the child running, however busy its supervisor is.

use std::future::pending;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use cordial::{
    Backoff, ChildSpec, ChildState, DeleteError, Exit, NotFound, Restart, StartError, Strategy, Supervisor, process,
};
use tokio::time::sleep;

use crate::harness::children::{Log, end, info, one_for_one, pid, settle, state};
use crate::harness::limited;
use crate::harness::seeds::{SECOND, for_each_seed};

const MS: Duration = Duration::from_millis(1);

fn child(restart: Restart) -> ChildSpec {
    ChildSpec::task("child", pending::<()>).restart(restart)
}

/// A permanent child that initializes for this long, from its second incarnation on.
fn slow(time: Duration) -> ChildSpec {
    let n_starts = AtomicU32::new(0);
    ChildSpec::init("slow", move || {
        let is_first = n_starts.fetch_add(1, Ordering::SeqCst) == 0;
        async move {
            if !is_first {
                sleep(time).await;
            }
            Ok::<_, io::Error>(pending::<()>())
        }
    })
}

// V-083
#[test]
fn a_child_whose_exit_was_seen_is_not_running() {
    for exit in [Exit::Killed, Exit::Shutdown(None)] {
        for is_busy in [false, true] {
            let exit = exit.clone();
            for_each_seed(move || {
                let exit = exit.clone();
                async move {
                    for restart in [Restart::Permanent, Restart::Transient, Restart::Temporary] {
                        let tree = one_for_one().child(slow(300 * MS)).child(child(restart)).start().await.unwrap();
                        if is_busy {
                            end(pid(&tree, "slow").await, Exit::Killed).await;
                            sleep(MS).await;
                        }
                        let first = pid(&tree, "child").await;
                        end(first, exit.clone()).await;
                        let (seen, counts) = (info(&tree, "child").await, tree.count_children().await);
                        let is_restarted =
                            restart == Restart::Permanent || restart == Restart::Transient && exit == Exit::Killed;
                        match seen {
                            None => assert_eq!(restart, Restart::Temporary),
                            Some(seen) if is_restarted => {
                                assert!(seen.state == ChildState::Restarting || seen.incarnation == 2, "{seen:?}");
                                assert_ne!(seen.pid, Some(first));
                            }
                            Some(seen) => assert_eq!((seen.state, seen.pid), (ChildState::Stopped, None)),
                        }
                        assert_eq!(counts.specs, 1 + usize::from(restart != Restart::Temporary));
                        if is_busy {
                            assert_eq!(counts.active, 0, "one child is restarting, the other has exited");
                        }
                        tree.stop().await;
                    }
                }
            });
        }
    }
}

#[test]
fn an_exit_is_seen_before_it_is_handled_on_threads() {
    let runtime = limited::runtime(2);
    runtime
        .block_on(async {
            let tree = one_for_one().start().await.unwrap();
            for _ in 0..1000 {
                let child = tree.start_child(child(Restart::Temporary)).await.unwrap();
                end(child, Exit::Killed).await;
                assert!(tree.which_children().await.is_empty());
                assert_eq!(tree.count_children().await.specs, 0);
            }
            tree.stop().await;
        })
        .unwrap();
}

// V-084
#[test]
fn calls_come_after_the_exits_that_their_caller_has_seen() {
    for_each_seed(|| async {
        let tree = one_for_one().child(slow(300 * MS)).start().await.unwrap();
        for is_busy in [false, true] {
            if is_busy {
                end(pid(&tree, "slow").await, Exit::Killed).await;
                sleep(MS).await;
            }
            for restart in [Restart::Temporary, Restart::Transient] {
                let first = tree.start_child(child(restart)).await.unwrap();
                end(first, Exit::Shutdown(None)).await;
                match restart {
                    Restart::Temporary => {
                        let second = tree.start_child(child(restart)).await.unwrap();
                        end(second, Exit::Killed).await;
                        assert_eq!(tree.terminate_child("child").await, Err(NotFound));
                    }
                    _ => {
                        assert_eq!(
                            tree.start_child(child(restart)).await,
                            Err(StartError::AlreadyPresent("child".into()))
                        );
                        assert_eq!(tree.delete_child("child").await, Ok(()));
                    }
                }
            }
        }
        let backoff = Backoff::exponential(SECOND, SECOND);
        let first = tree.start_child(child(Restart::Permanent).backoff(backoff)).await.unwrap();
        end(first, Exit::Killed).await;
        assert_eq!(tree.delete_child("child").await, Err(DeleteError::Restarting));
        tree.stop().await;
    });
}

// V-039, V-085
#[test]
fn a_child_whose_restart_is_starting_is_shown_as_restarting_and_not_active() {
    for_each_seed(|| async {
        let tree = one_for_one().child(slow(SECOND)).start().await.unwrap();
        end(pid(&tree, "slow").await, Exit::Killed).await;
        sleep(500 * MS).await;
        let seen = info(&tree, "slow").await.unwrap();
        assert_eq!((seen.state, seen.pid, seen.incarnation), (ChildState::Restarting, None, 2));
        assert_eq!((tree.count_children().await.specs, tree.count_children().await.active), (1, 0));
        sleep(SECOND).await;
        assert_eq!(state(&tree, "slow").await, Some(ChildState::Running));
        assert_eq!(tree.count_children().await.active, 1);
        tree.stop().await;
    });
}

// V-085
#[test]
fn a_child_whose_restart_fails_is_never_shown_as_stopped() {
    for_each_seed(|| async {
        let n_starts = AtomicU32::new(0);
        let fails = ChildSpec::init("fails", move || {
            let is_first = n_starts.fetch_add(1, Ordering::SeqCst) == 0;
            async move { if is_first { Ok(pending::<()>()) } else { Err("no luck") } }
        });
        let fails = fails.backoff(Backoff::exponential(10 * MS, 10 * MS));
        let tree = one_for_one().max_restarts(usize::MAX, SECOND).child(fails).start().await.unwrap();
        end(pid(&tree, "fails").await, Exit::Killed).await;
        for _ in 0..100 {
            cordial::Task::spawn(async {}).await.unwrap();
            assert_eq!(state(&tree, "fails").await, Some(ChildState::Restarting));
            sleep(MS).await;
            assert_eq!(state(&tree, "fails").await, Some(ChildState::Restarting));
        }
        tree.stop().await;
    });
}

// V-086
#[test]
fn a_sibling_that_is_stopped_for_a_restart_is_restarting() {
    for_each_seed(|| async {
        let graceful = ChildSpec::task("graceful", || async {
            cordial::shutdown_requested().await;
            sleep(100 * MS).await;
        });
        let tree = Supervisor::builder(Strategy::OneForAll).child(graceful.restart(Restart::Permanent));
        let tree = tree.child(slow(SECOND)).child(child(Restart::Permanent)).start().await.unwrap();
        let siblings = [pid(&tree, "graceful").await, pid(&tree, "child").await];
        end(pid(&tree, "slow").await, Exit::Killed).await;
        for sibling in siblings.into_iter().rev() {
            process::monitor(sibling).await;
            let id = if sibling == siblings[0] { "graceful" } else { "child" };
            let seen = info(&tree, id).await.unwrap();
            assert!(seen.state == ChildState::Restarting || seen.incarnation == 2, "{seen:?}");
        }
        tree.stop().await;
    });
}

// V-087
#[test]
fn an_init_that_hangs_can_be_terminated() {
    for_each_seed(|| async {
        let tree = one_for_one().child(slow(3600 * SECOND)).child(child(Restart::Permanent)).start().await.unwrap();
        end(pid(&tree, "slow").await, Exit::Killed).await;
        sleep(SECOND).await;
        let begun = tokio::time::Instant::now();
        assert_eq!(tree.terminate_child("child").await, Ok(()), "another child can be terminated meanwhile");
        assert_eq!(tree.terminate_child("slow").await, Ok(()));
        assert_eq!(begun.elapsed(), Duration::ZERO);
        assert_eq!(state(&tree, "slow").await, Some(ChildState::Stopped));
        let starter = tree.clone();
        let hangs = ChildSpec::init("hangs", || async {
            pending::<()>().await;
            Ok::<_, io::Error>(pending::<()>())
        });
        let start = cordial::Task::spawn(async move { starter.start_child(hangs).await });
        sleep(MS).await;
        assert_eq!(state(&tree, "hangs").await, Some(ChildState::Starting));
        assert_eq!(tree.terminate_child("hangs").await, Ok(()));
        let ended = StartError::Child { id: "hangs".into(), exit: Exit::Shutdown(None) };
        assert_eq!(start.await.unwrap(), Err(ended));
        assert_eq!(state(&tree, "hangs").await, None);
        tree.stop().await;
    });
}

// V-088
#[test]
fn an_init_cannot_start_a_sibling_but_may_terminate_and_delete_one() {
    for is_nested in [false, true] {
        for_each_seed(move || async move {
            let tree = one_for_one().child(child(Restart::Permanent)).start().await.unwrap();
            let (handle, n_calls) = (tree.clone(), Arc::new(AtomicU32::new(0)));
            let calls = n_calls.clone();
            let init = move || {
                let (tree, calls) = (handle.clone(), calls.clone());
                let init = move || {
                    let (tree, calls) = (tree.clone(), calls.clone());
                    async move {
                        let sibling = ChildSpec::task("sibling", pending::<()>);
                        let refused = Err(StartError::FromInit("sibling".into()));
                        assert_eq!(tree.start_child(sibling).await, refused);
                        assert_eq!(tree.terminate_child("child").await, Ok(()));
                        let refused = Err(StartError::FromInit("child".into()));
                        assert_eq!(tree.restart_child("child").await, refused);
                        assert_eq!(tree.delete_child("child").await, Ok(()));
                        calls.fetch_add(1, Ordering::SeqCst);
                        Ok::<_, io::Error>(pending::<()>())
                    }
                };
                ChildSpec::init("init", init)
            };
            let spec =
                if is_nested { ChildSpec::supervisor("tree", move || one_for_one().child(init())) } else { init() };
            tree.start_child(spec).await.unwrap();
            assert_eq!(n_calls.load(Ordering::SeqCst), 1);
            assert_eq!(tree.which_children().await.len(), 1);
            tree.stop().await;
        });
    }
}

// V-022, V-089
#[test]
fn the_factory_of_a_temporary_child_is_dropped_once_it_has_started() {
    for_each_seed(|| async {
        let tree = one_for_one().start().await.unwrap();
        let held = Arc::new(());
        let holder = held.clone();
        let worker = ChildSpec::init("worker", move || {
            let _holder = &holder;
            async { Ok::<_, io::Error>(pending::<()>()) }
        });
        let holder = held.clone();
        let nested = ChildSpec::supervisor("nested", move || {
            let _holder = &holder;
            one_for_one()
        });
        tree.start_child(worker.restart(Restart::Temporary)).await.unwrap();
        tree.start_child(nested.restart(Restart::Temporary)).await.unwrap();
        assert_eq!((Arc::strong_count(&held), tree.count_children().await.active), (1, 2));
        tree.stop().await;
    });
}

// V-090
#[test]
fn terminating_the_child_that_holds_up_a_group_starts_the_rest() {
    for_each_seed(|| async {
        let log = Log::default();
        let tree = Supervisor::builder(Strategy::RestForOne).child(slow(3600 * SECOND)).child(log.child("after"));
        let tree = tree.start().await.unwrap();
        end(pid(&tree, "slow").await, Exit::Killed).await;
        settle().await;
        assert_eq!(log.take(), "+after -after");
        assert_eq!(tree.terminate_child("slow").await, Ok(()));
        settle().await;
        assert_eq!(log.take(), "+after");
        assert_eq!(state(&tree, "slow").await, Some(ChildState::Stopped));
        tree.stop().await;
    });
}

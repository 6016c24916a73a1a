//! Restates what OTP's `supervisor_SUITE` checks, as far as no other file does. `docs/cases.md` lists where this library
//! decides otherwise.

use std::future::{Ready, pending};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use cordial::{
    AutoShutdown, Backoff, ChildSpec, ChildState, DeleteError, Exit, NotFound, Pid, Restart, StartError, Strategy,
    Supervisor, SupervisorBuilder, TaskSupervisor, process,
};
use tokio::time::sleep;

use crate::harness::children::{Log, crash, has_given_up, info, numbers, pid, settle, state};
use crate::harness::seeds::{SECOND, for_each_seed};

const HOUR: Duration = Duration::from_secs(3600);
const STRATEGIES: [Strategy; 3] = [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne];

fn supervisor(strategy: Strategy) -> SupervisorBuilder {
    Supervisor::builder(strategy).unlinked().max_restarts(100, SECOND)
}

fn child(id: &'static str, restart: Restart) -> ChildSpec {
    ChildSpec::task(id, pending::<()>).restart(restart)
}

/// A permanent child that starts once, and whose next `n` starts fail because its factory panics.
fn fails(id: &'static str, n: u32) -> ChildSpec {
    let n_starts = AtomicU32::new(0);
    let factory = move || {
        assert!(!(1..=n).contains(&n_starts.fetch_add(1, Ordering::SeqCst)), "no luck");
        pending::<()>()
    };
    ChildSpec::task(id, factory).restart(Restart::Permanent)
}

/// Ends a process, and checks that it ends with this exit.
async fn end(pid: Pid, exit: Exit) {
    process::exit(pid, exit.clone());
    assert_eq!(process::monitor(pid).await, exit);
}

/// The states of a child. The answer of a call depends on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Unknown,
    Running,
    /// A call has terminated it.
    Terminated,
    /// It is transient, and its exit was orderly.
    Ended,
    /// It waits for its backoff.
    Waiting,
    /// Restarts fail again and again.
    Looping,
}

const STATES: [State; 6] =
    [State::Unknown, State::Running, State::Terminated, State::Ended, State::Waiting, State::Looping];

/// A supervisor whose child "x" is in this state.
async fn tree_in(state: State) -> Supervisor {
    let tree = Supervisor::builder(Strategy::OneForOne).unlinked().max_restarts(usize::MAX, SECOND);
    let tree = tree.child(child("other", Restart::Permanent)).start().await.unwrap();
    let spec = match state {
        State::Unknown => return tree,
        State::Running | State::Terminated => child("x", Restart::Permanent),
        State::Ended => child("x", Restart::Transient),
        State::Waiting => child("x", Restart::Permanent).backoff(Backoff::exponential(HOUR, HOUR)),
        State::Looping => fails("x", u32::MAX - 1),
    };
    let pid = tree.start_child(spec).await.unwrap();
    match state {
        State::Unknown | State::Running => {}
        State::Terminated => tree.terminate_child("x").await.unwrap(),
        State::Ended => end(pid, Exit::Shutdown(Some("done".into()))).await,
        State::Waiting | State::Looping => end(pid, Exit::Killed).await,
    }
    tree
}

// V-016, V-018, V-020, V-039, V-084, V-096
#[test]
fn each_call_answers_by_the_state_of_the_child() {
    for at in STATES {
        for_each_seed(move || async move {
            let x = || Arc::<str>::from("x");
            let started = |result: Result<Pid, StartError>| {
                result.map(|_| ()).map_err(|error| match error {
                    StartError::AlreadyStarted { .. } => "started",
                    StartError::AlreadyPresent(_) => "present",
                    StartError::Restarting(_) => "restarting",
                    StartError::NotFound(NotFound) => "not found",
                    other => panic!("{other:?}"),
                })
            };
            let (start, restart, terminate, delete) = match at {
                State::Unknown => (Ok(()), Err("not found"), Err(NotFound), Err(NotFound.into())),
                State::Running => (Err("started"), Err("started"), Ok(()), Err(DeleteError::Running)),
                State::Terminated | State::Ended => (Err("present"), Ok(()), Ok(()), Ok(())),
                State::Waiting | State::Looping => {
                    (Err("restarting"), Err("restarting"), Ok(()), Err(DeleteError::Restarting))
                }
            };
            let (shown, counts) = match at {
                State::Unknown => (None, [1, 1, 0, 1]),
                State::Running => (Some(ChildState::Running), [2, 2, 0, 2]),
                State::Terminated | State::Ended => (Some(ChildState::Stopped), [2, 1, 0, 2]),
                State::Waiting | State::Looping => (Some(ChildState::Restarting), [2, 1, 0, 2]),
            };
            let tree = tree_in(at).await;
            assert_eq!(started(tree.start_child(child("x", Restart::Permanent)).await), start, "{at:?}");
            tree.stop().await;
            let tree = tree_in(at).await;
            assert_eq!(started(tree.restart_child(x()).await), restart, "{at:?}");
            tree.stop().await;
            let tree = tree_in(at).await;
            assert_eq!(tree.delete_child(x()).await, delete, "{at:?}");
            assert_eq!(state(&tree, "x").await, if delete.is_ok() { None } else { shown });
            tree.stop().await;
            let tree = tree_in(at).await;
            assert_eq!((state(&tree, "x").await, numbers(tree.count_children().await)), (shown, counts), "{at:?}");
            let has_pid = info(&tree, "x").await.is_some_and(|child| child.pid.is_some());
            assert_eq!(has_pid, at == State::Running);
            assert_eq!(tree.terminate_child(x()).await, terminate, "{at:?}");
            assert_eq!(tree.terminate_child(x()).await, terminate, "a child without a process can be terminated");
            if terminate.is_ok() {
                assert_eq!(state(&tree, "x").await, Some(ChildState::Stopped));
                assert_eq!(numbers(tree.count_children().await), [2, 1, 0, 2]);
                assert_eq!(tree.delete_child(x()).await, Ok(()));
            }
            assert_eq!(numbers(tree.count_children().await), [1, 1, 0, 1]);
            assert!(tree.start_child(child("x", Restart::Permanent)).await.is_ok(), "{at:?}");
            assert_eq!(numbers(tree.count_children().await), [2, 2, 0, 2]);
            tree.stop().await;
        });
    }
}

/// The exits that end the child of the next test. `None`: a call terminates it.
const ENDS: [Option<Exit>; 4] = [None, Some(Exit::Killed), Some(Exit::Shutdown(None)), Some(Exit::NoProcess)];

// V-022, V-028, V-097
#[test]
fn a_specification_is_kept_unless_the_child_is_temporary() {
    for strategy in STRATEGIES {
        for ended_by in ENDS {
            let ended_by = ended_by.clone();
            for_each_seed(move || {
                let ended_by = ended_by.clone();
                async move {
                    let tree = supervisor(strategy).start().await.unwrap();
                    for restart in [Restart::Permanent, Restart::Transient, Restart::Temporary] {
                        let x = || child("x", restart);
                        let first = tree.start_child(x()).await.unwrap();
                        match &ended_by {
                            None => tree.terminate_child("x").await.unwrap(),
                            Some(exit) => end(first, exit.clone()).await,
                        }
                        let is_abnormal = ended_by.as_ref().is_some_and(Exit::is_abnormal);
                        let is_restarted = ended_by.is_some() && restart == Restart::Permanent
                            || restart == Restart::Transient && is_abnormal;
                        let again = tree.start_child(x()).await;
                        match again {
                            Ok(_) => assert_eq!(restart, Restart::Temporary),
                            Err(StartError::AlreadyStarted { pid, .. }) => assert!(is_restarted && pid != first),
                            Err(StartError::AlreadyPresent(_)) => {
                                assert!(!is_restarted && restart != Restart::Temporary);
                                assert!(tree.restart_child("x").await.is_ok());
                            }
                            Err(other) => panic!("{other:?}"),
                        }
                        assert_eq!(numbers(tree.count_children().await), [1, 1, 0, 1]);
                        tree.terminate_child("x").await.unwrap();
                        assert_eq!(tree.delete_child("x").await.is_ok(), restart != Restart::Temporary);
                        assert_eq!(numbers(tree.count_children().await), [0; 4]);
                    }
                    tree.stop().await;
                }
            });
        }
    }
}

// V-033, V-038, V-069
#[test]
fn a_child_that_cannot_be_restarted_ends_its_supervisor_under_each_strategy() {
    for strategy in STRATEGIES {
        for crashing in ["a", "fails"] {
            for_each_seed(move || async move {
                let log = Log::default();
                let tree = Supervisor::builder(strategy).unlinked().max_restarts(4, HOUR);
                let tree = tree.child(log.child("a")).child(fails("fails", 9)).start().await.unwrap();
                log.take();
                if strategy == Strategy::OneForOne && crashing == "a" {
                    crash(&tree, "fails").await;
                } else {
                    crash(&tree, crashing).await;
                }
                assert!(has_given_up(&tree.ended().await));
                assert!(log.take().ends_with("-a"), "{strategy:?}");
                assert!(tree.which_children().await.is_empty());
            });
        }
    }
}

// V-033, V-036
#[test]
fn the_restart_after_the_last_allowed_one_ends_the_supervisor_under_each_strategy() {
    for strategy in STRATEGIES {
        for_each_seed(move || async move {
            let tree = Supervisor::builder(strategy).unlinked().max_restarts(2, HOUR);
            let tree = tree.child(child("a", Restart::Permanent)).child(child("b", Restart::Permanent));
            let tree = tree.child(child("c", Restart::Permanent)).start().await.unwrap();
            for id in ["b", "c", "a"] {
                assert_eq!(numbers(tree.count_children().await), [3, 3, 0, 3], "{strategy:?}, {id}");
                end(pid(&tree, id).await, Exit::Killed).await;
            }
            assert!(has_given_up(&tree.ended().await));
        });
    }
}

// V-098
#[test]
fn a_restarted_sibling_is_stopped_if_the_next_one_fails_to_start() {
    for (strategy, is_stopped) in [(Strategy::OneForAll, true), (Strategy::RestForOne, false)] {
        for_each_seed(move || async move {
            let (starts, mut started) = tokio::sync::mpsc::unbounded_channel();
            let a = ChildSpec::task("a", move || {
                starts.send(process::monitor(process::current().unwrap())).unwrap();
                pending::<()>()
            });
            let tree = supervisor(strategy).child(a.restart(Restart::Permanent)).child(fails("b", 1));
            let tree = tree.start().await.unwrap();
            end(pid(&tree, "a").await, Exit::from("no luck")).await;
            settle().await;
            assert!(tree.which_children().await.iter().all(|child| child.state == ChildState::Running));
            let mut exits = Vec::new();
            while let Ok(monitor) = started.try_recv() {
                exits.push(monitor);
            }
            assert_eq!(exits.len(), if is_stopped { 3 } else { 2 });
            if is_stopped {
                assert_eq!(exits.swap_remove(1).await, Exit::Shutdown(None));
            }
            tree.stop().await;
        });
    }
}

// V-099
#[test]
fn restarts_that_fail_do_not_hold_up_the_restart_of_another_child() {
    for_each_seed(|| async {
        let tree = supervisor(Strategy::OneForOne).max_restarts(usize::MAX, SECOND);
        let tree = tree.child(fails("a", u32::MAX - 1)).child(child("b", Restart::Permanent)).start().await.unwrap();
        let [a, b] = [pid(&tree, "a").await, pid(&tree, "b").await];
        end(a, Exit::Killed).await;
        end(b, Exit::Killed).await;
        assert_eq!(state(&tree, "b").await, Some(ChildState::Running));
        assert_eq!(state(&tree, "a").await, Some(ChildState::Restarting));
        assert_eq!(numbers(tree.count_children().await), [2, 1, 0, 2]);
        assert!(tree.start_child(child("c", Restart::Permanent)).await.is_ok(), "calls are handled meanwhile");
        assert!(tree.stop().await.is_clean(), "a stop is as well");
        assert_eq!(tree.ended().await, Exit::Normal);
    });
}

// V-097, V-100
#[test]
fn a_nested_supervisor_is_restarted_with_the_children_of_its_builder_only() {
    for_each_seed(|| async {
        let inner = |ids: &'static [&'static str]| {
            move || {
                ids.iter().fold(Supervisor::builder(Strategy::OneForOne).max_restarts(1, HOUR), |builder, id| {
                    builder.child(child(id, Restart::Permanent))
                })
            }
        };
        let tasks = TaskSupervisor::builder().label("tasks").max_restarts(0, SECOND).start();
        let tree = supervisor(Strategy::OneForAll).child(ChildSpec::supervisor("workers", inner(&["a", "b"])));
        let tree = tree.child(tasks.child_spec()).start().await.unwrap();
        assert_eq!(numbers(tree.count_children().await), [2, 2, 2, 0]);
        let [workers, first] = [pid(&tree, "workers").await, pid(&tree, "tasks").await];
        let temporary = tasks.start_child(pending::<()>()).unwrap();
        let permanent = tasks.start_child_with(child("p", Restart::Permanent)).unwrap();
        end(permanent, Exit::Killed).await;
        sleep(SECOND).await;
        assert_eq!(numbers(tree.count_children().await), [2, 2, 2, 0], "both children run again");
        assert!(process::info(temporary).is_none() && process::info(workers).is_none());
        assert!(pid(&tree, "workers").await != workers && pid(&tree, "tasks").await != first);
        assert_eq!((tasks.incarnation(), numbers(tasks.count_children().await)), (2, [0; 4]));
        assert!(process::info(tree.pid()).is_some());
        tree.stop().await;
    });
}

// V-053, V-100
#[test]
fn a_killed_nested_supervisor_is_restarted_with_new_children() {
    for_each_seed(|| async {
        let (starts, mut started) = tokio::sync::mpsc::unbounded_channel();
        let workers = move || {
            let starts = starts.clone();
            let worker = ChildSpec::task("worker", move || {
                starts.send(process::current().unwrap()).unwrap();
                pending::<()>()
            });
            Supervisor::builder(Strategy::OneForAll).child(worker.restart(Restart::Permanent))
        };
        let tree = supervisor(Strategy::OneForAll).child(ChildSpec::supervisor("workers", workers));
        let tree = tree.start().await.unwrap();
        let first = started.recv().await.unwrap();
        end(pid(&tree, "workers").await, Exit::Killed).await;
        assert!(process::info(first).is_none(), "the children of a killed supervisor exit before it");
        assert_eq!(state(&tree, "workers").await, Some(ChildState::Running));
        let second = started.recv().await.unwrap();
        end(second, Exit::Killed).await;
        let third = started.recv().await.unwrap();
        assert!(first != second && second != third);
        end(tree.pid(), Exit::Killed).await;
        assert!(process::info(third).is_none());
    });
}

// V-023, V-045, V-101
#[test]
fn children_keep_their_order_across_restarts() {
    for_each_seed(|| async {
        let log = Log::default();
        let tree = supervisor(Strategy::OneForOne).child(log.child("a")).child(log.child("b")).start().await.unwrap();
        tree.start_child(log.child("c")).await.unwrap();
        crash(&tree, "a").await;
        tree.terminate_child("b").await.unwrap();
        tree.restart_child("b").await.unwrap();
        let ids: Vec<Arc<str>> = tree.which_children().await.into_iter().map(|child| child.id).collect();
        assert_eq!(ids, ["a", "b", "c"].map(Arc::from));
        log.take();
        tree.stop().await;
        assert_eq!(log.take(), "-c -b -a");
    });
}

// V-030, V-044, V-102
#[test]
fn a_significant_child_that_its_supervisor_stops_does_not_shut_it_down() {
    for strategy in [Strategy::OneForAll, Strategy::RestForOne] {
        for auto_shutdown in [AutoShutdown::AnySignificant, AutoShutdown::AllSignificant] {
            for_each_seed(move || async move {
                let tree = supervisor(strategy).auto_shutdown(auto_shutdown).child(child("a", Restart::Permanent));
                let tree = tree.child(child("temporary", Restart::Temporary).significant());
                let tree = tree.child(child("transient", Restart::Transient).significant()).start().await.unwrap();
                end(pid(&tree, "a").await, Exit::Killed).await;
                assert_eq!(numbers(tree.count_children().await), [2, 2, 0, 2]);
                assert_eq!(state(&tree, "temporary").await, None);
                tree.terminate_child("transient").await.unwrap();
                tree.delete_child("transient").await.unwrap();
                settle().await;
                assert!(process::info(tree.pid()).is_some());
                let last = child("last", Restart::Transient).significant();
                let last = tree.start_child(last).await.unwrap();
                end(last, Exit::Killed).await;
                assert_eq!(state(&tree, "last").await, Some(ChildState::Running), "it was restarted");
                end(pid(&tree, "last").await, Exit::Shutdown(None)).await;
                assert_eq!(tree.ended().await, Exit::Shutdown(None));
            });
        }
    }
}

// V-040, V-103
#[test]
fn an_automatic_shutdown_spreads_through_significant_supervisors() {
    for (restart, is_significant) in [
        (Restart::Transient, true),
        (Restart::Temporary, true),
        (Restart::Transient, false),
        (Restart::Temporary, false),
        (Restart::Permanent, false),
    ] {
        for_each_seed(move || async move {
            let (starts, mut started) = tokio::sync::mpsc::unbounded_channel();
            let inner = move || {
                let starts = starts.clone();
                let worker = ChildSpec::task("worker", move || {
                    starts.send(process::current().unwrap()).unwrap();
                    pending::<()>()
                });
                let inner = Supervisor::builder(Strategy::OneForOne).auto_shutdown(AutoShutdown::AnySignificant);
                inner.child(worker.restart(Restart::Temporary).significant())
            };
            let inner = ChildSpec::supervisor("inner", inner).restart(restart);
            let inner = if is_significant { inner.significant() } else { inner };
            let tree = supervisor(Strategy::OneForOne).auto_shutdown(AutoShutdown::AnySignificant);
            let tree = tree.child(child("other", Restart::Permanent)).child(inner).start().await.unwrap();
            end(started.recv().await.unwrap(), Exit::Killed).await;
            settle().await;
            if is_significant {
                assert_eq!(tree.ended().await, Exit::Shutdown(None));
                return;
            }
            let of_inner = match restart {
                Restart::Permanent => Some(ChildState::Running),
                Restart::Transient => Some(ChildState::Stopped),
                _ => None,
            };
            assert_eq!(
                (state(&tree, "inner").await, state(&tree, "other").await),
                (of_inner, Some(ChildState::Running))
            );
            tree.stop().await;
        });
    }
}

// V-062, V-104
#[test]
fn a_thousand_temporary_children_are_counted_and_gone_when_they_have_exited() {
    for_each_seed(|| async {
        let tasks = TaskSupervisor::start();
        let children: Vec<Pid> = (0..1000).map(|_| tasks.start_child(pending::<()>()).unwrap()).collect();
        assert_eq!((tasks.children().len(), numbers(tasks.count_children().await)), (1000, [1000, 1000, 0, 1000]));
        let (killed, terminated) = children.split_at(500);
        for (n, pid) in killed.iter().enumerate() {
            end(*pid, Exit::Killed).await;
            assert_eq!(tasks.children().len(), 999 - n);
        }
        for pid in terminated {
            assert_eq!(tasks.terminate_child(*pid).await, Ok(()));
            assert_eq!(tasks.terminate_child(*pid).await, Err(NotFound));
        }
        assert_eq!((tasks.children(), numbers(tasks.count_children().await)), (vec![], [0; 4]));
        let no_child = cordial::Task::spawn(pending::<()>());
        assert_eq!(tasks.terminate_child(no_child.pid()).await, Err(NotFound));
        assert!(process::info(no_child.pid()).is_some());
    });
}

// V-008, V-105
#[test]
fn a_supervisor_whose_child_fails_to_start_ends_with_a_shutdown_that_says_why() {
    for_each_seed(|| async {
        let bad = || ChildSpec::task("bad", || -> Ready<()> { panic!("no luck") });
        let outer = supervisor(Strategy::OneForOne);
        let inner = move || Supervisor::builder(Strategy::OneForOne).child(child("a", Restart::Permanent)).child(bad());
        match outer.child(ChildSpec::supervisor("inner", inner)).start().await.unwrap_err() {
            StartError::Child { id, exit: Exit::Shutdown(Some(why)) } => {
                assert!(&*id == "inner" && why.contains("bad") && why.contains("no luck"), "{why}");
            }
            other => panic!("{other:?}"),
        }
    });
}

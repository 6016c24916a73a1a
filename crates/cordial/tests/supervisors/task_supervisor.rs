//! Tasks under a task supervisor.
//!
//! Restates Elixir's `task/supervisor_test.exs`, and the parts of `dynamic_supervisor_test.exs` that apply to tasks.

use std::future::pending;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use cordial::{
    AutoShutdown, Backoff, ChildSpec, Exit, Refusal, Restart, Shutdown, StartError, Strategy, Supervisor, Task,
    TaskSupervisor, Timeout, process,
};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use crate::harness::children::{Log, LogGuard, exits_late, has_given_up, settle};
use crate::harness::exit_kind::{ExitKind, error};
use crate::harness::limited;
use crate::harness::seeds::{SECOND, for_each_seed};

const FULL: StartError = StartError::Refused(Refusal::SupervisorFull);
const STOPPED: StartError = StartError::Refused(Refusal::SupervisorStopped);

// S-005, S-006, S-007, S-039, V-079
#[test]
fn children_lists_the_running_tasks() {
    for_each_seed(|| async {
        let tasks = TaskSupervisor::start();
        assert!(tasks.children().is_empty());
        let a = tasks.start_child(pending::<()>()).unwrap();
        let b = tasks.spawn_nolink(sleep(SECOND));
        let mut children = tasks.children();
        children.sort();
        let mut expected = [a, b.pid()];
        expected.sort();
        assert_eq!(children, expected);
        assert_eq!(b.await, Ok(()));
        assert_eq!(tasks.children(), [a]);
        assert_eq!(tasks.terminate_child(a).await, Ok(()));
        assert!(process::info(a).is_none() && tasks.children().is_empty());
        assert!(tasks.terminate_child(a).await.is_err());
        assert!(tasks.terminate_child(process::current().unwrap()).await.is_err(), "not a child of this supervisor");
    });
}

// S-011, S-016, S-023, S-036, V-061
#[test]
fn a_full_supervisor_refuses_children_until_one_has_exited() {
    for_each_seed(|| async {
        let none = TaskSupervisor::builder().max_children(0).start();
        assert_eq!(none.start_child(async {}), Err(FULL));
        let one = TaskSupervisor::builder().max_children(1).start();
        let (release, released) = oneshot::channel::<()>();
        let first = one.spawn(async move { released.await.is_ok() });
        assert_eq!(one.start_child(async {}), Err(FULL));
        assert_eq!(one.start_child_with(ChildSpec::task("a", || async {})), Err(FULL));
        for task in [one.spawn(async {}), one.spawn_link(async {}), one.spawn_nolink(async {})] {
            assert_eq!(task.await, Err(Exit::Refused(Refusal::SupervisorFull)));
        }
        let end = process::monitor(first.pid());
        release.send(()).unwrap();
        assert_eq!(end.await, Exit::Normal);
        assert_eq!(one.spawn(async { 2 }).await, Ok(2));
        let child = one.start_child(pending::<()>()).unwrap();
        one.terminate_child(child).await.unwrap();
        assert!(one.start_child(async {}).is_ok());
    });
}

#[test]
fn start_child_when_room_waits_in_line_and_fails_when_the_supervisor_stops() {
    for_each_seed(|| async {
        let log = Log::default();
        let one = TaskSupervisor::builder().max_children(1).start();
        let begun = Instant::now();
        let waiting: Vec<_> = ["a", "b", "c"]
            .into_iter()
            .map(|id| {
                let log = log.clone();
                one.start_child_when_room(async move {
                    let _guard = LogGuard::new(&log, id);
                    sleep(SECOND).await;
                })
            })
            .collect();
        for started in futures::future::join_all(waiting).await {
            started.unwrap();
        }
        assert_eq!(begun.elapsed(), 2 * SECOND);
        settle().await;
        assert_eq!(log.take(), "+a -a +b -b +c");
        // A dropped call leaves the queue.
        let dropped = one.start_child_when_room(async {});
        assert!(tokio::time::timeout(SECOND / 2, dropped).await.is_err());
        one.start_child_when_room(pending::<()>()).await.unwrap();
        let stopper = one.clone();
        let waits = Task::spawn(async move { one.start_child_when_room(async {}).await });
        settle().await;
        stopper.stop().await;
        assert_eq!(waits.await.unwrap(), Err(STOPPED));
    });
}

// S-012, S-037, S-053
#[test]
fn callers_are_the_spawning_processes_and_the_supervisor_is_separate() {
    for_each_seed(|| async {
        let own = process::current().unwrap();
        let tasks = TaskSupervisor::start();
        let inner = tasks.clone();
        let outer = tasks.spawn(async move {
            let callers = inner.spawn(async { process::callers() }).await.unwrap();
            (callers, process::info(process::current().unwrap()).unwrap().supervisor)
        });
        let outer_pid = outer.pid();
        assert_eq!(outer.await.unwrap(), (vec![outer_pid, own], Some(tasks.pid())));
        let supervisor = process::info(tasks.pid()).unwrap();
        assert_eq!(supervisor.owner, Some(own));
    });
}

// S-018, S-019, S-024, S-027, S-028, T-047
#[test]
fn spawn_spawn_link_and_spawn_nolink_differ_in_their_links() {
    for_each_seed(|| async {
        let tasks = TaskSupervisor::start();
        // A crash is returned by the await.
        for kind in ExitKind::all().into_iter().filter(|kind| !matches!(kind, ExitKind::Returns)) {
            for spawn in [TaskSupervisor::spawn, TaskSupervisor::spawn_nolink] {
                let how = kind.clone();
                let task =
                    spawn(&tasks, Box::pin(async move { how.perform().await }) as futures::future::BoxFuture<'_, _>);
                let exit = task.await.unwrap_err();
                assert!(kind.matches(&exit), "{kind:?}: {exit:?}");
            }
        }
        // A link is two-way.
        let linked = tasks.clone();
        let owner: Task<()> = Task::spawn(async move {
            let _task: Task<()> = linked.spawn_link(async { cordial::exit(error("no disk")).await });
            pending().await
        });
        assert_eq!(owner.await, Err(error("no disk")));
        // Dropping the handle ends a task of `spawn`, and not one of `spawn_nolink`.
        let (owned, unlinked) = (tasks.spawn(pending::<()>()), tasks.spawn_nolink(pending::<()>()));
        let (owned_pid, unlinked_pid) = (owned.pid(), unlinked.pid());
        drop((owned, unlinked));
        settle().await;
        assert!(process::info(owned_pid).is_none() && process::info(unlinked_pid).is_some());
        let late = tasks.spawn_nolink(pending::<()>());
        let pid = late.pid();
        assert!(matches!(late.timeout(SECOND).await, Err(Exit::Timeout(_))));
        assert!(process::info(pid).is_some(), "a timeout does not end a task of `spawn_nolink`");
        // All tasks end with the supervisor.
        let task = tasks.spawn_nolink(pending::<()>());
        tasks.stop().await;
        assert_eq!(task.await, Err(Exit::Shutdown(None)));
        assert!(process::info(unlinked_pid).is_none());
    });
}

// S-010, S-015, S-031, S-041, S-042, V-072, V-073, V-074, V-075, V-076, V-077, V-078
#[test]
fn a_stop_shuts_all_tasks_down_in_parallel_each_with_its_own_grace_time() {
    for_each_seed(|| async {
        let log = Log::default();
        let tasks = TaskSupervisor::builder().shutdown(3 * SECOND).start();
        let logged = |id, work: futures::future::BoxFuture<'static, ()>| {
            let guard = LogGuard::new(&log, id);
            async move {
                let _guard = guard;
                work.await;
            }
        };
        for _ in 0..10 {
            tasks.start_child(logged("quick", Box::pin(exits_late(2 * SECOND)))).unwrap();
            tasks.start_child(logged("waits", Box::pin(pending()))).unwrap();
        }
        let slow = tasks.start_child(logged("slow", Box::pin(exits_late(60 * SECOND)))).unwrap();
        let spec =
            |id, time: Duration, shutdown: Shutdown| log.child_that(id, move || exits_late(time)).shutdown(shutdown);
        tasks.start_child_with(spec("brutal", 60 * SECOND, Shutdown::BrutalKill)).unwrap();
        tasks.start_child_with(spec("patient", 7 * SECOND, Shutdown::Infinity)).unwrap();
        let hasty = tasks.start_child_with(spec("hasty", 60 * SECOND, SECOND.into())).unwrap();
        settle().await;
        assert_eq!(tasks.children().len(), 24);
        let begun = Instant::now();
        let report = tasks.stop().await;
        assert_eq!(begun.elapsed(), 7 * SECOND, "the children are shut down in parallel");
        let mut killed: Vec<_> = report.killed.iter().map(|stopped| stopped.pid).collect();
        killed.sort();
        let mut expected = [slow, hasty];
        expected.sort();
        assert_eq!(killed, expected);
        assert!(report.abandoned.is_empty());
        assert_eq!(tasks.ended().await, Exit::Normal);
        let log = log.take();
        let ends: Vec<_> = log.split(' ').filter(|what| what.starts_with('-')).collect();
        assert_eq!(ends.len(), 24);
        assert!(ends[..11].iter().all(|end| ["-waits", "-brutal"].contains(end)), "{ends:?}");
        assert_eq!((ends[11], ends[22], ends[23]), ("-hasty", "-slow", "-patient"));
        assert_eq!(tasks.start_child(async {}), Err(STOPPED));
        assert_eq!(tasks.spawn(async {}).await, Err(Exit::Refused(Refusal::SupervisorStopped)));
        assert!(tasks.children().is_empty());
    });
}

#[test]
fn calls_between_two_incarnations_are_refused_as_restarting() {
    for_each_seed(|| async {
        let restarting = StartError::Refused(Refusal::SupervisorRestarting);
        let tasks = TaskSupervisor::builder().label("tasks").max_children(10).shutdown(10 * SECOND).start();
        let spec = tasks.child_spec().backoff(Backoff::exponential(10 * SECOND, 10 * SECOND));
        let tree = Supervisor::builder(Strategy::OneForOne).child(spec).start().await.unwrap();
        tasks.start_child(exits_late(5 * SECOND)).unwrap();
        settle().await;
        let stopper = tasks.clone();
        let stop = Task::spawn(async move { stopper.stop().await }).timeout(Timeout::Infinity);
        for moment in ["during its stop", "during its backoff"] {
            sleep(SECOND).await;
            assert_eq!(tasks.start_child(async {}), Err(restarting.clone()), "{moment}");
            assert_eq!(tasks.start_child_when_room(async {}).await, Err(restarting.clone()), "{moment}");
            let spec = ChildSpec::task("child", || async {});
            assert_eq!(tasks.start_child_with(spec), Err(restarting.clone()), "{moment}");
            let refused = Exit::Refused(Refusal::SupervisorRestarting);
            assert_eq!(tasks.spawn(async {}).await, Err(refused.clone()), "{moment}");
            assert_eq!(tasks.async_stream([1], |_| async {}).collect().await, [Err(refused)], "{moment}");
            sleep(5 * SECOND).await;
        }
        assert!(stop.await.unwrap().is_clean());
        sleep(20 * SECOND).await;
        assert_eq!(tasks.incarnation(), 2);
        tasks.start_child(async {}).unwrap();

        tree.terminate_child("tasks").await.unwrap();
        assert_eq!(tasks.start_child(async {}), Err(STOPPED), "a terminated child is restarted only by a call");
        tree.restart_child("tasks").await.unwrap();
        tasks.start_child(exits_late(5 * SECOND)).unwrap();
        settle().await;
        let stopper = tree.clone();
        let stop = Task::spawn(async move { stopper.stop().await });
        sleep(SECOND).await;
        assert_eq!(tasks.start_child(async {}), Err(STOPPED), "the task supervisor stops with its parent");
        assert!(stop.timeout(Timeout::Infinity).await.unwrap().is_clean());
        assert_eq!(tasks.start_child(async {}), Err(STOPPED), "the parent is gone");
    });
}

// S-040, S-044
#[test]
fn terminating_a_child_waits_for_its_grace_time_without_blocking_other_calls() {
    for_each_seed(|| async {
        let tasks = TaskSupervisor::builder().shutdown(3 * SECOND).start();
        let child = tasks.start_child(exits_late(60 * SECOND)).unwrap();
        settle().await;
        let begun = Instant::now();
        let terminator = tasks.clone();
        let terminated = Task::spawn(async move { terminator.terminate_child(child).await });
        sleep(SECOND).await;
        assert_eq!(tasks.spawn(async { 1 }).await, Ok(1));
        assert_eq!(terminated.await.unwrap(), Ok(()));
        assert_eq!(begun.elapsed(), 3 * SECOND);
        assert!(process::info(child).is_none());
    });
}

/// Starts a child whose first incarnation exits in this way, under a task supervisor. Returns the
/// number of its runs.
async fn runs(restart: Restart, kind: ExitKind) -> u32 {
    let n_runs = Arc::new(AtomicU32::new(0));
    let counted = n_runs.clone();
    let child = ChildSpec::task("child", move || {
        let is_first = counted.fetch_add(1, Ordering::SeqCst) == 0;
        let kind = kind.clone();
        async move { if is_first { kind.perform().await } else { pending().await } }
    });
    let tasks = TaskSupervisor::start();
    tasks.start_child_with(child.restart(restart)).unwrap();
    sleep(SECOND).await;
    assert_eq!(tasks.children().len(), usize::try_from(n_runs.load(Ordering::SeqCst)).unwrap() - 1);
    tasks.stop().await;
    n_runs.load(Ordering::SeqCst)
}

// S-032, S-033, S-034, V-062, V-063, V-064
#[test]
fn restart_kind_and_exit_decide_whether_a_child_is_restarted() {
    for_each_seed(|| async {
        for kind in ExitKind::all() {
            assert_eq!(runs(Restart::Temporary, kind.clone()).await, 1, "{kind:?}");
            assert_eq!(runs(Restart::Permanent, kind.clone()).await, 2, "{kind:?}");
            assert_eq!(runs(Restart::Transient, kind.clone()).await, 1 + u32::from(kind.is_abnormal()), "{kind:?}");
        }
    });
}

// S-038
#[test]
fn a_restarted_child_has_the_callers_of_its_first_incarnation() {
    for_each_seed(|| async {
        let tasks = TaskSupervisor::builder().unlinked().start();
        let (send, mut receive) = tokio::sync::mpsc::unbounded_channel();
        let starter = tasks.clone();
        let task = Task::spawn(async move {
            let child = ChildSpec::task("child", move || {
                let send = send.clone();
                async move {
                    let own = process::info(process::current().unwrap()).unwrap();
                    send.send((own.callers, own.incarnation, own.label)).unwrap();
                    panic!("no luck");
                }
            });
            starter.start_child_with(child.restart(Restart::Transient)).unwrap();
        });
        let own = process::current().unwrap();
        let caller = task.pid();
        task.await.unwrap();
        for incarnation in 1..=4 {
            let (callers, number, label) = receive.recv().await.unwrap();
            assert_eq!((callers, number, label.as_deref()), (vec![caller, own], incarnation, Some("child")));
        }
        // The fourth crash is one too many.
        assert!(has_given_up(&tasks.ended().await));
    });
}

// V-069, V-070
#[test]
fn too_many_restarts_end_the_supervisor_and_its_owner() {
    for_each_seed(|| async {
        let owner: Task<()> = Task::spawn(async {
            let tasks = TaskSupervisor::builder().max_restarts(2, SECOND).start();
            tasks.start_child(pending::<()>()).unwrap();
            let crashes = ChildSpec::task("crashes", || async { Err::<(), _>("no luck") });
            tasks.start_child_with(crashes.restart(Restart::Permanent)).unwrap();
            pending().await
        });
        assert!(has_given_up(&owner.await.unwrap_err()));
    });
}

// V-065, V-066, V-067, V-080, V-081
#[test]
fn a_child_that_waits_for_its_restart_counts_for_max_children_and_can_be_terminated() {
    for_each_seed(|| async {
        let tasks = TaskSupervisor::builder().max_children(1).start();
        let log = Log::default();
        let backoff = Backoff::exponential(10 * SECOND, 10 * SECOND);
        let child = tasks.start_child_with(log.child("a").backoff(backoff)).unwrap();
        settle().await;
        process::exit(child, Exit::Killed);
        settle().await;
        assert!(tasks.children().is_empty());
        assert_eq!(tasks.start_child(async {}), Err(FULL));
        sleep(20 * SECOND).await;
        let again = tasks.children();
        assert_eq!((again.len(), &*log.take()), (1, "+a -a +a"));
        process::exit(again[0], Exit::Killed);
        settle().await;
        assert_eq!(
            tasks.terminate_child(again[0]).await,
            Ok(()),
            "a child that waits for its restart has its last pid"
        );
        assert!(tasks.start_child(async {}).is_ok());
        sleep(60 * SECOND).await;
        assert_eq!(log.take(), "-a");
        let permanent = tasks.start_child_with(log.child("b")).unwrap();
        tasks.terminate_child(permanent).await.unwrap();
        sleep(60 * SECOND).await;
        assert!(tasks.children().is_empty(), "a child that was terminated is not started again");
    });
}

// V-059
#[test]
fn a_child_that_cannot_be_started_is_refused_with_a_reason() {
    for_each_seed(|| async {
        let tasks = TaskSupervisor::builder().max_children(1).start();
        let nested = ChildSpec::supervisor("tree", || {
            Supervisor::builder(Strategy::OneForOne).auto_shutdown(AutoShutdown::Never)
        });
        assert_eq!(tasks.start_child_with(nested), Err(StartError::NotATask("tree".into())));
        let significant = ChildSpec::task("a", || async {}).significant();
        assert_eq!(tasks.start_child_with(significant), Err(StartError::SignificantNever("a".into())));
        let permanent = ChildSpec::task("a", || async {}).restart(Restart::Permanent).significant();
        assert_eq!(tasks.start_child_with(permanent), Err(StartError::SignificantPermanent("a".into())));
        assert!(tasks.start_child(async {}).is_ok(), "a refused child does not count for max_children");
    });
}

#[test]
fn an_init_child_that_fails_exits_with_its_error() {
    for_each_seed(|| async {
        let tasks = TaskSupervisor::start();
        let bad = ChildSpec::init("bad", || async { Err::<std::future::Ready<()>, _>(io::Error::other("no disk")) });
        let pid = tasks.start_child_with(bad.restart(Restart::Temporary)).unwrap();
        assert_eq!(process::monitor(pid).await, error("no disk"));
    });
}

#[test]
fn after_a_shutdown_of_the_runtime_every_start_is_refused() {
    let runtime = limited::runtime(1);
    let tasks = runtime.block_on(async { TaskSupervisor::builder().unlinked().start() }).unwrap();
    runtime.shutdown(SECOND);
    assert!(matches!(tasks.start_child(async {}), Err(StartError::Refused(_))));
    assert!(matches!(tasks.spawn(async {}).wait(), Err(Exit::Refused(_))));
}

/// On the real scheduler: no child that is started concurrently is lost, and a concurrent stop leaves none.
#[test]
fn many_threads_can_start_children_while_the_supervisor_stops() {
    const N: usize = 25_000;
    let runtime = limited::runtime(2);
    for stops_early in [false, true] {
        // The default grace time of 5 s may be too short for so many children on a slow machine.
        let start = async { TaskSupervisor::builder().unlinked().shutdown(Shutdown::Infinity).start() };
        let tasks = runtime.block_on(start).unwrap();
        let n_started: usize = std::thread::scope(|scope| {
            let start = || (0..N).filter(|_| tasks.start_child(pending::<()>()).is_ok()).count();
            let starters: Vec<_> = (0..4).map(|_| scope.spawn(start)).collect();
            if stops_early {
                while tasks.children().is_empty() {
                    std::thread::yield_now();
                }
                futures::executor::block_on(tasks.stop());
            }
            starters.into_iter().map(|starter| starter.join().unwrap()).sum()
        });
        if !stops_early {
            assert_eq!(n_started, 4 * N);
            let mut children = tasks.children();
            children.sort();
            children.dedup();
            assert_eq!(children.len(), 4 * N);
            assert_eq!(runtime.snapshot().processes.len(), 4 * N + 1);
            assert!(futures::executor::block_on(tasks.stop()).is_clean());
        }
        assert!(tasks.children().is_empty() && runtime.snapshot().processes.is_empty());
    }
}

#[test]
fn a_cancelled_restart_does_not_restart_another_child_early() {
    for_each_seed(|| async {
        let tasks = TaskSupervisor::builder().max_restarts(9, SECOND).start();
        let waits = |time| Backoff::exponential(time, time);
        let crashes = ChildSpec::task("first", || async { panic!("no luck") }).restart(Restart::Permanent);
        let first = tasks.start_child_with(crashes.backoff(waits(60 * SECOND))).unwrap();
        sleep(SECOND).await;
        tasks.terminate_child(first).await.unwrap();
        let (send, mut starts) = tokio::sync::mpsc::unbounded_channel();
        let second = ChildSpec::task("second", move || {
            let _ = send.send(());
            async {
                sleep(SECOND).await;
                panic!("no luck");
            }
        });
        tasks.start_child_with(second.restart(Restart::Permanent).backoff(waits(600 * SECOND))).unwrap();
        sleep(300 * SECOND).await;
        assert_eq!((starts.try_recv().is_ok(), starts.try_recv().is_ok()), (true, false));
        tasks.stop().await;
    });
}

#[test]
fn children_started_while_their_supervisor_restarts_belong_to_it() {
    let runtime = limited::runtime(2);
    runtime
        .block_on(async {
            let tasks = TaskSupervisor::builder().label("tasks").start();
            let tree = Supervisor::builder(Strategy::OneForOne).max_restarts(usize::MAX, SECOND);
            let tree = tree.child(tasks.child_spec()).start().await.unwrap();
            let of_starter = tasks.clone();
            let starter = Task::spawn(async move {
                for _ in 0..20_000 {
                    assert_ne!(of_starter.pid().to_string(), "<0.0.0>");
                    let child = ChildSpec::task("child", pending::<()>).restart(Restart::Transient);
                    let Ok(child) = of_starter.start_child_with(child) else { continue };
                    if let Some(supervisor) = process::info(child).and_then(|info| info.supervisor) {
                        assert_ne!(supervisor.to_string(), "<0.0.0>");
                    }
                }
            });
            let mut starter = starter.timeout(600 * SECOND);
            while starter.yield_for(Duration::from_micros(100)).await.is_none_or(|ended| {
                ended.unwrap();
                false
            }) {
                process::exit(tasks.pid(), Exit::Killed);
            }
            tree.stop().await;
        })
        .unwrap();
}

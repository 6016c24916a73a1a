//! Children of a task supervisor that have a factory.

use std::future::{Ready, pending};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use cordial::{Backoff, ChildSpec, Exit, NotFound, Pid, Restart, Strategy, Supervisor, TaskSupervisor, process};
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::harness::children::settle;
use crate::harness::exit_kind::error;
use crate::harness::seeds::{SECOND, for_each_seed};

const MINUTE: Duration = Duration::from_secs(60);

/// A permanent child whose factory panics, or whose `init` fails, in each incarnation but the first. Restarts wait for a minute.
fn fails_to_restart(is_init: bool) -> ChildSpec {
    let n_starts = Arc::new(AtomicU32::new(0));
    let is_first = move || n_starts.fetch_add(1, Ordering::SeqCst) == 0;
    let spec = if is_init {
        ChildSpec::init("fails", move || {
            let is_first = is_first();
            async move { if is_first { Ok(pending::<()>()) } else { Err("no luck") } }
        })
    } else {
        ChildSpec::task("fails", move || {
            assert!(is_first(), "no luck");
            pending::<()>()
        })
    };
    spec.restart(Restart::Permanent).backoff(Backoff::exponential(MINUTE, MINUTE))
}

async fn kill(pid: Pid) {
    process::exit(pid, Exit::Killed);
    process::monitor(pid).await;
}

// V-065, V-080, V-092
#[test]
fn a_child_whose_restart_has_failed_is_terminated_by_the_last_pid_that_was_known() {
    for is_init in [false, true] {
        for n_failures in [0, 1, 3] {
            for_each_seed(move || async move {
                let tasks = TaskSupervisor::builder().max_children(1).max_restarts(9, SECOND).start();
                let first = tasks.start_child_with(fails_to_restart(is_init)).unwrap();
                settle().await;
                kill(first).await;
                sleep(MINUTE * n_failures + MINUTE / 2).await;
                assert!(tasks.children().is_empty());
                let waiting = tasks.waiting_children();
                assert_eq!(waiting.len(), 1);
                assert_eq!((&*waiting[0].id, waiting[0].last_pid), ("fails", first));
                let counts = tasks.count_children().await;
                assert_eq!((counts.specs, counts.active, counts.workers, counts.supervisors), (1, 0, 1, 0));
                assert!(tasks.start_child(async {}).is_err(), "the child that waits counts for the limit");
                assert_eq!(tasks.terminate_child(first).await, Ok(()));
                assert_eq!(tasks.terminate_child(first).await, Err(NotFound));
                assert_eq!((tasks.count_children().await.specs, tasks.waiting_children()), (0, vec![]));
                assert!(tasks.start_child(async {}).is_ok());
            });
        }
    }
}

// V-092, V-095
#[test]
fn a_child_whose_restart_hangs_is_not_active_and_is_terminated_by_the_last_pid_that_was_known() {
    for_each_seed(|| async {
        let (starts, mut started) = mpsc::unbounded_channel();
        let mut n_starts = 0;
        let hangs = ChildSpec::init("hangs", move || {
            n_starts += 1;
            starts.send(process::current().unwrap()).unwrap();
            let is_first = n_starts == 1;
            async move {
                if !is_first {
                    pending::<()>().await;
                }
                Ok::<_, std::io::Error>(pending::<()>())
            }
        });
        let tasks = TaskSupervisor::start();
        let first = tasks.start_child_with(hangs).unwrap();
        assert_eq!((started.recv().await, tasks.children()), (Some(first), vec![first]));
        kill(first).await;
        let counts = tasks.count_children().await;
        let second = started.recv().await.unwrap();
        assert_ne!(first, second);
        assert_eq!((counts.specs, counts.active, counts.workers, tasks.children()), (1, 0, 1, vec![]));
        assert_eq!(tasks.waiting_children()[0].last_pid, first);
        assert_eq!(tasks.terminate_child(first).await, Ok(()));
        assert!(process::info(second).is_none() && tasks.waiting_children().is_empty());
    });
}

#[test]
fn the_pid_of_an_incarnation_that_was_replaced_names_no_child() {
    for_each_seed(|| async {
        let tasks = TaskSupervisor::start();
        let spec = ChildSpec::task("child", pending::<()>).restart(Restart::Permanent);
        let first = tasks.start_child_with(spec).unwrap();
        // Before its first poll.
        kill(first).await;
        settle().await;
        assert_eq!(tasks.terminate_child(first).await, Err(NotFound));
        assert_eq!(tasks.children().len(), 1);
    });
}

// V-089
#[test]
fn the_factory_of_a_temporary_child_is_dropped_while_the_child_runs() {
    for_each_seed(|| async {
        let tasks = TaskSupervisor::start();
        for restart in [Restart::Temporary, Restart::Transient] {
            let held = Arc::new(());
            let holder = held.clone();
            let spec = ChildSpec::task("child", move || {
                let _holder = &holder;
                pending::<()>()
            });
            let child = tasks.start_child_with(spec.restart(restart)).unwrap();
            settle().await;
            assert_eq!(Arc::strong_count(&held), if restart == Restart::Temporary { 1 } else { 2 });
            tasks.terminate_child(child).await.unwrap();
            assert_eq!(Arc::strong_count(&held), 1);
        }
    });
}

// V-059, V-093
#[test]
fn each_factory_call_runs_in_the_process_of_the_child() {
    for_each_seed(|| async {
        let tasks = TaskSupervisor::start();
        let own = process::current().unwrap();
        let (calls, mut called) = mpsc::unbounded_channel();
        let spec = ChildSpec::task("child", move || {
            let exits = process::trap_exits();
            calls.send((process::current(), process::callers())).unwrap();
            async move {
                let _exits = exits;
                pending::<()>().await;
            }
        });
        let first = tasks.start_child_with(spec.restart(Restart::Permanent)).unwrap();
        assert_eq!(called.recv().await.unwrap(), (Some(first), vec![own]));
        kill(first).await;
        let (second, callers) = called.recv().await.unwrap();
        assert_ne!(second, Some(first));
        assert_eq!(callers, [own]);
        assert!(!process::info(own).unwrap().traps_exits, "the factory has not changed its caller");
    });
}

// V-060
#[test]
fn a_child_whose_factory_panics_at_its_first_start_is_not_kept() {
    for restart in [Restart::Permanent, Restart::Transient, Restart::Temporary] {
        for_each_seed(move || async move {
            let tasks = TaskSupervisor::builder().max_children(1).start();
            let panics = ChildSpec::task("bad", || -> Ready<()> { panic!("no luck") });
            let child = tasks.start_child_with(panics.restart(restart)).unwrap();
            let exit = process::monitor(child).await;
            assert!(matches!(&exit, Exit::Panic(report) if report.message() == "no luck"), "{exit}");
            settle().await;
            assert_eq!((tasks.count_children().await.specs, tasks.waiting_children()), (0, vec![]));
            assert!(tasks.start_child(async {}).is_ok(), "the supervisor is alive, and the child does not count");
        });
    }
}

// V-060
#[test]
fn a_child_that_calls_exit_at_its_first_start_is_not_kept() {
    for exit in [Exit::Normal, Exit::Shutdown(None), Exit::from("no luck")] {
        for_each_seed(move || {
            let exit = exit.clone();
            async move {
                let tasks = TaskSupervisor::builder().max_children(1).start();
                let reason = exit.clone();
                let exits = ChildSpec::init("exits", move || {
                    let reason = reason.clone();
                    async move {
                        match std::hint::black_box(true) {
                            true => cordial::exit(reason).await,
                            false => Ok::<_, std::io::Error>(pending::<()>()),
                        }
                    }
                });
                let child = tasks.start_child_with(exits.restart(Restart::Permanent)).unwrap();
                assert_eq!(process::monitor(child).await, exit);
                settle().await;
                assert_eq!((tasks.count_children().await.specs, tasks.waiting_children()), (0, vec![]));
                assert!(tasks.start_child(async {}).is_ok());
            }
        });
    }
}

// V-094
#[test]
fn the_tasks_of_a_killed_task_supervisor_are_killed() {
    for is_nested in [false, true] {
        for_each_seed(move || async move {
            let tasks = TaskSupervisor::builder().unlinked().shutdown(MINUTE).start();
            let tree = Supervisor::builder(Strategy::OneForOne).unlinked().max_restarts(0, SECOND);
            let tree = if is_nested { tree.child(tasks.child_spec()) } else { tree }.start().await.unwrap();
            let plain = tasks.start_child(pending::<()>()).unwrap();
            let graceful = tasks.start_child(async {
                cordial::shutdown_requested().await;
                pending::<()>().await;
            });
            let traps = tasks.start_child(async {
                let _exits = process::trap_exits();
                pending::<()>().await;
            });
            let restartable = ChildSpec::task("restartable", pending::<()>).restart(Restart::Permanent);
            let restartable = tasks.start_child_with(restartable).unwrap();
            let owned = tasks.spawn(pending::<()>());
            settle().await;
            let monitors = [plain, graceful.unwrap(), traps.unwrap(), restartable].map(process::monitor);
            process::exit(if is_nested { tree.pid() } else { tasks.pid() }, Exit::Killed);
            for monitor in monitors {
                assert_eq!(monitor.await, Exit::Killed);
            }
            assert_eq!(owned.await, Err(Exit::Killed));
            assert_eq!(tasks.ended().await, Exit::Killed);
        });
    }
}

#[test]
fn an_exit_can_be_made_from_a_text() {
    cordial::testing::run(async {
        fn fails(owned: bool) -> Result<(), Exit> {
            if owned { Err("no luck".to_owned())? } else { Err("no luck")? }
        }
        for owned in [false, true] {
            let child = TaskSupervisor::start().start_child(async move { fails(owned) }).unwrap();
            assert_eq!(process::monitor(child).await, error("no luck"));
            assert_eq!(Exit::from("no luck"), error("no luck"));
        }
    });
}

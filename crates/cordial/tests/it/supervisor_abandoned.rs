//! Children whose poll does not return: a stop gives them up, a restart waits for them. On the real scheduler.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cordial::{
    ChildSpec, ChildState, Exit, Restart, Runtime, StartError, Strategy, Supervisor, TaskSupervisor, process,
};
use tokio::sync::watch;

use crate::orders::SECOND;
use crate::tree::{Log, pid};

/// Where children are stuck until they are released.
#[derive(Clone, Default)]
struct Stuck {
    is_released: Arc<AtomicBool>,
    is_in_it: watch::Sender<u32>,
}

impl Stuck {
    /// In one poll until it is released; after that, no longer.
    async fn here(self) {
        self.is_in_it.send_modify(|n| *n += 1);
        while !self.is_released.load(Ordering::SeqCst) {
            std::hint::spin_loop();
        }
        std::future::pending().await
    }

    fn child(&self, id: &'static str) -> ChildSpec {
        let stuck = self.clone();
        ChildSpec::task(id, move || stuck.clone().here()).restart(Restart::Permanent).shutdown(Duration::from_millis(1))
    }

    async fn until(&self, n_entered: u32) {
        self.is_in_it.subscribe().wait_for(|n| *n >= n_entered).await.unwrap();
    }

    fn release(&self) {
        self.is_released.store(true, Ordering::SeqCst);
    }
}

fn on_two_workers(test: impl Future<Output = ()> + Send + 'static) {
    let runtime = Runtime::builder().workers(2).build().unwrap();
    runtime.block_on(test).unwrap();
    assert!(runtime.shutdown(60 * SECOND).abandoned.is_empty());
}

/// Waits until the state of a child is this.
async fn until(tree: &Supervisor, id: &str, state: ChildState) {
    while crate::tree::state(tree, id).await != Some(state) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[test]
fn terminating_one_gives_it_up_and_it_cannot_be_started_before_it_is_gone() {
    on_two_workers(async {
        let stuck = Stuck::default();
        let tree = Supervisor::builder(Strategy::OneForOne).child(stuck.child("stuck")).start().await.unwrap();
        stuck.until(1).await;
        let stuck_pid = pid(&tree, "stuck").await;
        assert_eq!(tree.terminate_child("stuck").await, Ok(()));
        assert_eq!(crate::tree::state(&tree, "stuck").await, Some(ChildState::Abandoned));
        assert_eq!(process::info(stuck_pid).unwrap().state, process::ProcessState::Abandoned);
        let still_there = StartError::StillThere { id: "stuck".into(), pid: stuck_pid };
        assert_eq!(tree.restart_child("stuck").await, Err(still_there));
        let end = process::monitor(stuck_pid);
        stuck.release();
        end.await;
        until(&tree, "stuck", ChildState::Stopped).await;
        tree.restart_child("stuck").await.unwrap();
        assert_eq!(crate::tree::info(&tree, "stuck").await.unwrap().incarnation, 2);
        tree.stop().await;
    });
}

#[test]
fn a_restart_of_a_group_waits_for_it_visibly_and_holds_up_nobody() {
    on_two_workers(async {
        let (stuck, log) = (Stuck::default(), Log::default());
        let tree = Supervisor::builder(Strategy::OneForAll)
            .child(log.child("a"))
            .child(stuck.child("stuck"))
            .child(log.child("c"))
            .start()
            .await
            .unwrap();
        stuck.until(1).await;
        process::exit(pid(&tree, "c").await, Exit::Killed);
        // Everything that can start before the stuck one has.
        until(&tree, "a", ChildState::Running).await;
        while crate::tree::info(&tree, "a").await.unwrap().incarnation < 2 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(crate::tree::state(&tree, "stuck").await, Some(ChildState::Restarting));
        assert_eq!(crate::tree::state(&tree, "c").await, Some(ChildState::Restarting));
        tree.start_child(log.child("new")).await.unwrap();
        assert_eq!(log.take(), "+a +c -c -a +a +new");
        stuck.release();
        stuck.until(2).await;
        until(&tree, "c", ChildState::Running).await;
        assert_eq!(log.take(), "+c");
        assert!(tree.stop().await.abandoned.is_empty());
    });
}

#[test]
fn a_stop_gives_it_up_and_names_it() {
    on_two_workers(async {
        let (stuck, log) = (Stuck::default(), Log::default());
        let of_nested = stuck.clone();
        let nested = move || Supervisor::builder(Strategy::OneForOne).child(of_nested.child("leaf"));
        let tasks = TaskSupervisor::builder().label("tasks").shutdown(Duration::from_millis(1)).start();
        let tree = Supervisor::builder(Strategy::OneForOne)
            .child(log.child("a"))
            .child(stuck.child("stuck"))
            .child(ChildSpec::supervisor("nested", nested))
            .child(tasks.child_spec())
            .start()
            .await
            .unwrap();
        let task = tasks.start_child(stuck.clone().here()).unwrap();
        stuck.until(3).await;
        let pids = [pid(&tree, "stuck").await, task];
        let report = tree.stop().await;
        assert!(report.killed.is_empty(), "{report}");
        assert_eq!(report.abandoned.len(), 3, "{report}");
        for stopped in &report.abandoned {
            assert!(stopped.in_poll.is_some_and(|time| time > Duration::from_millis(10)), "{stopped:?}");
            assert!(stopped.label.as_deref() != Some("leaf") || stopped.spawned_at.file().ends_with("abandoned.rs"));
        }
        assert!(pids.iter().all(|pid| report.abandoned.iter().any(|stopped| stopped.pid == *pid)));
        assert!(process::info(tree.pid()).is_none());
        assert_eq!(log.take(), "+a -a");
        stuck.release();
    });
}

#[test]
fn a_supervisor_is_started_again_when_what_it_has_abandoned_is_gone() {
    on_two_workers(async {
        let stuck = Stuck::default();
        let tasks = TaskSupervisor::builder().label("tasks").shutdown(Duration::from_millis(1)).start();
        let tree = Supervisor::builder(Strategy::OneForOne).child(tasks.child_spec()).start().await.unwrap();
        tasks.start_child(stuck.clone().here()).unwrap();
        stuck.until(1).await;
        process::exit(tasks.pid(), Exit::Killed);
        assert_eq!(tasks.ended().await, Exit::Killed);
        until(&tree, "tasks", ChildState::Restarting).await;
        assert!(tasks.start_child(async {}).is_err());
        stuck.release();
        until(&tree, "tasks", ChildState::Running).await;
        assert_eq!(tasks.incarnation(), 2);
        tree.stop().await;
    });
}

#[test]
fn terminating_a_stuck_task_gives_it_up() {
    on_two_workers(async {
        let stuck = Stuck::default();
        let tasks = TaskSupervisor::builder().max_children(1).shutdown(Duration::from_millis(1)).start();
        let task = tasks.start_child(stuck.clone().here()).unwrap();
        stuck.until(1).await;
        assert_eq!(tasks.terminate_child(task).await, Ok(()));
        assert!(tasks.start_child(async {}).is_err(), "it is still there, and has its room");
        let end = process::monitor(task);
        stuck.release();
        end.await;
        assert!(tasks.start_child(async {}).is_ok());
    });
}

#[test]
fn a_stop_names_one_that_was_given_up_before_it() {
    on_two_workers(async {
        let stuck = Stuck::default();
        let tree = Supervisor::builder(Strategy::OneForOne).child(stuck.child("stuck")).start().await.unwrap();
        stuck.until(1).await;
        let stuck_pid = pid(&tree, "stuck").await;
        tree.terminate_child("stuck").await.unwrap();
        let report = tree.stop().await;
        assert_eq!(report.abandoned.iter().map(|stopped| stopped.pid).collect::<Vec<_>>(), [stuck_pid]);
        stuck.release();
    });
}

#[test]
fn a_supervisor_is_not_started_again_while_one_that_it_gave_up_before_is_there() {
    on_two_workers(async {
        let (stuck, trees) = (Stuck::default(), Arc::new(std::sync::Mutex::new(Vec::new())));
        let (of_child, seen) = (stuck.clone(), trees.clone());
        // The nested supervisor gives up its stuck child by itself, and is killed afterwards.
        let nested = move || {
            let (of_child, seen) = (of_child.clone(), seen.clone());
            let bomb = ChildSpec::task("bomb", move || {
                let seen = seen.clone();
                async move {
                    let own = process::current().unwrap();
                    seen.lock().unwrap().push((own, process::info(own).unwrap().supervisor.unwrap()));
                    std::future::pending::<()>().await;
                }
            });
            Supervisor::builder(Strategy::OneForAll)
                .child(bomb.restart(Restart::Permanent))
                .child(of_child.child("stuck"))
        };
        let tree = Supervisor::builder(Strategy::OneForOne);
        let tree = tree.child(ChildSpec::supervisor("nested", nested)).start().await.unwrap();
        stuck.until(1).await;
        let (bomb, supervisor) = trees.lock().unwrap()[0];
        process::exit(bomb, Exit::Killed);
        while trees.lock().unwrap().len() < 2 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        process::exit(supervisor, Exit::Killed);
        until(&tree, "nested", ChildState::Restarting).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(*stuck.is_in_it.borrow(), 1, "the first incarnation is still there");
        stuck.release();
        stuck.until(2).await;
        tree.stop().await;
    });
}

#[test]
fn a_stop_names_one_that_was_given_up_and_forgotten() {
    on_two_workers(async {
        let stuck = Stuck::default();
        let child = stuck.child("stuck").restart(Restart::Temporary);
        let tree = Supervisor::builder(Strategy::OneForOne).child(child).start().await.unwrap();
        stuck.until(1).await;
        let stuck_pid = pid(&tree, "stuck").await;
        tree.terminate_child("stuck").await.unwrap();
        assert!(tree.which_children().await.is_empty());
        let report = tree.stop().await;
        assert_eq!(report.abandoned.iter().map(|stopped| stopped.pid).collect::<Vec<_>>(), [stuck_pid]);
        stuck.release();
    });
}

#[test]
fn a_supervisor_whose_own_poll_does_not_return_is_given_up() {
    on_two_workers(async {
        let (stuck, mut runs) = (Stuck::default(), 0);
        let of_builder = stuck.clone();
        // The options of a supervisor are made in the process of its parent.
        let builder = move || {
            runs += 1;
            if runs > 1 {
                of_builder.is_in_it.send_modify(|n| *n += 1);
                while !of_builder.is_released.load(Ordering::SeqCst) {
                    std::hint::spin_loop();
                }
            }
            TaskSupervisor::builder().label("inner").max_restarts(0, SECOND)
        };
        let inner = std::sync::Mutex::new(Some(builder));
        let outer = move || {
            let inner = inner.lock().unwrap().take().unwrap();
            Supervisor::builder(Strategy::OneForOne).child(ChildSpec::supervisor("inner", inner))
        };
        let outer = ChildSpec::supervisor("outer", outer).shutdown(Duration::from_millis(1));
        let tree = Supervisor::builder(Strategy::OneForOne).child(outer).start().await.unwrap();
        let outer = pid(&tree, "outer").await;
        let inner = process::snapshot().processes.into_iter().find(|info| info.supervisor == Some(outer));
        process::exit(inner.unwrap().pid, Exit::Killed);
        stuck.until(1).await;
        let report = tree.stop().await;
        assert_eq!(report.abandoned.iter().map(|stopped| stopped.pid).collect::<Vec<_>>(), [outer]);
        stuck.release();
    });
}

//! Children whose poll does not return, on the real scheduler: a stop abandons them, and a restart waits for them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cordial::{
    ChildSpec, ChildState, Exit, Restart, Shutdown, StartError, Strategy, Supervisor, TaskSupervisor, process,
};
use tokio::sync::watch;

use crate::harness::children::{Log, pid};
use crate::harness::limited;
use crate::harness::seeds::SECOND;

/// Blocks children inside a poll until `release` is called.
#[derive(Clone, Default)]
struct Stuck {
    is_released: Arc<AtomicBool>,
    n_entered: watch::Sender<u32>,
}

impl Stuck {
    /// Blocks in one poll until `release`, and is pending after that.
    async fn block(self) {
        self.n_entered.send_modify(|n| *n += 1);
        while !self.is_released.load(Ordering::SeqCst) {
            std::hint::spin_loop();
        }
        std::future::pending().await
    }

    fn child(&self, id: &'static str) -> ChildSpec {
        let stuck = self.clone();
        ChildSpec::task(id, move || stuck.clone().block())
            .restart(Restart::Permanent)
            .shutdown(Duration::from_millis(1))
    }

    async fn wait_entered(&self, least: u32) {
        self.n_entered.subscribe().wait_for(|n| *n >= least).await.unwrap();
    }

    fn release(&self) {
        self.is_released.store(true, Ordering::SeqCst);
    }
}

/// A poll that lasts for this long has a duration that is not only the time between two rounds of the monitor thread.
const MEASURED: Duration = Duration::from_millis(10);

fn on_two_workers(test: impl Future<Output = ()> + Send + 'static) {
    let runtime = limited::runtime(2);
    runtime.block_on(test).unwrap();
    assert!(runtime.shutdown(60 * SECOND).abandoned.is_empty());
}

/// Waits until this incarnation of a child, or a later one, runs.
async fn wait_running(tree: &Supervisor, id: &str, incarnation: u32) {
    loop {
        let child = crate::harness::children::info(tree, id).await.unwrap();
        if child.state == ChildState::Running && child.incarnation >= incarnation {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Waits until a child has this state.
async fn wait_state(tree: &Supervisor, id: &str, state: ChildState) {
    while crate::harness::children::state(tree, id).await != Some(state) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[test]
fn a_terminated_stuck_child_is_abandoned_and_cannot_be_restarted_before_it_has_exited() {
    on_two_workers(async {
        let stuck = Stuck::default();
        let tree = Supervisor::builder(Strategy::OneForOne).child(stuck.child("stuck")).start().await.unwrap();
        stuck.wait_entered(1).await;
        let stuck_pid = pid(&tree, "stuck").await;
        assert_eq!(tree.terminate_child("stuck").await, Ok(()));
        assert_eq!(crate::harness::children::state(&tree, "stuck").await, Some(ChildState::Abandoned));
        assert_eq!(process::info(stuck_pid).unwrap().state, process::ProcessState::Abandoned);
        let still_there = StartError::StillThere { id: "stuck".into(), pid: stuck_pid };
        assert_eq!(tree.restart_child("stuck").await, Err(still_there));
        let end = process::monitor(stuck_pid);
        stuck.release();
        end.await;
        wait_state(&tree, "stuck", ChildState::Stopped).await;
        tree.restart_child("stuck").await.unwrap();
        assert_eq!(crate::harness::children::info(&tree, "stuck").await.unwrap().incarnation, 2);
        tree.stop().await;
    });
}

#[test]
fn a_group_restart_waits_for_a_stuck_child_without_blocking_other_calls() {
    on_two_workers(async {
        let (stuck, log) = (Stuck::default(), Log::default());
        let tree = Supervisor::builder(Strategy::OneForAll)
            .child(log.child("a"))
            .child(stuck.child("stuck"))
            .child(log.child("c"))
            .start()
            .await
            .unwrap();
        stuck.wait_entered(1).await;
        let first_stuck = pid(&tree, "stuck").await;
        process::exit(pid(&tree, "c").await, Exit::Killed);
        // The children before the stuck one start again.
        wait_running(&tree, "a", 2).await;
        assert_eq!(crate::harness::children::state(&tree, "stuck").await, Some(ChildState::Restarting));
        assert_eq!(crate::harness::children::state(&tree, "c").await, Some(ChildState::Restarting));
        tree.start_child(log.child("new")).await.unwrap();
        assert_eq!(log.take(), "+a +c -c -a +a +new");
        stuck.release();
        stuck.wait_entered(2).await;
        // The child that the call has started runs before its predecessors do, so it starts again after them.
        wait_running(&tree, "new", 2).await;
        assert_eq!(log.take(), "-new +c +new");
        // On a busy machine, the second one may be abandoned too: its grace time is a millisecond.
        assert!(tree.stop().await.abandoned.iter().all(|stopped| stopped.pid != first_stuck));
    });
}

#[test]
fn a_stop_abandons_stuck_children_and_reports_them() {
    on_two_workers(async {
        let (stuck, log) = (Stuck::default(), Log::default());
        let of_nested = stuck.clone();
        let nested = move || Supervisor::builder(Strategy::OneForOne).child(of_nested.child("leaf"));
        let tasks = TaskSupervisor::builder().label("tasks").shutdown(Duration::from_millis(1)).start();
        let tree = Supervisor::builder(Strategy::OneForOne)
            .child(log.child("a").shutdown(Shutdown::Infinity))
            .child(stuck.child("stuck"))
            .child(ChildSpec::supervisor("nested", nested))
            .child(tasks.child_spec())
            .start()
            .await
            .unwrap();
        let task = tasks.start_child(stuck.clone().block()).unwrap();
        stuck.wait_entered(3).await;
        let pids = [pid(&tree, "stuck").await, task];
        // The report has the duration of a poll only if the monitor thread of the scheduler has seen the poll.
        let is_seen = |poll: &&process::LongPoll| poll.lasted > MEASURED && Some(poll.pid) != process::current();
        while process::inspector().long_polls().iter().filter(is_seen).count() < 3 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let report = tree.stop().await;
        assert!(report.killed.is_empty(), "{report}");
        assert_eq!(report.abandoned.len(), 3, "{report}");
        // After a pause of the whole program, the duration is that since the pause. The children are abandoned one after another, 100 ms
        // apart, so the durations of the others are right.
        assert!(report.abandoned.iter().all(|stopped| stopped.in_poll.is_some()), "{report}");
        assert!(report.abandoned.iter().any(|stopped| stopped.in_poll > Some(MEASURED)), "{report}");
        for stopped in &report.abandoned {
            assert!(
                stopped.label.as_deref() != Some("leaf")
                    || stopped.spawned_at.file().ends_with("supervisors/abandoned.rs")
            );
        }
        assert!(pids.iter().all(|pid| report.abandoned.iter().any(|stopped| stopped.pid == *pid)));
        assert!(process::info(tree.pid()).is_none());
        assert_eq!(log.take(), "+a -a");
        stuck.release();
    });
}

#[test]
fn a_supervisor_is_restarted_when_its_abandoned_children_have_exited() {
    on_two_workers(async {
        let stuck = Stuck::default();
        let tasks = TaskSupervisor::builder().label("tasks").shutdown(Duration::from_millis(1)).start();
        let tree = Supervisor::builder(Strategy::OneForOne).child(tasks.child_spec()).start().await.unwrap();
        tasks.start_child(stuck.clone().block()).unwrap();
        stuck.wait_entered(1).await;
        process::exit(tasks.pid(), Exit::Killed);
        assert_eq!(tasks.ended().await, Exit::Killed);
        wait_state(&tree, "tasks", ChildState::Restarting).await;
        assert!(tasks.start_child(async {}).is_err());
        stuck.release();
        wait_state(&tree, "tasks", ChildState::Running).await;
        assert_eq!(tasks.incarnation(), 2);
        tree.stop().await;
    });
}

#[test]
fn terminating_a_stuck_task_abandons_it() {
    on_two_workers(async {
        let stuck = Stuck::default();
        let tasks = TaskSupervisor::builder().max_children(1).shutdown(Duration::from_millis(1)).start();
        let task = tasks.start_child(stuck.clone().block()).unwrap();
        stuck.wait_entered(1).await;
        assert_eq!(tasks.terminate_child(task).await, Ok(()));
        assert!(tasks.start_child(async {}).is_err(), "an abandoned task counts for max_children");
        let end = process::monitor(task);
        stuck.release();
        end.await;
        assert!(tasks.start_child(async {}).is_ok());
    });
}

#[test]
fn a_stop_reports_a_child_that_was_abandoned_earlier() {
    on_two_workers(async {
        let stuck = Stuck::default();
        let tree = Supervisor::builder(Strategy::OneForOne).child(stuck.child("stuck")).start().await.unwrap();
        stuck.wait_entered(1).await;
        let stuck_pid = pid(&tree, "stuck").await;
        tree.terminate_child("stuck").await.unwrap();
        let report = tree.stop().await;
        assert_eq!(report.abandoned.iter().map(|stopped| stopped.pid).collect::<Vec<_>>(), [stuck_pid]);
        stuck.release();
    });
}

#[test]
fn a_supervisor_is_not_restarted_while_an_earlier_abandoned_child_exists() {
    on_two_workers(async {
        let (stuck, starts) = (Stuck::default(), Arc::new(std::sync::Mutex::new(Vec::new())));
        let (of_child, seen) = (stuck.clone(), starts.clone());
        // The nested supervisor abandons its stuck child, and is killed after that.
        let nested = move || {
            let (of_child, seen) = (of_child.clone(), seen.clone());
            let crashing = ChildSpec::task("crashing", move || {
                let seen = seen.clone();
                async move {
                    let own = process::current().unwrap();
                    seen.lock().unwrap().push((own, process::info(own).unwrap().supervisor.unwrap()));
                    std::future::pending::<()>().await;
                }
            });
            Supervisor::builder(Strategy::OneForAll)
                .child(crashing.restart(Restart::Permanent))
                .child(of_child.child("stuck"))
        };
        let tree = Supervisor::builder(Strategy::OneForOne);
        let tree = tree.child(ChildSpec::supervisor("nested", nested)).start().await.unwrap();
        stuck.wait_entered(1).await;
        let (crashing, supervisor) = starts.lock().unwrap()[0];
        process::exit(crashing, Exit::Killed);
        while starts.lock().unwrap().len() < 2 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        process::exit(supervisor, Exit::Killed);
        wait_state(&tree, "nested", ChildState::Restarting).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(*stuck.n_entered.borrow(), 1, "the child of the first incarnation has not exited");
        stuck.release();
        stuck.wait_entered(2).await;
        tree.stop().await;
    });
}

#[test]
fn a_stop_reports_an_abandoned_temporary_child() {
    on_two_workers(async {
        let stuck = Stuck::default();
        let child = stuck.child("stuck").restart(Restart::Temporary);
        let tree = Supervisor::builder(Strategy::OneForOne).child(child).start().await.unwrap();
        stuck.wait_entered(1).await;
        let stuck_pid = pid(&tree, "stuck").await;
        tree.terminate_child("stuck").await.unwrap();
        assert!(tree.which_children().await.is_empty());
        let report = tree.stop().await;
        assert_eq!(report.abandoned.iter().map(|stopped| stopped.pid).collect::<Vec<_>>(), [stuck_pid]);
        stuck.release();
    });
}

#[test]
fn a_supervisor_whose_own_poll_does_not_return_is_abandoned() {
    on_two_workers(async {
        let (stuck, mut runs) = (Stuck::default(), 0);
        let of_builder = stuck.clone();
        // The builder closure of a nested supervisor runs in the process of its parent.
        let builder = move || {
            runs += 1;
            if runs > 1 {
                of_builder.n_entered.send_modify(|n| *n += 1);
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
        stuck.wait_entered(1).await;
        let report = tree.stop().await;
        assert_eq!(report.abandoned.iter().map(|stopped| stopped.pid).collect::<Vec<_>>(), [outer]);
        stuck.release();
    });
}

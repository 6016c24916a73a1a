use std::panic::Location;
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::child_limit::ChildLimit;
use super::children::TaskChildren;
use super::handle::terminate_exited;
use super::restartable::{
    RestartProgress, RestartableChild, RestartableChildren, RestartableExit, RestartableState, Terminated,
};
use crate::process::{self, Admission, ChildRegistry, ProcessState, Runtime, Shutdown, Spawn, current_runtime};
use crate::supervisor::factory::{Factory, InitResult};
use crate::supervisor::restart::Restart;
use crate::timeout::Timeout;
use crate::{ChildSpec, Exit, Pid, Task, TaskSupervisor, testing};

/// A child that was abandoned before the kill is not abandoned a second time.
#[test]
fn a_kill_that_interrupts_a_stop_does_not_report_an_abandoned_child_twice() {
    let runtime = Runtime::builder().workers(2).build().unwrap();
    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(Some(released));
    let report = runtime.block_on(async move {
        let tasks = TaskSupervisor::builder().unlinked().start();
        let (ready, mut is_ready) = tokio::sync::mpsc::unbounded_channel();
        let in_poll = ready.clone();
        let stuck = ChildSpec::task("stuck", move || {
            let released = released.lock().unwrap().take().unwrap();
            let in_poll = in_poll.clone();
            async move {
                in_poll.send(()).unwrap();
                let _ = released.recv();
            }
        });
        let stuck = tasks.start_child_with(stuck.shutdown(Shutdown::BrutalKill)).unwrap();
        let slow = ChildSpec::task("slow", move || {
            let ready = ready.clone();
            async move {
                // Opts in before the stop begins.
                let requested = process::shutdown_requested();
                ready.send(()).unwrap();
                requested.await;
                std::future::pending::<()>().await;
            }
        });
        tasks.start_child_with(slow.shutdown(Shutdown::Infinity)).unwrap();
        for _ in 0..2 {
            is_ready.recv().await.unwrap();
        }
        let kill = async {
            while process::info(stuck).unwrap().state != ProcessState::Abandoned {
                tokio::task::yield_now().await;
            }
            process::exit(tasks.pid(), Exit::Killed);
        };
        let both = futures_util::future::join(tasks.stop(), kill);
        let ended = tokio::time::timeout(Duration::from_secs(300), both).await;
        drop(release);
        ended.expect("the child is abandoned, and the stop ends").0
    });
    let report = report.unwrap();
    assert_eq!(report.abandoned.len(), 1, "{report}");
    assert_eq!(report.killed.len(), 1, "{report}");
}

/// A permanent child that is being started for the first time.
fn permanent_child(start_timeout: Duration) -> RestartableChild {
    RestartableChild {
        id: "child".into(),
        factory: Factory::of_task(|| async {}),
        restart: Restart::Permanent,
        shutdown: Shutdown::BrutalKill,
        spawned_at: Location::caller(),
        restart_backoff: None,
        lineage: None,
        scope: None,
        incarnation: 1,
        restart_at: None,
        started_at: None,
        start_timeout: Timeout::After(start_timeout),
        watch: None,
        pid: None,
        known_pid: None,
        state: RestartableState::Running,
        has_started: false,
        restart_progress: RestartProgress::Done,
    }
}

/// Without the wait, the supervisor would check the start in a busy loop until the other thread has registered the process.
#[test]
fn a_start_that_is_due_before_its_process_is_registered_is_waited_for() {
    testing::run(async {
        let (runtime, (exits, _received)) = (current_runtime(), tokio::sync::mpsc::unbounded_channel());
        let children = RestartableChildren::new(ChildLimit::new(None), exits, Arc::default(), &runtime);
        let late = children.add(permanent_child(Duration::ZERO)).unwrap();
        let other = children.add(permanent_child(Duration::from_secs(1))).unwrap();
        let _ = children.registered(other, Pid::NO_PROCESS);
        tokio::time::sleep(Duration::from_secs(2)).await;
        let pids =
            |children: &RestartableChildren| children.slow_starts().iter().map(|slow| slow.pid).collect::<Vec<_>>();
        assert_eq!(pids(&children), [Pid::NO_PROCESS], "a start behind the late one is not held up");
        // The latest `add` has left a notification.
        children.next_watch(&runtime).await;
        assert!(pids(&children).is_empty());
        let mut next = Box::pin(children.next_watch(&runtime));
        let mut cx = Context::from_waker(Waker::noop());
        assert_eq!(next.as_mut().poll(&mut cx), Poll::Pending);
        let _ = children.registered(late, Pid::NO_PROCESS);
        assert_eq!(next.as_mut().poll(&mut cx), Poll::Ready(()));
        drop(next);
        assert_eq!(pids(&children).len(), 1);
    });
}

/// Returns a table with one child, whose process `last` has exited and which is about to be restarted, with its index and the queue of exits.
fn exited_child(last: Pid) -> (RestartableChildren, u64, tokio::sync::mpsc::UnboundedReceiver<RestartableExit>) {
    let (exits, received) = tokio::sync::mpsc::unbounded_channel();
    let children = RestartableChildren::new(ChildLimit::new(None), exits, Arc::default(), &current_runtime());
    let index = children.add(permanent_child(Duration::from_secs(1))).unwrap();
    let _ = children.registered(index, last);
    children.exited(index, Some(&Exit::Normal));
    (children, index, received)
}

/// A restart was refused, and another thread has terminated the child and added another one before the refusal is handled.
#[test]
fn a_refused_restart_does_not_change_the_child_that_has_its_index_now() {
    testing::run(async {
        let (last, other) = (Task::start(async {}), Task::start(async {}));
        let (children, index, _exits) = exited_child(last);
        assert!(children.begin_restart(index, last, |_| ()).is_some());
        children.exited(index, None);
        assert_eq!(children.terminate_exited(last), Some(Terminated::Removed));
        assert_eq!(children.add(permanent_child(Duration::from_secs(1))), Some(index));
        let _ = children.registered(index, other);
        assert!(children.restart_refused(index, last, |_| ()).is_none());
        assert_eq!(children.pids(), [other]);
    });
}

/// The bug was that the call returned `NotFound`, although it had terminated the child.
#[test]
fn a_child_that_is_terminated_while_its_restart_begins_is_found() {
    testing::run(async {
        let (last, restarted) = (Task::start(async {}), Task::start(async {}));
        let (children, index, _exits) = exited_child(last);
        assert!(children.begin_restart(index, last, |_| ()).is_some());
        let runtime = current_runtime();
        let mut terminated = Box::pin(terminate_exited(&runtime, &children, last));
        assert!(futures::poll!(&mut terminated).is_pending(), "the restart has no process yet");
        assert_eq!(children.registered(index, restarted), Admission::Closed);
        children.exited(index, Some(&Exit::Shutdown(None)));
        assert_eq!(terminated.await, Ok(()));
        assert!(terminate_exited(&runtime, &children, last).await.is_err(), "the child was removed");
    });
}

/// The bug was that the other child was shown as restarting for as long as it ran.
#[test]
fn a_delayed_restart_does_not_change_the_child_that_has_its_index_now() {
    testing::run(async {
        let (last, other) = (Task::start(async {}), Task::start(async {}));
        let (children, index, _exits) = exited_child(last);
        // Another thread terminates the child and adds another one while the event of the restart is emitted.
        assert_eq!(children.terminate_exited(last), Some(Terminated::Removed));
        assert_eq!(children.add(permanent_child(Duration::from_secs(1))), Some(index));
        let _ = children.registered(index, other);
        children.acknowledged(index, InitResult::Started);
        children.delayed(index, last);
        assert_eq!((children.running(), children.counts()), (vec![other], (1, 0)));
    });
}

/// Another thread has taken the slot of the child before the supervisor was handed over, and enters the child into the process table after
/// that.
#[test]
fn a_child_that_is_started_during_a_hand_over_has_the_root_of_the_new_parent() {
    testing::run(async {
        let (runtime, (exits, _received)) = (current_runtime(), tokio::sync::mpsc::unbounded_channel());
        let [supervisor, last_root] = [(); 2].map(|()| Task::start(std::future::pending::<()>()));
        let children = TaskChildren::new(1, None, exits, &runtime);
        children.open(supervisor, Some(last_root), Shutdown::BrutalKill);
        let slot = children.slot().unwrap();
        let root = runtime.root_of(supervisor);
        assert_ne!(root, Some(last_root));
        children.set_root(&runtime, root);
        let spawn = Spawn::new(Location::caller()).child_slot(slot);
        let Ok(child) = { spawn }.start(&runtime, std::future::pending::<Result<(), Exit>>(), |result| result) else {
            panic!("refused")
        };
        assert_eq!(runtime.root_of(child.pid), root);
    });
}

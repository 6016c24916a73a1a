//! Task supervisors as children of a tree: one parent at a time, a change of owner, and one handle across restarts.

use std::future::pending;

use cordial::server::{Context, Handle, Server, ServerRef};
use cordial::{Backoff, ChildSpec, Exit, Pid, StartError, Strategy, Supervisor, Task, TaskSupervisor};
use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::harness::children::{Log, crash, pid, settle};
use crate::harness::limited;
use crate::harness::probe::Probe;
use crate::harness::seeds::{SECOND, for_each_seed};

/// The supervisor of the child is owned by a process that has no supervisor. So the child ends, and starts a process, after the processes
/// without a supervisor were stopped.
#[test]
fn a_process_that_a_child_starts_at_the_end_of_a_program_is_stopped_as_well() {
    let probe = Probe::default();
    for_each_seed(|| {
        let probe = probe.clone();
        async {
            let (ready, is_ready) = oneshot::channel();
            Task::start(async move {
                let child = ChildSpec::init("child", move || {
                    let probe = probe.clone();
                    async move {
                        let requested = cordial::shutdown_requested();
                        Ok::<_, StartError>(async move {
                            requested.await;
                            sleep(SECOND).await;
                            Task::start(probe.of(pending::<()>()));
                        })
                    }
                });
                let tree = Supervisor::builder(Strategy::OneForOne).child(child).start().await;
                ready.send(tree.is_ok()).unwrap();
                pending::<()>().await
            });
            assert!(is_ready.await.unwrap());
        }
    });
    assert_eq!((probe.drops(), probe.n_alive()), (20, 0));
}

#[test]
fn the_handle_of_a_task_supervisor_stays_valid_across_restarts() {
    for_each_seed(|| async {
        let log = Log::default();
        let emails = TaskSupervisor::builder().label("emails").start();
        let (first, guard) = (emails.pid(), crate::harness::children::LogGuard::new(&log, "email"));
        emails
            .start_child(async move {
                let _guard = guard;
                pending::<()>().await;
            })
            .unwrap();
        let backoff = Backoff::exponential(SECOND, SECOND);
        let tree = Supervisor::builder(Strategy::OneForOne).child(emails.child_spec().backoff(backoff));
        let tree = tree.start().await.unwrap();
        assert_eq!(
            (pid(&tree, "emails").await, emails.incarnation()),
            (first, 1),
            "the running incarnation becomes the child"
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

#[test]
fn a_task_supervisor_has_one_parent() {
    for_each_seed(|| async {
        let log = Log::default();
        let emails = TaskSupervisor::builder().label("emails").start();
        let first = Supervisor::builder(Strategy::OneForOne).child(emails.child_spec()).start().await.unwrap();
        let second = Supervisor::builder(Strategy::OneForOne).child(log.child("a")).child(emails.child_spec());
        assert_eq!(second.start().await.unwrap_err(), StartError::AlreadySupervised("emails".into()));
        assert_eq!(log.take(), "+a -a");
        assert_eq!(emails.spawn(async { 1 }).await, Ok(1), "the supervisor stays in the first tree");
        first.stop().await;
        // A task supervisor that has ended can become a child again, and is started then.
        let third = Supervisor::builder(Strategy::OneForOne).child(emails.child_spec()).start().await.unwrap();
        assert_eq!((emails.spawn(async { 1 }).await, emails.incarnation()), (Ok(1), 2));
        third.stop().await;
    });
}

#[test]
fn a_task_supervisor_in_a_tree_does_not_end_with_its_first_owner() {
    for_each_seed(|| async {
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
fn a_task_supervisor_that_changes_its_owner_does_not_delay_the_exit_of_others() {
    for seed in 0..200 {
        cordial::testing::run_seeded(seed, async {
            let (send, receive) = tokio::sync::oneshot::channel();
            let owner = Task::spawn(async move {
                // The end of an owner stops its supervisors in reverse order of their start, so `first` comes after
                // `emails`. But `first` must not wait for `emails` once `emails` belongs to the tree.
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
fn a_task_supervisor_that_was_deleted_from_a_tree_can_join_another() {
    for_each_seed(|| async {
        let emails = TaskSupervisor::builder().label("emails").start();
        let first = Supervisor::builder(Strategy::OneForOne).child(emails.child_spec()).start().await.unwrap();
        let second = Supervisor::builder(Strategy::OneForOne).start().await.unwrap();
        first.terminate_child("emails").await.unwrap();
        let taken = StartError::AlreadySupervised("emails".into());
        assert_eq!(second.start_child(emails.child_spec()).await, Err(taken), "the first tree may start it again");
        first.delete_child("emails").await.unwrap();
        second.start_child(emails.child_spec()).await.unwrap();
        assert_eq!(emails.spawn(async { 1 }).await, Ok(1));
        first.stop().await;
        assert_eq!(emails.spawn(async { 1 }).await, Ok(1));
        second.stop().await;
    });
}

/// Starts a child that starts a process without an owner on request, and returns its pid.
fn start_spawner(supervisor: &TaskSupervisor) -> (Pid, oneshot::Sender<oneshot::Sender<Pid>>) {
    let (request, requested) = oneshot::channel::<oneshot::Sender<Pid>>();
    let child = supervisor.start_child(async move {
        // This process has started another one before the hand-over.
        Task::spawn(async {}).await.unwrap();
        requested.await.unwrap().send(Task::start(pending::<()>())).unwrap();
        pending::<()>().await;
    });
    (child.unwrap(), request)
}

async fn request(spawner: oneshot::Sender<oneshot::Sender<Pid>>) -> Pid {
    let (sender, pid) = oneshot::channel();
    spawner.send(sender).unwrap();
    pid.await.unwrap()
}

/// A regression test: the children ended with the run in which the task supervisor was started, even though the task supervisor had become the
/// child of another supervisor.
#[test]
fn the_children_of_a_task_supervisor_that_was_handed_over_belong_to_the_run_of_their_new_parent() {
    let runtime = limited::runtime(2);
    let ran = runtime.run(async {
        let emails = TaskSupervisor::start();
        let (before, spawner) = start_spawner(&emails);
        settle().await;
        let tree = Supervisor::builder(Strategy::OneForOne).unlinked().child(emails.child_spec());
        let tree = tree.start().await.unwrap();
        let (after, later_spawner) = start_spawner(&emails);
        (tree, [before, after, request(spawner).await, request(later_spawner).await])
    });
    let (tree, pids) = ran.unwrap();
    let is_alive = |pid: &Pid| runtime.inspector().info(*pid).is_some();
    assert_eq!(pids.each_ref().map(is_alive), [true; 4]);
    assert!(runtime.block_on(async move { tree.stop().await }).unwrap().is_clean());
    assert_eq!(pids.each_ref().map(is_alive), [false, false, true, true]);

    let of_runtime = runtime.block_on(async { TaskSupervisor::builder().unlinked().start() }).unwrap();
    let (before, spawner) = start_spawner(&of_runtime);
    let ran = runtime.run(async move {
        let tree = Supervisor::builder(Strategy::OneForOne).child(of_runtime.child_spec()).start().await.unwrap();
        let (after, later_spawner) = start_spawner(&of_runtime);
        (tree, [before, after, request(spawner).await, request(later_spawner).await])
    });
    assert_eq!(ran.unwrap().1.each_ref().map(is_alive), [false; 4]);
}

#[test]
fn what_a_server_that_was_handed_over_spawns_belongs_to_the_run_of_its_new_parent() {
    struct Spawner;
    struct Spawn;
    impl Server for Spawner {}
    impl Handle<Spawn> for Spawner {
        type Reply = Pid;
        async fn handle(&mut self, _: Spawn, _: &mut Context<Self>) -> Pid {
            Task::start(pending::<()>())
        }
    }
    let runtime = limited::runtime(2);
    let ran = runtime.run(async {
        let server = ServerRef::start(|| Spawner);
        server.call(Spawn).await.unwrap();
        let tree = Supervisor::builder(Strategy::OneForOne).unlinked().child(server.child_spec());
        let tree = tree.start().await.unwrap();
        (tree, server.pid(), server.call(Spawn).await.unwrap())
    });
    let (_tree, server, spawned) = ran.unwrap();
    let is_alive = |pid: Pid| runtime.inspector().info(pid).is_some();
    assert_eq!((is_alive(server), is_alive(spawned)), (true, true));
}

//! A process that was abandoned in a poll, and a later process of the same server beside it, on the real scheduler.

use std::future::pending;
use std::sync::{Mutex, mpsc};

use cordial::process::ProcessState;
use cordial::server::{Context, Handle, Server, ServerBuilder, ServerRef};
use cordial::{
    ChildSpec, Exit, Refusal, Restart, Shutdown, StartError, Strategy, Supervisor, Task, TaskSupervisor, Timeout,
    process,
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::harness::limited;
use crate::work::SECOND;

/// A server. The destructor of its first state blocks.
struct Blocks(Option<Blocking>);

struct Blocking {
    began: UnboundedSender<&'static str>,
    released: Mutex<mpsc::Receiver<()>>,
}

impl Drop for Blocking {
    fn drop(&mut self) {
        self.began.send("the destructor").unwrap();
        self.released.lock().unwrap().recv().unwrap();
    }
}

impl Server for Blocks {}

struct Wait(UnboundedSender<&'static str>);

impl Handle<Wait> for Blocks {
    type Reply = ();
    async fn handle(&mut self, Wait(began): Wait, _: &mut Context<Self>) {
        began.send("the handler").unwrap();
        pending().await
    }
}

struct Crash;

impl Handle<Crash> for Blocks {
    type Reply = ();
    async fn handle(&mut self, _: Crash, _: &mut Context<Self>) {
        panic!("planned panic of a later process");
    }
}

struct Ping;

impl Handle<Ping> for Blocks {
    type Reply = bool;
    async fn handle(&mut self, _: Ping, _: &mut Context<Self>) -> bool {
        self.0.is_none()
    }
}

/// The server, the end of its destructor, and the beginnings of its handler and destructor.
struct Setup {
    builder: ServerBuilder<Blocks>,
    release: mpsc::Sender<()>,
    events: (UnboundedSender<&'static str>, UnboundedReceiver<&'static str>),
}

impl Setup {
    fn new() -> Setup {
        let (events, (release, released)) = (unbounded_channel(), mpsc::channel());
        let mut first = Some(Blocking { began: events.0.clone(), released: Mutex::new(released) });
        let builder = ServerRef::builder(move || Blocks(first.take()));
        let builder = builder.restart(Restart::Permanent).shutdown(Shutdown::BrutalKill).unlinked();
        Setup { builder, release, events }
    }
}

fn on_two_workers(test: impl Future<Output = ()> + Send + 'static) {
    let runtime = limited::runtime(2);
    runtime.block_on(test).unwrap();
    assert!(runtime.shutdown(60 * SECOND).abandoned.is_empty());
}

/// The server as a child that is not killed when it stops, so that no slow machine makes it seem stuck.
fn graceful(server: &ServerRef<Blocks>) -> ChildSpec {
    server.child_spec().shutdown(Shutdown::Infinity)
}

#[test]
fn a_process_that_was_abandoned_is_not_handed_over_to_a_supervisor() {
    on_two_workers(async {
        let Setup { builder, release, mut events } = Setup::new();
        let server = builder.start();
        server.cast(Wait(events.0.clone())).await.unwrap();
        assert_eq!(events.1.recv().await, Some("the handler"));
        let stuck = server.pid();
        // Again if it got no thread for its destructor within a second: then it is not stuck yet.
        while process::info(stuck).unwrap().state != ProcessState::Abandoned {
            process::inspector().stop(stuck, Shutdown::BrutalKill).await;
        }
        assert_eq!(events.1.recv().await, Some("the destructor"));
        let tree = Supervisor::builder(Strategy::OneForOne).child(graceful(&server)).start().await.unwrap();
        assert_ne!(server.pid(), stuck);
        assert_eq!(server.call(Ping).timeout(Timeout::Infinity).await, Ok(true));
        let ended = process::monitor(stuck);
        release.send(()).unwrap();
        assert_eq!(ended.await, Exit::Killed);
        assert_eq!(server.call(Ping).await, Ok(true));
        assert!(tree.stop().await.is_clean());
    });
}

#[test]
fn a_call_in_hand_of_a_process_that_was_abandoned_gets_the_exit_of_that_process() {
    on_two_workers(async {
        let Setup { builder, release, mut events } = Setup::new();
        let server = builder.start();
        let (caller, began) = (server.clone(), events.0.clone());
        let call = Task::spawn(async move { caller.call(Wait(began)).timeout(Timeout::Infinity).await });
        assert_eq!(events.1.recv().await, Some("the handler"));
        assert_eq!(server.stop().await.abandoned.len(), 1);
        assert_eq!(events.1.recv().await, Some("the destructor"));
        let tree = Supervisor::builder(Strategy::OneForOne).child(graceful(&server)).start().await.unwrap();
        let exit = server.call(Crash).timeout(Timeout::Infinity).await.unwrap_err();
        assert!(matches!(exit, Exit::Panic(_)), "{exit}");
        release.send(()).unwrap();
        assert_eq!(call.timeout(Timeout::Infinity).await, Ok(Err(Exit::Killed)));
        assert!(tree.stop().await.is_clean());
    });
}

#[test]
fn the_next_process_waits_for_the_create_of_one_that_was_abandoned() {
    on_two_workers(async {
        let (release, released) = mpsc::channel();
        let (began, mut has_begun) = unbounded_channel();
        let mut first = Some(released);
        let create = move || {
            if let Some(released) = first.take() {
                began.send(()).unwrap();
                released.recv().unwrap();
            }
            Blocks(None)
        };
        let server = ServerRef::builder(create).shutdown(Shutdown::BrutalKill).unlinked().start();
        has_begun.recv().await.unwrap();
        let stuck = server.pid();
        assert_eq!(server.stop().await.abandoned.len(), 1);
        let tree = Supervisor::builder(Strategy::OneForOne).child(graceful(&server)).unlinked();
        let tree = Task::spawn(tree.start());
        while server.pid() == stuck {
            tokio::task::yield_now().await;
        }
        release.send(()).unwrap();
        let tree = tree.timeout(Timeout::Infinity).await.unwrap().unwrap();
        assert_eq!(server.call(Ping).timeout(Timeout::Infinity).await, Ok(true));
        assert!(tree.stop().await.is_clean());
    });
}

#[test]
fn a_supervisor_that_was_abandoned_takes_no_server_over() {
    on_two_workers(async {
        let (release, released) = mpsc::channel();
        let (began, mut has_begun) = unbounded_channel();
        let mut n_starts = 0;
        let nested = ChildSpec::supervisor("nested", move || {
            n_starts += 1;
            if n_starts == 2 {
                began.send(()).unwrap();
                released.recv().unwrap();
                panic!("planned panic of a builder");
            }
            TaskSupervisor::builder()
        });
        let tree = Supervisor::builder(Strategy::OneForOne).child(nested).unlinked().start().await.unwrap();
        let server = ServerRef::builder(|| Blocks(None)).unlinked().start();
        process::exit(tree.which_children().await[0].pid.unwrap(), Exit::Killed);
        has_begun.recv().await.unwrap();
        let mut added = Box::pin(tree.start_child(server.child_spec()));
        assert!(futures::poll!(&mut added).is_pending());
        while process::info(tree.pid()).unwrap().state != ProcessState::Abandoned {
            process::inspector().stop(tree.pid(), Shutdown::BrutalKill).await;
        }
        release.send(()).unwrap();
        assert_eq!(added.await, Err(StartError::Refused(Refusal::SupervisorStopped)));
        assert_eq!(tree.ended().await, Exit::Killed);
        assert_eq!(server.call(Ping).timeout(Timeout::Infinity).await, Ok(true));
        server.stop().await;
    });
}

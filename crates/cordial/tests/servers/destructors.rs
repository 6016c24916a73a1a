//! Destructors that panic or nest: of states, of futures of handlers, and of answers that no caller takes.

use std::any::Any;
use std::fmt;
use std::future::{Ready, pending, ready};
use std::time::Duration;

use cordial::server::{Context, Handle, Server, ServerRef};
use cordial::{Exit, Restart, Task, Timeout, process, testing};
use futures::poll;

use crate::harness::children::Log;
use crate::harness::limited;
use crate::work::{SECOND, Say, With, Worker};

/// Panics when it is dropped.
#[derive(Debug)]
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("planned panic of a destructor");
    }
}

/// An error whose destructor panics.
#[derive(Debug)]
struct BombError(Bomb);

impl fmt::Display for BombError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an error with a destructor that panics")
    }
}

impl std::error::Error for BombError {}

struct Armed {
    _bomb: Bomb,
}

impl Server for Armed {}

struct Panic;

impl Handle<Panic> for Armed {
    type Reply = ();
    async fn handle(&mut self, _: Panic, _: &mut Context<Self>) {
        panic!("planned panic of a handler");
    }
}

struct Wait;

impl Handle<Wait> for Armed {
    type Reply = ();
    async fn handle(&mut self, _: Wait, _: &mut Context<Self>) {
        let _bomb = Bomb;
        pending().await
    }
}

/// A server whose `stopping` panics.
struct StopsBadly;

impl Server for StopsBadly {
    async fn stopping(&mut self, _: &Exit) {
        panic!("planned panic of `stopping`");
    }
}

struct End;

impl Handle<End> for StopsBadly {
    type Reply = ();
    async fn handle(&mut self, _: End, ctx: &mut Context<Self>) {
        ctx.stop(Exit::error(BombError(Bomb)));
    }
}

struct Plain;

impl Server for Plain {}

struct Arm;

impl Handle<Arm> for Plain {
    type Reply = Bomb;
    async fn handle(&mut self, _: Arm, _: &mut Context<Self>) -> Bomb {
        Bomb
    }
}

/// A message that is its own answer, and may hold another call.
struct Link(#[expect(dead_code, reason = "held until it is dropped")] Option<Box<dyn Any + Send>>);

impl Handle<Link> for Plain {
    type Reply = Link;
    async fn handle(&mut self, link: Link, _: &mut Context<Self>) -> Link {
        link
    }
}

fn start_armed() -> ServerRef<Armed> {
    ServerRef::builder(|| Armed { _bomb: Bomb }).restart(Restart::Permanent).max_restarts(5, SECOND).unlinked().start()
}

#[test]
fn a_state_whose_destructor_panics_after_its_handler_does_not_abort_the_program() {
    testing::run(async {
        let server = start_armed();
        for _ in 0..2 {
            let exit = server.call(Panic).await.unwrap_err();
            assert!(exit.to_string().contains("planned panic of a handler"), "{exit}");
        }
    });
}

#[test]
fn a_killed_server_whose_handler_and_state_have_destructors_that_panic_does_not_abort_the_program() {
    testing::run(async {
        let server = start_armed();
        let caller = server.clone();
        let call = Task::spawn(async move { caller.call(Wait).await });
        tokio::task::yield_now().await;
        tokio::time::sleep(Duration::from_millis(1)).await;
        process::exit(server.pid(), Exit::Killed);
        assert!(call.await.unwrap().is_err());
    });
}

#[test]
fn what_a_handler_leaves_in_its_context_does_not_abort_the_program_when_the_handler_panics() {
    testing::run(async {
        let server = Worker::builder(&Log::default()).restart(Restart::Permanent).max_restarts(9, SECOND).start();
        let idle = With(|ctx: &mut Context<Worker>| -> Ready<()> {
            let bomb = Bomb;
            ctx.idle_timeout(Some(SECOND), move || {
                let _bomb = &bomb;
                Say("idle")
            });
            panic!("planned panic of a handler");
        });
        assert!(matches!(server.call(idle).await, Err(Exit::Panic(_))));
        let stop = With(|ctx: &mut Context<Worker>| -> Ready<()> {
            ctx.stop(Exit::error(BombError(Bomb)));
            panic!("planned panic of a handler");
        });
        assert!(matches!(server.call(stop).await, Err(Exit::Panic(_))));
        let tick = With(|ctx: &mut Context<Worker>| {
            let bomb = Bomb;
            ctx.every(SECOND, move || -> Say {
                let _bomb = &bomb;
                panic!("planned panic of the function of a timer");
            })
            .detach();
            ready(())
        });
        assert_eq!(server.call(tick).await, Ok(()));
        tokio::time::sleep(2 * SECOND).await;
        assert_eq!(server.call(Say("next")).await, Ok(4));
    });
}

#[test]
fn a_stopping_that_panics_with_an_exit_whose_destructor_panics_does_not_abort_the_program() {
    testing::run(async {
        let server = ServerRef::builder(|| StopsBadly).unlinked().start();
        let end = server.call(End).await;
        assert_eq!(end, Ok(()));
        let exit = server.ended().await;
        assert!(exit.to_string().contains("planned panic of `stopping`"), "{exit}");
    });
}

#[test]
fn an_answer_whose_destructor_panics_does_not_affect_a_caller_that_has_given_up() {
    testing::run(async {
        let server = ServerRef::start(|| Plain);
        let mut call = server.call(Arm);
        assert!(poll!(&mut call).is_pending());
        tokio::time::sleep(Duration::from_millis(1)).await;
        drop(call);
        assert!(server.call(Link(None)).await.is_ok());
    });
}

/// The caller of a call would get the reply; nothing takes that of a cast.
#[test]
fn a_reply_to_a_cast_whose_destructor_panics_does_not_end_the_server() {
    testing::run(async {
        let server = ServerRef::start(|| Plain);
        server.cast(Arm).await.unwrap();
        assert!(server.call(Link(None)).await.is_ok());
    });
}

#[test]
fn a_long_chain_of_answers_that_hold_calls_is_dropped_without_a_deep_stack() {
    const LENGTH: usize = 50_000;
    let runtime = limited::runtime(2);
    let chain = async {
        let server = ServerRef::builder(|| Plain).mailbox(LENGTH + 1).start();
        let mut inner: Option<Box<dyn Any + Send>> = None;
        for _ in 0..LENGTH {
            let mut call = server.call(Link(inner.take())).timeout(Timeout::Infinity);
            assert!(poll!(&mut call).is_pending());
            inner = Some(Box::new(call));
        }
        // Handled after all of the others, so each of them is answered.
        server.call(Link(None)).timeout(Timeout::Infinity).await.map(drop).unwrap();
        drop(inner);
    };
    runtime.block_on(chain).unwrap();
}

struct Keep;

impl Handle<Keep> for Plain {
    type Reply = ();
    async fn handle(&mut self, _: Keep, ctx: &mut Context<Self>) {
        for _ in 0..2 {
            ctx.send_after(SECOND, Carried(Bomb)).detach();
        }
    }
}

struct Hang;

impl Handle<Hang> for Plain {
    type Reply = ();
    async fn handle(&mut self, _: Hang, _: &mut Context<Self>) {
        pending().await
    }
}

struct Carried(Bomb);

impl Handle<Carried> for Plain {
    type Reply = ();
    async fn handle(&mut self, carried: Carried, _: &mut Context<Self>) {
        std::mem::forget(carried);
    }
}

#[test]
fn messages_whose_destructors_panic_affect_neither_their_callers_nor_the_stop_of_the_server() {
    testing::run(async {
        let server = ServerRef::start(|| Plain);
        server.call(Keep).await.unwrap();
        assert!(server.stop().await.is_clean());
        assert_eq!(server.ended().await, Exit::Normal);

        let server = ServerRef::start(|| Plain);
        server.cast(Hang).await.unwrap();
        let mut calls = [(); 2].map(|()| server.call(Carried(Bomb)));
        for call in &mut calls {
            assert!(poll!(call).is_pending());
        }
        drop(calls);
        let late = server.call(Carried(Bomb)).timeout(SECOND).await;
        assert!(late.unwrap_err().is_timeout());
    });
}

struct EndWith(Exit);

impl Handle<EndWith> for Plain {
    type Reply = ();
    async fn handle(&mut self, EndWith(exit): EndWith, ctx: &mut Context<Self>) {
        ctx.stop(exit);
    }
}

/// The mailbox keeps the last exit until the next one replaces it. A server that was started outside of a tree has a supervisor of its own, which
/// ends with the server.
#[test]
fn a_panic_in_the_destructor_of_the_last_exit_does_not_keep_the_supervisor_of_the_server_alive() {
    testing::run(async {
        let n_before = process::snapshot().processes.len();
        let server = ServerRef::builder(|| Plain).restart(Restart::Transient).start();
        server.cast(EndWith(Exit::error(BombError(Bomb)))).await.unwrap();
        server.cast(EndWith(Exit::Normal)).await.unwrap();
        tokio::time::sleep(SECOND).await;
        assert_eq!(server.ended().await, Exit::Normal);
        assert_eq!(process::snapshot().processes.len(), n_before, "{}", process::snapshot());
    });
}

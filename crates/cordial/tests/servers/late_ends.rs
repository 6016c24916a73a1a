//! The next process of a server begins while the end of the last one is being recorded. A waker, which runs in the middle of that
//! end, waits until the next process has begun.

use std::future::pending;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context as TaskContext, Wake, Waker};
use std::thread;
use std::time::Duration;

use cordial::server::{Call, Context, Handle, Later, Server, ServerRef};
use cordial::{Exit, Pid, Restart, Shutdown, Strategy, Supervisor, Timeout, process};
use tokio::sync::{oneshot, watch};
use tokio::task::yield_now;

use crate::harness::children::Log;
use crate::harness::limited;
use crate::work::{Crash, Say, is_stopped};

/// A server. Each process but the first one starts when the gate opens.
struct Gated {
    gate: Option<watch::Receiver<bool>>,
    log: Log,
}

impl Server for Gated {
    async fn started(&mut self, _: &mut Context<Self>) -> Result<(), Exit> {
        if let Some(gate) = &mut self.gate {
            let _ = gate.wait_for(|is_open| *is_open).await;
        }
        Ok(())
    }
}

impl Handle<Say> for Gated {
    type Reply = ();
    async fn handle(&mut self, Say(text): Say, _: &mut Context<Self>) {
        self.log.push(text);
    }
}

impl Handle<Crash> for Gated {
    type Reply = ();
    async fn handle(&mut self, Crash(text): Crash, _: &mut Context<Self>) {
        panic!("{text}");
    }
}

/// Is answered late, and never.
struct AnswerLate;

impl Handle<AnswerLate> for Gated {
    type Reply = Later<()>;
    async fn handle(&mut self, _: AnswerLate, ctx: &mut Context<Self>) -> Later<()> {
        ctx.reply_later(pending())
    }
}

/// Is in hand until the sender is dropped.
struct Hold(oneshot::Receiver<()>);

impl Handle<Hold> for Gated {
    type Reply = ();
    async fn handle(&mut self, Hold(released): Hold, _: &mut Context<Self>) {
        let _ = released.await;
    }
}

/// A waker that calls a function once.
struct OnWake(Mutex<Option<Box<dyn FnOnce() + Send>>>);

impl Wake for OnWake {
    fn wake(self: Arc<Self>) {
        let function = self.0.lock().unwrap().take();
        if let Some(function) = function {
            function();
        }
    }
}

struct Setup {
    server: ServerRef<Gated>,
    tree: Supervisor,
    first: Pid,
    log: Log,
    gate: watch::Sender<bool>,
}

impl Setup {
    async fn new() -> Setup {
        let ((gate, opened), log) = (watch::channel(false), Log::default());
        let (mut is_first, of_server) = (true, log.clone());
        let create = move || {
            let is_first = std::mem::replace(&mut is_first, false);
            Gated { gate: (!is_first).then(|| opened.clone()), log: of_server.clone() }
        };
        let server = ServerRef::builder(create).restart(Restart::Permanent).shutdown(Shutdown::Infinity).start();
        let tree = Supervisor::builder(Strategy::OneForOne).child(server.child_spec()).start().await.unwrap();
        Setup { first: server.pid(), server, tree, log, gate }
    }

    /// Sends a call. When it is answered, waits until the next process has begun, and then calls `f`.
    fn send(&self, call: &mut Call<()>, f: impl FnOnce() + Send + 'static) {
        let (server, first) = (self.server.clone(), self.first);
        let on_wake = move || {
            while server.pid() == first {
                thread::sleep(Duration::from_millis(1));
            }
            f();
        };
        let waker = Waker::from(Arc::new(OnWake(Mutex::new(Some(Box::new(on_wake))))));
        assert!(Pin::new(call).poll(&mut TaskContext::from_waker(&waker)).is_pending());
    }

    async fn until(&self, is_reached: impl Fn(&ServerRef<Gated>) -> bool) {
        while !is_reached(&self.server) {
            yield_now().await;
        }
    }
}

fn on_two_workers(test: impl Future<Output = ()> + Send + 'static) {
    limited::runtime(2).block_on(test).unwrap();
}

#[test]
fn the_exit_and_the_message_in_hand_of_a_process_are_recorded_after_the_next_one_has_begun() {
    on_two_workers(async {
        let setup = Setup::new().await;
        let Setup { server, first, .. } = &setup;
        let mut late = server.call(AnswerLate).timeout(Timeout::Infinity);
        setup.send(&mut late, || {});
        setup.until(|server| server.mailbox().handled == 1).await;
        let ended = process::monitor(*first);
        server.cast(Crash("boom")).await.unwrap();
        assert!(ended.await.is_panic());
        let exit = server.call(Say("given up")).timeout(Duration::from_millis(10)).await.unwrap_err();
        let expected = "its `started` had not returned; its last process had ended: ";
        assert!(exit.to_string().contains(expected), "{exit}");
        setup.gate.send(true).unwrap();
        server.call(Say("last")).timeout(Timeout::Infinity).await.unwrap();
        setup.until(|server| server.mailbox().in_hand.is_none()).await;
        assert_eq!(server.mailbox().handled, 2, "the message that crashed the server was not handled");
        assert!(late.await.unwrap_err().is_panic());
        setup.tree.stop().await;
    });
}

#[test]
fn a_stop_refuses_what_waits_although_the_next_process_has_begun() {
    on_two_workers(async {
        let setup = Setup::new().await;
        let Setup { server, first, .. } = &setup;
        let mut late = server.call(AnswerLate).timeout(Timeout::Infinity);
        setup.send(&mut late, || {});
        let (release, released) = oneshot::channel();
        server.cast(Hold(released)).await.unwrap();
        setup.until(|server| server.mailbox().handled == 1 && server.mailbox().in_hand.is_some()).await;
        let mut waits = server.call(Say("waits")).timeout(Timeout::Infinity);
        assert!(futures::poll!(&mut waits).is_pending());
        let mut stop = Box::pin(server.stop());
        assert!(futures::poll!(&mut stop).is_pending());
        let ended = process::monitor(*first);
        drop(release);
        assert_eq!(ended.await, Exit::Normal);
        assert!(stop.await.is_clean());
        setup.gate.send(true).unwrap();
        let waits = waits.await;
        assert!(is_stopped(&waits), "{waits:?}");
        setup.tree.stop().await;
    });
}

#[test]
fn a_stop_does_not_refuse_what_is_sent_after_the_next_process_has_begun() {
    on_two_workers(async {
        let setup = Setup::new().await;
        let Setup { server, first, .. } = &setup;
        let (_hold, held) = oneshot::channel();
        let mut in_hand = server.call(Hold(held)).timeout(Timeout::Infinity);
        let later = server.clone();
        setup.send(&mut in_hand, move || later.try_cast(Say("for the next process")).unwrap());
        setup.until(|server| server.mailbox().in_hand.is_some()).await;
        let mut stop = Box::pin(server.stop());
        assert!(futures::poll!(&mut stop).is_pending());
        process::exit(*first, Exit::Killed);
        stop.await;
        setup.gate.send(true).unwrap();
        server.call(Say("last")).timeout(Timeout::Infinity).await.unwrap();
        assert_eq!(setup.log.take(), "for the next process last");
        assert_eq!(in_hand.await, Err(Exit::Killed));
        setup.tree.stop().await;
    });
}

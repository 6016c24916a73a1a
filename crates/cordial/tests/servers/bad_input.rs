//! Mistakes in the use of a server: each gets an error or a panic that says what is wrong.

use std::future::pending;
use std::time::Duration;

use cordial::server::{Context, Handle, Later, Server, ServerRef, TryCastError};
use cordial::{ChildSpec, Exit, Refusal, StartError, Strategy, Supervisor, testing};
use tokio::time::Instant;

use crate::harness::children::{Log, settle};
use crate::work::{SECOND, Say, Slow, With, Worker, is_stopped};

#[test]
#[should_panic(expected = "a mailbox with room for 0 messages takes none; use at least `mailbox(1)`")]
fn a_mailbox_of_zero_panics() {
    testing::run(async { drop(Worker::builder(&Log::default()).mailbox(0).start()) });
}

/// The panic of the handler that makes this call.
async fn panic_of(f: impl FnOnce(&mut Context<Worker>) + Send + 'static) -> String {
    let server = Worker::start(&Log::default());
    let call = With(|ctx: &mut Context<Worker>| {
        f(ctx);
        std::future::ready(())
    });
    server.call(call).await.unwrap_err().to_string()
}

#[test]
fn a_period_or_an_idle_time_of_zero_panics_in_the_handler() {
    testing::run(async {
        let exit = panic_of(|ctx| ctx.every(Duration::ZERO, || Say("")).detach()).await;
        assert!(exit.contains("`every` with a period of zero would never let the server rest"), "{exit}");
        let exit = panic_of(|ctx| ctx.idle_timeout(Some(Duration::ZERO), || Say(""))).await;
        assert!(exit.contains("`idle_timeout` with a delay of zero would never let the server rest"), "{exit}");
    });
}

#[test]
fn a_message_to_a_server_that_is_gone_is_refused() {
    testing::run(async {
        let server = Worker::start(&Log::default());
        server.stop().await;
        let stopped = Exit::Refused(Refusal::ServerStopped);
        assert_eq!(server.call(Say("")).await, Err(stopped.clone()));
        assert_eq!(server.cast(Say("")).await, Err(stopped));
        let error = server.try_cast(Say("back")).unwrap_err();
        assert_eq!(error.to_string(), "the server has stopped, and is not started again; `ended` returns why");
        assert!(matches!(error, TryCastError::Stopped(Say("back"))));
    });
}

#[test]
fn a_message_to_a_server_whose_specification_is_dropped_is_refused() {
    testing::run(async {
        let (server, spec) = ChildSpec::server("worker", || Worker { log: Log::default() });
        let (answer, ()) = tokio::join!(server.call(Say("")), async {
            settle().await;
            drop(spec);
        });
        assert_eq!(answer, Err(Exit::Refused(Refusal::ServerStopped)));
        assert_eq!(server.ended().await, Exit::NoProcess);
    });
}

#[test]
fn the_reply_that_a_handler_returns_counts_and_not_one_that_it_drops() {
    struct Drops;
    struct Ask;
    impl Server for Drops {}
    impl Handle<Ask> for Drops {
        type Reply = Later<u8>;
        async fn handle(&mut self, _: Ask, ctx: &mut Context<Self>) -> Later<u8> {
            drop(ctx.reply_later(async { 1 }));
            ctx.reply_later(async { 2 })
        }
    }
    testing::run(async {
        let server = ServerRef::start(|| Drops);
        assert_eq!(server.call(Ask).await, Ok(2));
    });
}

#[test]
fn a_factory_that_panics_is_the_error_of_calls_and_of_the_tree() {
    testing::run(async {
        let server = ServerRef::<Worker>::start(|| panic!("no state"));
        let exit = server.call(Say("")).await.unwrap_err();
        assert!(exit.to_string().contains("no state"), "{exit}");
        let (server, spec) = ChildSpec::server::<Worker, _>("worker", || panic!("no state"));
        let error = Supervisor::builder(Strategy::OneForOne).child(spec).start().await.unwrap_err();
        assert!(matches!(&error, StartError::Child { id, exit } if &**id == "worker" && exit.is_panic()), "{error}");
        assert!(is_stopped(&server.call(Say("")).await));
    });
}

/// A server that fails to start, or hangs in its start.
struct NoStart(Option<&'static str>);

impl Server for NoStart {
    async fn started(&mut self, _: &mut Context<Self>) -> Result<(), Exit> {
        match self.0 {
            Some(why) => Err(why.into()),
            None => pending().await,
        }
    }
}

impl Handle<Say> for NoStart {
    type Reply = ();
    async fn handle(&mut self, _: Say, _: &mut Context<Self>) {}
}

#[test]
fn a_start_that_fails_or_hangs_is_the_error_of_calls_and_of_the_tree() {
    testing::run(async {
        let failing = ServerRef::start(|| NoStart(Some("no disk")));
        assert_eq!(failing.call(Say("")).await.unwrap_err().to_string(), "no disk");
        let (server, spec) = ChildSpec::server("worker", || NoStart(Some("no disk")));
        let error = Supervisor::builder(Strategy::OneForOne).child(spec).start().await.unwrap_err();
        assert!(error.to_string().contains("no disk"), "{error}");
        drop(server);
        let (server, spec) = ChildSpec::server("worker", || NoStart(None));
        let begun = Instant::now();
        let tree = Supervisor::builder(Strategy::OneForOne).child(spec.start_timeout(3 * SECOND)).start();
        let (error, waits) = tokio::join!(tree, server.call(Say("")));
        assert_eq!(error.unwrap_err(), StartError::TimedOut { id: "worker".into(), timeout: 3 * SECOND });
        assert!(waits.unwrap_err().to_string().contains("3s"));
        assert_eq!(begun.elapsed(), 3 * SECOND);
    });
}

#[test]
fn a_limit_of_zero_sends_nothing() {
    testing::run(async {
        let log = Log::default();
        let server = Worker::start(&log);
        assert!(server.call(Say("never")).timeout(Duration::ZERO).await.unwrap_err().is_timeout());
        assert!(server.cast(Say("never")).timeout(Duration::ZERO).await.unwrap_err().is_timeout());
        assert_eq!(server.call(Slow(1, "last")).timeout(Duration::MAX).await, Ok(()));
        assert_eq!(log.take(), "started last");
    });
}

//! Servers whose start fails or takes long, and what the errors of their callers say.

use std::future::pending;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use cordial::server::{Context, Handle, Server, ServerRef};
use cordial::{Backoff, ChildSpec, Exit, Restart, Strategy, Supervisor, Task, testing};
use tokio::time::Instant;
use tracing::Level;

use crate::harness::children::Log;
use crate::harness::events::capture;
use crate::harness::subprocess;
use crate::work::{Crash, SECOND, Say, Slow, SlowReply, Worker};

/// Keeps a connection that is refused until a time.
struct Keeper {
    back: Instant,
    log: Log,
}

impl Server for Keeper {
    async fn started(&mut self, _: &mut Context<Self>) -> Result<(), Exit> {
        if Instant::now() < self.back {
            self.log.push("refused");
            return Err("connection refused".into());
        }
        self.log.push("connected");
        Ok(())
    }
}

impl Handle<Say> for Keeper {
    type Reply = usize;
    async fn handle(&mut self, Say(text): Say, _: &mut Context<Self>) -> usize {
        self.log.push(text);
        text.len()
    }
}

fn keeper(log: &Log, back: Instant) -> impl FnMut() -> Keeper + Send + 'static {
    let log = log.clone();
    move || Keeper { back, log: log.clone() }
}

fn backoff() -> Backoff {
    Backoff::exponential(SECOND, SECOND)
}

/// Sends messages while the connection is refused, and one whose limit passes before it is back.
async fn sends_early(keeper: &ServerRef<Keeper>) {
    keeper.cast(Say("a")).await.unwrap();
    let short = keeper.call(Say("given-up")).timeout(Duration::from_millis(1500));
    let (short, queued, last) = tokio::join!(short, keeper.call(Say("bb")), keeper.call(Say("ccc")));
    let text = short.unwrap_err().to_string();
    assert!(text.contains(": the server was waiting for its supervisor to restart it; its last process had ended: connection refused; give it"), "{text}");
    assert_eq!((queued, last), (Ok(2), Ok(3)));
}

#[test]
fn a_keeper_whose_connection_is_refused_at_first_handles_what_was_sent_meanwhile() {
    testing::run(async {
        let log = Log::default();
        let create = keeper(&log, Instant::now() + 2 * SECOND);
        let alone = ServerRef::builder(create).restart(Restart::Permanent).backoff(backoff()).start();
        sends_early(&alone).await;
        assert_eq!(log.take(), "refused refused connected a bb ccc");
        assert_eq!((alone.mailbox().handled, alone.mailbox().skipped), (3, 1));
    });
    testing::run(async {
        let log = Log::default();
        let (in_tree, spec) = ChildSpec::server("keeper", keeper(&log, Instant::now() + 2 * SECOND));
        let tree = Supervisor::builder(Strategy::OneForOne).child(spec.backoff(backoff())).start();
        let (tree, ()) = tokio::join!(tree, sends_early(&in_tree));
        assert_eq!(log.take(), "refused refused connected a bb ccc");
        tree.unwrap().stop().await;
    });
}

#[test]
fn a_start_that_is_refused_and_tried_again_is_one_error_and_one_warning() {
    if !subprocess::is_isolated(test_name!()) {
        return;
    }
    let emitted = capture(|| {
        testing::run(async {
            let (_keeper, spec) = ChildSpec::server("keeper", keeper(&Log::default(), Instant::now() + SECOND));
            let tree = Supervisor::builder(Strategy::OneForOne).child(spec.backoff(backoff())).start().await;
            tree.unwrap().stop().await;
        });
    });
    let shown: Vec<_> = emitted.iter().filter(|event| event.level <= Level::WARN).collect();
    let [crash, restart] = shown[..] else { panic!("{shown:?}") };
    assert_eq!((crash.name, crash.level, crash.field("label")), ("crash", Level::ERROR, "keeper"));
    assert_eq!((restart.name, restart.level, restart.field("after_ms")), ("restart", Level::WARN, "1000"));
    for (event, why) in [(crash, "exit"), (restart, "reason")] {
        assert!(event.field(why).contains("connection refused"), "{event:?}");
    }
}

/// A server that fails to start: a task of its start calls the same server, and the error of that call is the exit of the server.
struct CallsItself(ServerCell);

type ServerCell = Arc<OnceLock<ServerRef<CallsItself>>>;

impl Server for CallsItself {
    async fn started(&mut self, _: &mut Context<Self>) -> Result<(), Exit> {
        let server = self.0.get().expect("set before it starts").clone();
        match Task::spawn(async move { server.call(Say("")).timeout(SECOND).await }).await? {
            Ok(()) => Ok(()),
            Err(exit) => Err(format!("no answer: {exit}").into()),
        }
    }
}

impl Handle<Say> for CallsItself {
    type Reply = ();
    async fn handle(&mut self, _: Say, _: &mut Context<Self>) {}
}

#[test]
fn the_error_of_a_limit_does_not_become_longer_with_each_restart() {
    testing::run(async {
        let cell = ServerCell::default();
        let of_server = cell.clone();
        let builder = ServerRef::builder(move || CallsItself(of_server.clone())).restart(Restart::Permanent);
        let server = builder.backoff(backoff()).start();
        assert!(cell.set(server.clone()).is_ok());
        for _ in 0..60 {
            let text = server.call(Say("")).await.unwrap_err().to_string();
            assert!(text.len() < 2000, "{} bytes", text.len());
        }
    });
}

/// An error that cannot be formatted.
#[derive(Debug)]
struct Unprintable;

impl std::fmt::Display for Unprintable {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        panic!("planned panic of Display")
    }
}

impl std::error::Error for Unprintable {}

/// Ends with an error that cannot be formatted.
struct EndsUnprintably;

impl Server for EndsUnprintably {
    async fn started(&mut self, _: &mut Context<Self>) -> Result<(), Exit> {
        Err(Exit::error(Unprintable))
    }
}

impl Handle<Say> for EndsUnprintably {
    type Reply = ();
    async fn handle(&mut self, _: Say, _: &mut Context<Self>) {}
}

#[test]
fn a_limit_that_passes_after_an_exit_that_cannot_be_formatted_is_a_timeout() {
    testing::run(async {
        let builder = ServerRef::builder(|| EndsUnprintably).restart(Restart::Permanent);
        let server = builder.backoff(Backoff::exponential(9 * SECOND, 9 * SECOND)).start();
        let text = server.call(Say("")).await.unwrap_err().to_string();
        assert!(text.contains("its last process had ended: an error whose `Display` panicked; give it"), "{text}");
    });
}

/// Never starts.
struct Hangs;

impl Server for Hangs {
    async fn started(&mut self, _: &mut Context<Self>) -> Result<(), Exit> {
        pending().await
    }
}

impl Handle<Say> for Hangs {
    type Reply = ();
    async fn handle(&mut self, _: Say, _: &mut Context<Self>) {}
}

#[test]
fn the_error_of_a_limit_says_what_the_server_was_doing() {
    testing::run(async {
        let builder = Worker::builder(&Log::default()).label("cache").restart(Restart::Permanent);
        let server = builder.backoff(Backoff::exponential(9 * SECOND, 9 * SECOND)).start();
        let text = server.call(Slow(2, "")).timeout(SECOND).await.unwrap_err().to_string();
        assert!(text.contains(" \"cache\", spawned at "), "{text}");
        assert!(text.contains("): the server was handling this message, `Slow`; give it another limit"), "{text}");
        // A message that waits behind another one.
        let text = server.call(Say("")).timeout(SECOND / 2).await.unwrap_err().to_string();
        assert!(text.contains("): the server was handling `Slow`; give it another limit"), "{text}");
        // A late answer: the server itself waits for messages.
        let text = server.call(SlowReply(9)).timeout(3 * SECOND).await.unwrap_err().to_string();
        let taken = "): the server had handled this message, `SlowReply`, but its `reply_later` (process <";
        assert!(text.contains(taken) && text.contains("work.rs:"), "{text}");
        assert!(text.contains(") had not replied yet; give it another limit"), "{text}");
        assert!(server.call(Crash("boom")).await.unwrap_err().is_panic());
        let text = server.call(Say("")).await.unwrap_err().to_string();
        assert!(
            text.contains(" \"cache\"): the server was waiting for its supervisor to restart it; its last"),
            "{text}"
        );
        assert!(text.contains("process had ended: ") && text.contains("boom"), "{text}");
    });
    testing::run(async {
        let hangs = ServerRef::start(|| Hangs);
        let text = hangs.call(Say("")).await.unwrap_err().to_string();
        assert!(text.contains("): the server was starting, and its `started` had not returned; give it"), "{text}");
        let (not_started, _spec) = ChildSpec::server("cache", || Hangs);
        let text = not_started.call(Say("")).await.unwrap_err().to_string();
        assert!(text.contains("(\"cache\"): no supervisor had started the server; give it"), "{text}");
    });
}

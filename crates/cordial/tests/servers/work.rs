//! A server for tests. Each type of message makes it do one thing: log, sleep, panic, stop, or reply later.

use std::time::Duration;

use cordial::server::{Context, ExitOf, Handle, Later, Server, ServerBuilder, ServerRef};
use cordial::{Exit, Refusal};

use crate::harness::children::Log;

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// Returns whether the message was refused because its server has stopped.
pub(crate) fn is_stopped<T>(answer: &Result<T, Exit>) -> bool {
    matches!(answer, Err(Exit::Refused(Refusal::ServerStopped)))
}

/// The server. It logs its start, its stop, and the texts of messages.
pub(crate) struct Worker {
    pub(crate) log: Log,
}

/// Logs a text. The reply is its length in bytes.
pub(crate) struct Say(pub(crate) &'static str);
/// Sleeps for this many seconds, then logs a text.
pub(crate) struct Slow(pub(crate) u64, pub(crate) &'static str);
/// Makes the handler panic with this message.
pub(crate) struct Crash(pub(crate) &'static str);
/// Stops the server with this exit after the handler has returned. The reply is `"ends"`.
pub(crate) struct End(pub(crate) Exit);
/// Replies after this many seconds. The server handles other messages meanwhile. With 13, the future of the reply panics.
pub(crate) struct SlowReply(pub(crate) u64);
/// Calls a function with the context, and replies with the output of the future that it returns.
pub(crate) struct With<F>(pub(crate) F);

impl Worker {
    pub(crate) fn builder(log: &Log) -> ServerBuilder<Worker> {
        let log = log.clone();
        ServerRef::builder(move || Worker { log: log.clone() })
    }

    pub(crate) fn start(log: &Log) -> ServerRef<Worker> {
        Worker::builder(log).start()
    }
}

impl Server for Worker {
    async fn started(&mut self, _: &mut Context<Self>) -> Result<(), Exit> {
        self.log.push("started");
        Ok(())
    }

    async fn stopping(&mut self, exit: &Exit) {
        self.log.push(match exit {
            Exit::Panic(report) => format!("stopping: {}", report.message()),
            exit => format!("stopping: {exit}"),
        });
    }
}

impl Handle<Say> for Worker {
    type Reply = usize;
    async fn handle(&mut self, Say(text): Say, _: &mut Context<Self>) -> usize {
        self.log.push(text);
        text.len()
    }
}

impl Handle<Slow> for Worker {
    type Reply = ();
    async fn handle(&mut self, Slow(seconds, text): Slow, _: &mut Context<Self>) {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        self.log.push(text);
    }
}

impl Handle<Crash> for Worker {
    type Reply = ();
    async fn handle(&mut self, Crash(text): Crash, _: &mut Context<Self>) {
        panic!("{text}");
    }
}

impl Handle<End> for Worker {
    type Reply = &'static str;
    async fn handle(&mut self, End(exit): End, ctx: &mut Context<Self>) -> &'static str {
        ctx.stop(exit);
        "ends"
    }
}

impl Handle<SlowReply> for Worker {
    type Reply = Later<u64>;
    async fn handle(&mut self, SlowReply(seconds): SlowReply, ctx: &mut Context<Self>) -> Later<u64> {
        let log = self.log.clone();
        ctx.reply_later(async move {
            let _guard = crate::harness::children::LogGuard::new(&log, "later");
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            assert!(seconds != 13, "unlucky");
            seconds
        })
    }
}

impl<F, Fut> Handle<With<F>> for Worker
where
    F: FnOnce(&mut Context<Self>) -> Fut + Send + 'static,
    Fut: Future<Output: Unpin + Send> + Send + 'static,
{
    type Reply = Fut::Output;
    async fn handle(&mut self, With(f): With<F>, ctx: &mut Context<Self>) -> Fut::Output {
        let future = f(ctx);
        future.await
    }
}

impl Handle<ExitOf> for Worker {
    type Reply = ();
    async fn handle(&mut self, ExitOf(_, exit): ExitOf, _: &mut Context<Self>) {
        self.log.push(format!("exit: {exit}"));
    }
}

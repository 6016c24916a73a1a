//! Timers of a server: once, again and again, and after idleness.

use std::time::Duration;

use cordial::server::{Context, Timer};
use cordial::testing;
use tokio::time::sleep;

use crate::harness::children::Log;
use crate::work::{Crash, SECOND, Say, Slow, With, Worker};

/// Runs a function in a handler.
async fn with<R: Send + Unpin + 'static>(
    server: &cordial::server::ServerRef<Worker>,
    f: impl FnOnce(&mut Context<Worker>) -> R + Send + 'static,
) -> R {
    server.call(With(|ctx: &mut Context<Worker>| std::future::ready(f(ctx)))).await.unwrap()
}

#[test]
fn a_message_comes_after_its_delay_and_only_once() {
    testing::run(async {
        let log = Log::default();
        let server = Worker::start(&log);
        with(&server, |ctx| ctx.send_after(2 * SECOND, Say("late")).detach()).await;
        with(&server, |ctx| ctx.send_after(SECOND, Say("early")).detach()).await;
        sleep(Duration::from_millis(1999)).await;
        assert_eq!(log.take(), "started early");
        sleep(10 * SECOND).await;
        assert_eq!(log.take(), "late");
    });
}

#[test]
fn dropping_a_timer_cancels_it() {
    testing::run(async {
        let log = Log::default();
        let server = Worker::start(&log);
        let once: Timer = with(&server, |ctx| ctx.send_after(SECOND, Say("never"))).await;
        let every: Timer = with(&server, |ctx| ctx.every(SECOND, || Say("tick"))).await;
        sleep(Duration::from_millis(500)).await;
        drop(once);
        sleep(2 * SECOND).await;
        drop(every);
        sleep(10 * SECOND).await;
        assert_eq!(log.take(), "started tick tick");
    });
}

#[test]
fn ticks_that_come_due_during_a_message_are_skipped() {
    testing::run(async {
        let log = Log::default();
        let server = Worker::start(&log);
        let _every: Timer = with(&server, |ctx| ctx.every(SECOND, || Say("tick"))).await;
        server.call(Slow(4, "slow")).await.unwrap();
        sleep(Duration::from_millis(1500)).await;
        // One tick for all that came due during the message, and the one of the next second.
        assert_eq!(log.take(), "started slow tick tick");
    });
}

#[test]
fn a_busy_timer_and_the_messages_of_the_mailbox_take_turns() {
    testing::run(async {
        let log = Log::default();
        let server = Worker::start(&log);
        let _every: Timer = with(&server, |ctx| ctx.every(SECOND, || Slow(3, "tick"))).await;
        for _ in 0..3 {
            server.cast(Slow(3, "mail")).await.unwrap();
        }
        sleep(20 * SECOND).await;
        assert_eq!(log.take(), "started mail tick mail tick mail tick");
    });
}

#[test]
fn the_idle_timeout_comes_when_no_message_has_come_for_so_long() {
    testing::run(async {
        let log = Log::default();
        let server = Worker::start(&log);
        with(&server, |ctx| ctx.idle_timeout(Some(3 * SECOND), || Say("idle"))).await;
        for _ in 0..3 {
            sleep(2 * SECOND).await;
            server.call(Say("busy")).await.unwrap();
        }
        sleep(Duration::from_millis(6500)).await;
        assert_eq!(log.take(), "started busy busy busy idle idle");
        with(&server, |ctx| ctx.idle_timeout(None, || Say("idle"))).await;
        sleep(10 * SECOND).await;
        assert_eq!(log.take(), "");
    });
}

#[test]
fn timers_end_with_their_incarnation() {
    testing::run(async {
        let log = Log::default();
        let server = Worker::builder(&log).restart(cordial::Restart::Permanent).start();
        with(&server, |ctx| ctx.send_after(SECOND, Say("never")).detach()).await;
        assert!(server.call(Crash("boom")).await.is_err());
        sleep(5 * SECOND).await;
        assert_eq!(log.take(), "started stopping: boom started");
    });
}

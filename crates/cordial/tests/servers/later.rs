//! Answers that follow after the handler has returned.

use std::sync::atomic::{AtomicBool, Ordering};

use cordial::server::{Context, Handle, Later, Server, ServerRef};
use cordial::{Exit, Restart, testing};
use tokio::time::{Instant, sleep};
use tracing::{Event, Metadata, Subscriber, span};

use crate::harness::children::{Log, settle};
use crate::harness::subprocess;
use crate::work::{Crash, SECOND, Say, SlowReply, Worker};

#[test]
fn the_next_message_is_handled_before_a_late_answer() {
    testing::run(async {
        let log = Log::default();
        let server = Worker::start(&log);
        let begun = Instant::now();
        let (later, at_once) = tokio::join!(server.call(SlowReply(2)), async {
            settle().await;
            let answer = server.call(Say("meanwhile")).await;
            assert!(begun.elapsed() < SECOND);
            answer
        });
        assert_eq!((later, at_once), (Ok(2), Ok(9)));
        assert_eq!(begun.elapsed(), 2 * SECOND);
    });
}

#[test]
fn the_caller_gets_the_exit_of_the_task_and_the_server_goes_on() {
    testing::run(async {
        let server = Worker::start(&Log::default());
        let exit = server.call(SlowReply(13)).timeout(20 * SECOND).await.unwrap_err();
        assert!(exit.to_string().contains("unlucky"), "{exit}");
        assert_eq!(server.call(Say("fine")).await, Ok(4));
    });
}

#[test]
fn a_caller_that_gives_up_ends_the_task() {
    testing::run(async {
        let log = Log::default();
        let server = Worker::start(&log);
        assert!(server.call(SlowReply(60)).timeout(SECOND).await.unwrap_err().is_timeout());
        settle().await;
        assert_eq!(log.take(), "started +later -later");
    });
}

#[test]
fn the_end_of_the_server_ends_its_tasks_and_their_callers_get_its_exit() {
    testing::run(async {
        let log = Log::default();
        let server = Worker::builder(&log).restart(Restart::Permanent).start();
        let (later, crash) = tokio::join!(server.call(SlowReply(60)).timeout(90 * SECOND), async {
            settle().await;
            server.call(Crash("boom")).await
        });
        assert_eq!(later, crash.map(|()| 0));
        assert!(later.unwrap_err().is_panic());
        settle().await;
        assert_eq!(log.take(), "started +later stopping: boom started -later");
    });
}

#[test]
fn a_late_answer_to_a_cast_runs_to_its_end() {
    testing::run(async {
        let log = Log::default();
        let server = Worker::start(&log);
        server.cast(SlowReply(2)).await.unwrap();
        sleep(SECOND).await;
        assert_eq!(log.take(), "started +later");
        sleep(2 * SECOND).await;
        assert_eq!(log.take(), "-later");
        assert_eq!(server.stop().await.to_string(), cordial::StopReport::default().to_string());
        assert_eq!(server.ended().await, Exit::Normal);
    });
}

/// A subscriber that panics at the next span or event after `PANICS` is set.
struct Faulty;

static PANICS: AtomicBool = AtomicBool::new(false);

impl Faulty {
    fn act() {
        assert!(!PANICS.swap(false, Ordering::SeqCst), "planned panic of a subscriber");
    }
}

impl Subscriber for Faulty {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        Faulty::act();
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, _: &Event<'_>) {
        Faulty::act();
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// A server whose late answer is started while the subscriber panics.
struct Unlucky;
struct Ask;

impl Server for Unlucky {}

impl Handle<Ask> for Unlucky {
    type Reply = Later<u8>;
    async fn handle(&mut self, _: Ask, ctx: &mut Context<Self>) -> Later<u8> {
        PANICS.store(true, Ordering::SeqCst);
        ctx.reply_later(async { 7 })
    }
}

#[test]
fn a_call_is_answered_although_the_subscriber_panics_when_its_late_answer_starts() {
    if !subprocess::is_isolated(test_name!()) {
        return;
    }
    tracing::subscriber::with_default(Faulty, || {
        testing::run(async {
            let server = ServerRef::start(|| Unlucky);
            let answer = server.call(Ask).await;
            assert!(!PANICS.load(Ordering::SeqCst), "the subscriber was asked");
            assert!(answer.clone().is_ok() || answer.clone().unwrap_err().is_panic(), "{answer:?}");
        });
    });
}

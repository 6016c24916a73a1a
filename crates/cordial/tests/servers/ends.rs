//! Answers and counters of a server that starts late, has a deadline, or ends.

use std::time::Duration;

use cordial::server::{Context, Handle, Server, ServerRef};
use cordial::{ChildSpec, Exit, Refusal, Restart, Strategy, Supervisor, Task, process, testing, within};
use tokio::time::sleep;

use crate::harness::children::{Log, settle};
use crate::harness::events::{capture, named};
use crate::harness::subprocess;
use crate::work::{Crash, End, SECOND, Say, SlowReply, With, Worker, is_stopped};

#[test]
fn a_temporary_server_in_a_tree_handles_what_was_sent_before_its_start() {
    testing::run(async {
        let (server, spec) = ChildSpec::server("worker", || Worker { log: Log::default() });
        let mut early = server.call(Say("before"));
        assert!(futures::poll!(&mut early).is_pending());
        let spec = spec.restart(Restart::Temporary);
        let tree = Supervisor::builder(Strategy::OneForOne).child(spec).start().await.unwrap();
        assert_eq!(early.await, Ok(6));
        assert!(server.call(Crash("boom")).await.unwrap_err().is_panic());
        assert!(is_stopped(&server.call(Say("late")).await));
        tree.stop().await;
    });
}

/// A server whose start takes longer than its idle timeout.
struct SlowStart(Log);

impl Server for SlowStart {
    async fn started(&mut self, ctx: &mut Context<Self>) -> Result<(), Exit> {
        ctx.idle_timeout(Some(SECOND), || Say("idle"));
        sleep(3 * SECOND).await;
        Ok(())
    }
}

impl Handle<Say> for SlowStart {
    type Reply = ();
    async fn handle(&mut self, Say(text): Say, _: &mut Context<Self>) {
        self.0.push(text);
    }
}

#[test]
fn the_idle_timeout_does_not_come_while_messages_wait() {
    testing::run(async {
        let log = Log::default();
        let of_server = log.clone();
        let server = ServerRef::start(move || SlowStart(of_server.clone()));
        server.call(Say("waits")).await.unwrap();
        assert_eq!(log.take(), "waits");
        sleep(SECOND + SECOND / 2).await;
        assert_eq!(log.take(), "idle");
    });
}

#[test]
fn a_message_counts_as_handled_even_if_a_timer_elapses_in_its_handler() {
    testing::run(async {
        let server = Worker::start(&Log::default());
        let timer = With(|ctx: &mut Context<Worker>| {
            ctx.send_after(SECOND, Say("")).detach();
            sleep(2 * SECOND)
        });
        server.call(timer).await.unwrap();
        settle().await;
        assert_eq!(server.mailbox().handled, 2);
    });
}

#[test]
fn a_handler_that_stops_its_own_server_goes_on_to_its_end() {
    testing::run(async {
        let log = Log::default();
        let server = Worker::builder(&log).restart(Restart::Permanent).start();
        stops_itself(&server, &log).await;
        let of_server = log.clone();
        let (server, spec) = ChildSpec::server("worker", move || Worker { log: of_server.clone() });
        let tree = Supervisor::builder(Strategy::OneForOne).child(spec.restart(Restart::Temporary)).start().await;
        stops_itself(&server, &log).await;
        tree.unwrap().stop().await;
    });
}

async fn stops_itself(server: &ServerRef<Worker>, log: &Log) {
    let stop = With(|ctx: &mut Context<Worker>| {
        let own = ctx.server();
        Box::pin(async move {
            let is_clean = own.stop().await.is_clean();
            sleep(SECOND).await;
            is_clean
        })
    });
    let (stop, queued) = tokio::join!(server.call(stop), server.call(Say("queued")));
    assert!(stop == Ok(true) && is_stopped(&queued), "{stop:?}, {queued:?}");
    assert_eq!(server.ended().await, Exit::Normal);
    settle().await;
    assert_eq!(log.take(), "started stopping: ended normally");
    assert!(is_stopped(&server.call(Say("late")).await));
}

#[test]
fn a_server_that_stops_itself_handles_no_further_message() {
    for restart in [Restart::Temporary, Restart::Permanent] {
        testing::run(async move {
            let log = Log::default();
            let server = Worker::builder(&log).restart(restart).start();
            let stop = With(|ctx: &mut Context<Worker>| {
                ctx.send_after(Duration::ZERO, Say("timer")).detach();
                let own = ctx.server();
                Box::pin(async move { own.stop().await.is_clean() })
            });
            let (stop, queued, cast) =
                tokio::join!(server.call(stop), server.call(Say("queued")), server.cast(Say("cast")));
            assert_eq!((stop, cast), (Ok(true), Ok(())));
            assert!(is_stopped(&queued), "{queued:?}");
            assert_eq!(server.ended().await, Exit::Normal);
            settle().await;
            assert_eq!(log.take(), "started stopping: ended normally");
        });
    }
}

#[test]
fn a_server_that_stops_itself_while_a_tree_takes_it_over_is_started_again() {
    for (seed, n_yields) in (0..10).flat_map(|seed| (0..20).map(move |n| (seed, n))) {
        testing::run_seeded(seed, async move {
            let server = Worker::start(&Log::default());
            settle().await;
            let stop = With(|ctx: &mut Context<Worker>| {
                let own = ctx.server();
                Box::pin(async move { own.stop().await.is_clean() })
            });
            let spec = server.child_spec();
            let tree = async {
                for _ in 0..n_yields {
                    tokio::task::yield_now().await;
                }
                Supervisor::builder(Strategy::OneForOne).child(spec).start().await.unwrap()
            };
            let (stop, tree) = tokio::join!(server.call(stop), tree);
            assert_eq!(stop, Ok(true));
            settle().await;
            assert_eq!(server.call(Say("next")).await, Ok(4), "{n_yields}");
            tree.stop().await;
        });
    }
}

#[test]
fn the_caller_of_a_late_answer_learns_that_the_message_was_handled_when_the_server_ends_without_a_fault() {
    fn assert_begun(answer: Result<u64, Exit>, ended: &str) {
        let text = format!("{:#}", answer.unwrap_err());
        assert_eq!(
            text,
            format!(
                "not answered: the server ended after it had begun to handle the message, which may have had effects: {ended}"
            )
        );
    }
    testing::run(async {
        let server = Worker::start(&Log::default());
        let (later, ()) = tokio::join!(server.call(SlowReply(60)).timeout(90 * SECOND), async {
            settle().await;
            server.call(End(Exit::Normal)).await.unwrap();
        });
        assert_begun(later, "ended normally");
        let server = Worker::start(&Log::default());
        let (later, ()) = tokio::join!(server.call(SlowReply(60)).timeout(90 * SECOND), async {
            settle().await;
            process::exit(server.pid(), Exit::Shutdown(None));
        });
        assert_begun(later, "was shut down");

        // The server ends with a refusal that it got elsewhere. The caller must not get it as it is: its own message was not refused.
        let server = Worker::start(&Log::default());
        let (later, ()) = tokio::join!(server.call(SlowReply(60)).timeout(90 * SECOND), async {
            settle().await;
            server.call(End(Exit::Refused(Refusal::SupervisorFull))).await.unwrap();
        });
        assert_begun(later, &Refusal::SupervisorFull.to_string());

        // A handler that is dropped in the middle: a linked process passes on its orderly exit.
        let server = Worker::start(&Log::default());
        let linked = With(|_: &mut Context<Worker>| {
            Task::start_link(async { cordial::exit(Exit::Shutdown(None)).await });
            sleep(SECOND)
        });
        let exit = server.call(linked).await.unwrap_err();
        assert!(exit.downcast_ref() == Some(&Exit::Shutdown(None)), "{exit:#}");
    });
}

/// A server that panics in its handler, and then in `stopping`.
struct Twice;

impl Server for Twice {
    async fn stopping(&mut self, _: &Exit) {
        panic!("second");
    }
}

impl Handle<Say> for Twice {
    type Reply = ();
    async fn handle(&mut self, _: Say, _: &mut Context<Self>) {
        panic!("first");
    }
}

#[test]
fn the_panic_of_a_handler_is_kept_when_stopping_panics_too() {
    if !subprocess::is_isolated(test_name!()) {
        return;
    }
    let emitted = capture(|| {
        testing::run(async {
            let server = ServerRef::start(|| Twice);
            let exit = server.call(Say("")).await.unwrap_err();
            assert!(exit.to_string().contains("first"), "{exit}");
        });
    });
    let lost = named(&emitted, "lost_panic");
    assert_eq!(lost.len(), 1, "{emitted:?}");
    assert!(lost[0].field("exit").contains("second"), "{lost:?}");
}

#[test]
fn nothing_is_sent_after_the_deadline_of_the_scope() {
    testing::run(async {
        let log = Log::default();
        let other = Worker::start(&log);
        let sends = async {
            let call = other.call(Say("call")).await.unwrap_err();
            (call, other.cast(Say("cast")).await.unwrap_err())
        };
        let (call, cast) = within(Duration::ZERO, sends).await.unwrap();
        assert!(call.is_timeout() && cast.is_timeout(), "{call}, {cast}");
        settle().await;
        assert_eq!(log.take(), "started");
    });
}

#[test]
fn a_server_that_has_ended_leaves_no_process() {
    testing::run(async {
        for end in [Exit::Normal, Exit::from("broken")] {
            let server = Worker::start(&Log::default());
            server.call(End(end)).await.unwrap();
            server.ended().await;
            settle().await;
            let shown = process::snapshot().to_string();
            assert!(shown.starts_with("1 process"), "{shown}");
            assert!(server.stop().await.is_clean());
        }
    });
}

//! Calls: the answer, the limit, and servers that wait for each other.

use std::time::Duration;

use cordial::server::{Context, Handle, Server, ServerRef};
use cordial::{Exit, Shutdown, Task, Timeout, testing};
use tokio::time::{Instant, sleep};

use crate::harness::children::{Log, settle};
use crate::harness::events::{capture, named};
use crate::harness::subprocess;
use crate::work::{Crash, End, SECOND, Say, Slow, With, Worker, is_stopped};

#[test]
fn messages_are_handled_one_at_a_time_in_order() {
    testing::run(async {
        let log = Log::default();
        let server = Worker::start(&log);
        server.cast(Slow(1, "first")).await.unwrap();
        server.cast(Say("second")).await.unwrap();
        assert_eq!(server.call(Say("third")).await, Ok(5));
        assert_eq!(log.take(), "started first second third");
    });
}

#[test]
fn the_limit_of_a_call_covers_the_queue_and_the_handler() {
    testing::run(async {
        let log = Log::default();
        let server = Worker::start(&log);
        server.cast(Slow(3, "before")).await.unwrap();
        let begun = Instant::now();
        let exit = server.call(Slow(3, "late")).await.unwrap_err();
        assert_eq!(begun.elapsed(), 5 * SECOND);
        let Exit::Timeout(timed_out) = &exit else { panic!("{exit}") };
        assert_eq!(timed_out.pid(), server.pid());
        assert_eq!(server.call(Say("next")).timeout(Timeout::Infinity).await, Ok(4));
        assert_eq!(log.take(), "started before late next");
    });
}

#[test]
fn the_limit_counts_from_the_first_poll() {
    testing::run(async {
        let server = Worker::start(&Log::default());
        let call = server.call(Slow(1, "")).timeout(2 * SECOND);
        tokio::time::sleep(10 * SECOND).await;
        assert_eq!(call.await, Ok(()));
    });
}

#[test]
fn a_call_whose_limit_has_passed_is_skipped_and_counted() {
    testing::run(async {
        let log = Log::default();
        let server = Worker::start(&log);
        server.cast(Slow(3, "slow")).await.unwrap();
        assert!(server.call(Say("given up")).timeout(SECOND).await.unwrap_err().is_timeout());
        assert_eq!(server.call(Say("last")).await, Ok(4));
        assert_eq!(log.take(), "started slow last");
        settle().await;
        let mailbox = server.mailbox();
        assert_eq!((mailbox.handled, mailbox.skipped, mailbox.length), (2, 1, 0));
    });
}

#[test]
fn a_call_whose_future_was_dropped_or_whose_process_has_ended_is_skipped() {
    testing::run(async {
        let log = Log::default();
        let server = Worker::start(&log);
        server.cast(Slow(3, "slow")).await.unwrap();
        let mut dropped = server.call(Say("dropped"));
        assert!(futures::poll!(&mut dropped).is_pending());
        drop(dropped);
        let of_task = server.clone();
        let task = Task::spawn(async move { of_task.call(Say("of a task")).await });
        settle().await;
        assert_eq!(server.mailbox().length, 2);
        assert_eq!(task.shutdown(Shutdown::BrutalKill).await, None);
        assert_eq!(server.call(Say("last")).await, Ok(4));
        assert_eq!(log.take(), "started slow last");
        assert_eq!(server.mailbox().skipped, 2);
    });
}

#[test]
fn a_call_that_is_not_polled_sends_nothing() {
    testing::run(async {
        let log = Log::default();
        let server = Worker::start(&log);
        drop(server.call(Say("never")));
        drop(server.cast(Say("never")));
        assert_eq!(server.call(Say("last")).await, Ok(4));
        assert_eq!(log.take(), "started last");
    });
}

#[test]
fn an_answer_has_one_receiver_and_is_dropped_when_it_comes_late() {
    testing::run(async {
        let server = Worker::start(&Log::default());
        assert!(server.call(Slow(3, "late")).timeout(SECOND).await.unwrap_err().is_timeout());
        // The late answer to the first call does not reach the second one.
        assert_eq!(server.call(Say("four")).await, Ok(4));
    });
}

#[test]
fn the_caller_of_a_message_whose_handler_panics_gets_the_panic() {
    testing::run(async {
        let log = Log::default();
        let server = Worker::start(&log);
        let exit = server.call(Crash("no luck")).await.unwrap_err();
        let Exit::Panic(report) = &exit else { panic!("{exit}") };
        assert_eq!(report.message(), "no luck");
        assert!(report.location().file().ends_with("work.rs"));
        assert_eq!(server.ended().await, exit);
        assert_eq!(log.take(), "started stopping: no luck");
    });
}

#[test]
fn when_no_supervisor_restarts_the_server_all_waiting_callers_get_its_exit_at_once() {
    testing::run(async {
        let server = Worker::builder(&Log::default()).mailbox(2).start();
        let begun = Instant::now();
        server.cast(Slow(1, "")).await.unwrap();
        settle().await;
        let crash = server.call(Crash("no luck"));
        let (queued, waiting, cast) = (server.call(Say("b")), server.call(Say("c")), server.cast(Say("d")));
        let (crash, queued, waiting, cast) = tokio::join!(crash, queued, waiting, cast);
        assert_eq!(begun.elapsed(), SECOND);
        for result in [crash.map(drop), queued.map(drop), waiting.map(drop), cast] {
            assert!(result.unwrap_err().is_panic());
        }
        assert!(is_stopped(&server.call(Say("later")).await));
        assert!(is_stopped(&server.cast(Say("later")).await));
    });
}

#[test]
fn the_call_that_stops_the_server_is_answered() {
    testing::run(async {
        let server = Worker::start(&Log::default());
        let (ends, queued) = tokio::join!(server.call(End(Exit::from("enough"))), server.call(Say("queued")));
        assert_eq!(ends, Ok("ends"));
        assert_eq!(queued.unwrap_err().to_string(), "enough");
        assert_eq!(server.ended().await.to_string(), "enough");
    });
}

#[test]
fn a_server_that_calls_itself_is_answered_at_once() {
    testing::run(async {
        let server = Worker::builder(&Log::default()).label("cache").start();
        let begun = Instant::now();
        let call_itself = With(|ctx: &mut Context<Worker>| {
            let own = ctx.server();
            async move { own.call(Say("itself")).await }
        });
        let exit = server.call(call_itself).await.unwrap().unwrap_err();
        assert_eq!(begun.elapsed(), Duration::ZERO);
        assert!(matches!(exit, Exit::Error(_)));
        let text = exit.to_string();
        assert!(text.contains(&format!("\"cache\" {}", server.pid())), "{text}");
        assert!(text.contains("`With") && text.contains("`Say`"), "{text}");
        assert_eq!(server.call(Say("goes on")).await, Ok(7));
    });
}

#[test]
fn a_server_that_waits_for_room_in_its_own_mailbox_is_answered_at_once() {
    testing::run(async {
        let server = Worker::builder(&Log::default()).mailbox(1).start();
        let fill_itself = With(|ctx: &mut Context<Worker>| {
            let own = ctx.server();
            async move { (own.cast(Say("fits")).await, own.cast(Say("too much")).await) }
        });
        let (fits, too_much) = server.call(fill_itself).await.unwrap();
        assert_eq!(fits, Ok(()));
        assert!(matches!(too_much, Err(Exit::Error(_))));
    });
}

/// Calls its partner.
struct Partner;
struct CallTo(ServerRef<Partner>, Option<ServerRef<Partner>>);

impl Server for Partner {}

impl Handle<CallTo> for Partner {
    type Reply = Result<(), Exit>;
    async fn handle(&mut self, CallTo(next, back): CallTo, _: &mut Context<Self>) -> Result<(), Exit> {
        match back {
            Some(back) => next.call(CallTo(back, None)).await?,
            None => next.call(CallTo(next.clone(), None)).await?,
        }
    }
}

#[test]
fn servers_that_wait_for_each_other_are_answered_at_the_limit_and_the_event_names_the_cycle() {
    if !subprocess::is_isolated(test_name!()) {
        return;
    }
    let emitted = capture(|| {
        testing::run(async {
            let start = |label| ServerRef::builder(|| Partner).label(label).start();
            let (a, b) = (start("a"), start("b"));
            let begun = Instant::now();
            let answer = a.call(CallTo(b.clone(), Some(a.clone()))).timeout(Timeout::Infinity).await.unwrap();
            assert!(answer.unwrap_err().is_timeout());
            assert_eq!(begun.elapsed(), 5 * SECOND);
        });
    });
    let cycles = named(&emitted, "call_cycle");
    assert!(!cycles.is_empty());
    let names = labels_of(cycles[0].field("cycle"));
    assert!(names == ["\"a\"", "\"b\"", "\"a\""] || names == ["\"b\"", "\"a\"", "\"b\""], "{names:?}");
}

fn labels_of(cycle: &str) -> Vec<&str> {
    cycle.split(" -> ").map(|name| name.split(' ').next().unwrap()).collect()
}

struct Along(Vec<ServerRef<Partner>>);

impl Handle<Along> for Partner {
    type Reply = Result<(), Exit>;
    async fn handle(&mut self, Along(mut servers): Along, _: &mut Context<Self>) -> Result<(), Exit> {
        let next = servers.remove(0);
        next.call(Along(servers)).await?
    }
}

#[test]
fn a_cycle_of_three_servers_is_reported_even_if_two_of_its_calls_are_being_handled() {
    if !subprocess::is_isolated(test_name!()) {
        return;
    }
    let emitted = capture(|| {
        testing::run(async {
            let start = |label| ServerRef::builder(|| Partner).label(label).start();
            let (a, b, c) = (start("a"), start("b"), start("c"));
            let answer = a.call(Along(vec![b, c, a.clone()])).timeout(Timeout::Infinity).await.unwrap();
            assert!(answer.unwrap_err().is_timeout());
        });
    });
    let cycles = named(&emitted, "call_cycle");
    let mut names = labels_of(cycles[0].field("cycle"));
    assert_eq!(names.pop(), Some(names[0]));
    names.sort_unstable();
    assert_eq!(names, ["\"a\"", "\"b\"", "\"c\""]);
}

#[test]
fn a_call_that_was_given_up_is_no_part_of_a_cycle() {
    if !subprocess::is_isolated(test_name!()) {
        return;
    }
    let emitted = capture(|| {
        testing::run(async {
            let (a, b) = (Worker::start(&Log::default()), Worker::start(&Log::default()));
            let (to_a, to_b) = (a.clone(), b.clone());
            // The call to `b` is given up after 1 s, and is still in its mailbox when the limit of the call to `a` passes, after 3 s.
            let of_a = With(|_: &mut Context<Worker>| async move {
                let answer = to_b.call(Say("to b")).timeout(SECOND).await;
                sleep(10 * SECOND).await;
                answer
            });
            let of_b = With(|_: &mut Context<Worker>| async move {
                sleep(2 * SECOND).await;
                to_a.call(Say("to a")).timeout(SECOND).await
            });
            let (of_b, of_a) = tokio::join!(b.call(of_b), a.call(of_a).timeout(60 * SECOND));
            for answer in [of_a, of_b] {
                assert!(answer.unwrap().unwrap_err().is_timeout());
            }
        });
    });
    assert!(named(&emitted, "call_cycle").is_empty(), "{emitted:?}");
}

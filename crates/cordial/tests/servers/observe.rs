//! What snapshots and events show of a server.

use std::time::Duration;

use cordial::{ChildSpec, Strategy, Supervisor, Task, process, testing};

use crate::harness::children::{Log, settle};
use crate::harness::events::{capture, named};
use crate::harness::subprocess;
use crate::work::{Crash, SECOND, Say, Slow, Worker};

#[test]
fn info_and_snapshots_show_the_mailbox() {
    testing::run(async {
        let server = Worker::builder(&Log::default()).label("worker").mailbox(2).start();
        server.cast(Slow(10, "")).await.unwrap();
        settle().await;
        server.cast(Say("")).await.unwrap();
        tokio::time::sleep(3 * SECOND).await;
        assert!(server.call(Say("")).timeout(SECOND).await.is_err());
        let mut waits = server.cast(Say(""));
        assert!(futures::poll!(&mut waits).is_pending());
        let mailbox = process::info(server.pid()).unwrap().mailbox.unwrap();
        assert_eq!(mailbox, server.mailbox());
        assert_eq!((mailbox.length, mailbox.capacity, mailbox.waiting), (2, 2, 1));
        assert_eq!((mailbox.oldest, mailbox.in_hand), (Some(4 * SECOND), Some("Slow")));
        let shown = process::snapshot().to_string();
        let line = "mailbox 2 of 2, 1 waiting for room, oldest 4s, 0 handled, 0 skipped";
        assert!(shown.contains(&format!("worker {}: {line}", server.pid())), "{shown}");
        tokio::time::sleep(6 * SECOND).await;
        let mailbox = server.mailbox();
        assert_eq!((mailbox.length, mailbox.handled, mailbox.skipped), (0, 3, 1));
        let other = process::info(process::current().unwrap()).unwrap();
        assert_eq!(other.mailbox, None);
        drop(waits);
    });
}

#[test]
fn a_full_mailbox_is_an_event_once_until_it_was_half_empty() {
    if !subprocess::is_isolated(test_name!()) {
        return;
    }
    let emitted = capture(|| {
        testing::run(async {
            let server = Worker::builder(&Log::default()).label("worker").mailbox(2).start();
            for _ in 0..2 {
                server.cast(Slow(1, "")).await.unwrap();
                settle().await;
                for _ in 0..4 {
                    server.cast(Say("")).await.unwrap();
                }
                tokio::time::sleep(Duration::from_secs(5)).await;
            }
        });
    });
    let full = named(&emitted, "mailbox_full");
    assert_eq!(full.len(), 2, "{full:?}");
    let fields = ["label", "capacity", "in_hand", "message_type"].map(|field| full[0].field(field));
    assert_eq!(fields, ["worker", "2", "Slow", "Say"]);
}

#[test]
fn crashes_restarts_and_the_last_crash_of_a_server_are_events() {
    if !subprocess::is_isolated(test_name!()) {
        return;
    }
    let emitted = capture(|| {
        testing::run(async {
            let (server, spec) = ChildSpec::server("cache", || Worker { log: Log::default() });
            let tree = Supervisor::builder(Strategy::OneForOne).max_restarts(1, 5 * SECOND).unlinked().child(spec);
            let tree = tree.start().await.unwrap();
            for text in ["one", "two"] {
                assert!(server.call(Crash(text)).await.unwrap_err().is_panic());
            }
            tree.ended().await;
        });
    });
    let texts = |name, field| named(&emitted, name).into_iter().map(|event| event.field(field)).collect::<Vec<_>>();
    assert_eq!(texts("crash", "label"), ["cache", "cache"], "{emitted:?}");
    assert_eq!(texts("restart", "child"), ["cache"]);
    assert!(
        texts("restart", "reason")[0].contains("one") && texts("give_up", "reason")[0].contains("two"),
        "{emitted:?}"
    );
    assert_eq!(texts("give_up", "child"), ["cache"]);
}

#[test]
fn casts_to_a_server_that_is_never_started_are_an_event_that_names_the_child() {
    if !subprocess::is_isolated(test_name!()) {
        return;
    }
    let emitted = capture(|| {
        testing::run(async {
            let (server, spec) = ChildSpec::server("cache", || Worker { log: Log::default() });
            server.cast(Say("dropped")).await.unwrap();
            drop(spec);
        });
    });
    let dropped = named(&emitted, "casts_dropped");
    let fields = ["pid", "label", "dropped"].map(|field| dropped[0].field(field));
    assert_eq!(fields, ["", "cache", "1"]);
    assert!(dropped[0].field("message").starts_with("a server was never started"), "{dropped:?}");
}

#[test]
fn casts_that_a_stop_drops_are_an_event() {
    if !subprocess::is_isolated(test_name!()) {
        return;
    }
    let emitted = capture(|| {
        testing::run(async {
            let log = Log::default();
            let server = Worker::builder(&log).label("worker").mailbox(3).start();
            server.cast(Slow(1, "slow")).await.unwrap();
            settle().await;
            server.cast(Say("dropped")).await.unwrap();
            let call = Task::spawn(server.call(Say("refused")));
            settle().await;
            server.cast(Say("dropped")).await.unwrap();
            // Its sender gets the error.
            let mut waits = server.cast(Say("waits for room"));
            assert!(futures::poll!(&mut waits).is_pending());
            server.stop().await;
            assert!(call.await.unwrap().is_err() && waits.await.is_err());

            let server = Worker::start(&log);
            server.cast(Say("handled")).await.unwrap();
            server.call(Say("last")).await.unwrap();
            server.stop().await;
        });
    });
    let dropped = named(&emitted, "casts_dropped");
    assert_eq!(dropped.len(), 1, "{dropped:?}");
    assert_eq!(["label", "dropped"].map(|field| dropped[0].field(field)), ["worker", "2"]);
}

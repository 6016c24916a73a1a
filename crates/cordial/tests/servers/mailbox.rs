//! The bound of the mailbox, and senders that wait for room.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{self, Waker};

use cordial::server::{Cast, Context, Handle, Server, ServerRef, TryCastError};
use cordial::{Exit, Task, testing};
use futures::poll;
use tokio::time::Instant;

use crate::harness::children::{Log, settle};
use crate::work::{SECOND, Say, Slow, With, Worker, is_stopped};

#[test]
fn the_mailbox_has_room_for_1024_messages_by_default() {
    testing::run(async {
        let server = Worker::start(&Log::default());
        server.cast(Slow(1, "")).await.unwrap();
        settle().await;
        for _ in 0..1024 {
            server.try_cast(Say("")).unwrap();
        }
        assert!(matches!(server.try_cast(Say("back")), Err(TryCastError::Full(Say("back")))));
        let mailbox = server.mailbox();
        assert_eq!((mailbox.length, mailbox.capacity), (1024, 1024));
    });
}

#[test]
fn senders_get_room_in_the_order_in_which_they_came() {
    testing::run(async {
        let log = Log::default();
        let server = Worker::builder(&log).mailbox(1).start();
        server.cast(Slow(1, "in-hand")).await.unwrap();
        settle().await;
        server.cast(Say("queued")).await.unwrap();
        let names = ["a", "b", "c", "d"];
        let mut tasks = Vec::new();
        for (i, name) in names.into_iter().enumerate() {
            let server = server.clone();
            tasks.push(Task::spawn(async move {
                if i % 2 == 0 { server.cast(Say(name)).await } else { server.call(Say(name)).await.map(drop) }
            }));
            settle().await;
        }
        assert_eq!(server.mailbox().waiting, 4);
        assert!(server.try_cast(Say("overtakes")).is_err());
        for result in Task::await_many(tasks).await.unwrap() {
            result.unwrap();
        }
        settle().await;
        assert_eq!(log.take(), "started in-hand queued a b c d");
    });
}

#[test]
fn a_cast_that_finds_no_room_ends_at_its_limit_and_its_message_is_not_handled() {
    testing::run(async {
        let log = Log::default();
        let server = Worker::builder(&log).mailbox(1).start();
        server.cast(Slow(20, "in-hand")).await.unwrap();
        settle().await;
        server.cast(Say("queued")).await.unwrap();
        let begun = Instant::now();
        assert!(matches!(server.cast(Say("default")).await, Err(Exit::Timeout(_))));
        assert_eq!(begun.elapsed(), 5 * SECOND);
        assert!(server.cast(Say("short")).timeout(SECOND).await.unwrap_err().is_timeout());
        let mut dropped = server.cast(Say("dropped"));
        assert!(futures::poll!(&mut dropped).is_pending());
        drop(dropped);
        let mut call = server.call(Say("a call"));
        assert!(futures::poll!(&mut call).is_pending());
        drop(call);
        assert_eq!(server.mailbox().waiting, 0);
        tokio::time::sleep(20 * SECOND).await;
        assert_eq!(log.take(), "started in-hand queued");
        // Messages that have never got room are not counted.
        assert_eq!(server.mailbox().skipped, 0);
    });
}

/// The server takes all messages of the queue at once, and handles them one after the other.
#[test]
fn messages_that_the_server_has_taken_and_not_begun_occupy_room() {
    testing::run(async {
        let log = Log::default();
        let server = Worker::builder(&log).mailbox(3).start();
        server.cast(Slow(2, "in-hand")).await.unwrap();
        settle().await;
        server.try_cast(Slow(2, "a")).unwrap();
        server.try_cast(Say("b")).unwrap();
        server.try_cast(Say("c")).unwrap();
        assert!(server.try_cast(Say("full")).is_err());
        tokio::time::sleep(3 * SECOND).await;
        assert_eq!((server.mailbox().length, server.mailbox().in_hand), (2, Some("Slow")));
        server.try_cast(Say("d")).unwrap();
        assert!(server.try_cast(Say("full")).is_err());
        server.cast(Say("e")).await.unwrap();
        settle().await;
        assert_eq!(log.take(), "started in-hand a b c d e");
    });
}

/// A cast that is polled once more when this is dropped.
struct PollsOnDrop(Arc<Mutex<Option<Cast>>>);

impl Drop for PollsOnDrop {
    fn drop(&mut self) {
        let mut cast = self.0.lock().unwrap();
        let polled = Pin::new(cast.as_mut().unwrap()).poll(&mut task::Context::from_waker(Waker::noop()));
        assert!(polled.is_pending());
    }
}

/// The limit of a cast passes after the mailbox has removed the message, and before the cast has its result. In a program another thread
/// polls the cast at that moment; here the destructor of an earlier message does.
#[test]
fn a_limit_that_passes_while_the_mailbox_answers_the_cast_leaves_its_result() {
    testing::run(async {
        let server = Worker::builder(&Log::default()).mailbox(1).start();
        server.cast(Slow(3, "")).await.unwrap();
        settle().await;
        server.cast(Say("queued")).await.unwrap();
        let late = Arc::new(Mutex::new(None));
        let guard = PollsOnDrop(late.clone());
        let mut first = server.cast(With(move |_: &mut Context<Worker>| {
            drop(guard);
            std::future::ready(())
        }));
        assert!(poll!(&mut first).is_pending());
        let mut second = server.cast(Say("second")).timeout(SECOND);
        // Not with the waker of this process, so that the limit has a timer of its own, which passes wherever the cast is polled.
        assert!(Pin::new(&mut second).poll(&mut task::Context::from_waker(Waker::noop())).is_pending());
        *late.lock().unwrap() = Some(second);
        assert!(server.stop().await.is_clean());
        let second = late.lock().unwrap().take().unwrap();
        assert!(is_stopped(&second.await));
    });
}

#[test]
fn the_mailbox_shows_how_long_its_oldest_message_has_waited() {
    testing::run(async {
        let server = Worker::start(&Log::default());
        server.cast(Slow(10, "")).await.unwrap();
        settle().await;
        assert_eq!(server.mailbox().oldest, None);
        server.cast(Say("")).await.unwrap();
        tokio::time::sleep(2 * SECOND).await;
        server.cast(Say("")).await.unwrap();
        tokio::time::sleep(SECOND).await;
        let mailbox = server.mailbox();
        assert_eq!((mailbox.length, mailbox.oldest, mailbox.in_hand), (2, Some(3 * SECOND), Some("Slow")));
    });
}

#[test]
fn a_process_that_casts_in_a_loop_lets_the_server_handle_messages() {
    testing::run(async {
        let server = Worker::start(&Log::default());
        for _ in 0..1000 {
            server.cast(Say("again")).await.unwrap();
        }
        assert!(
            server.mailbox().length < 1000,
            "the mailbox has room for all of them, so only a turn of the server takes one"
        );
    });
}

/// Only the name of a type that is a path is shortened.
#[test]
fn a_message_that_is_a_tuple_has_its_whole_name() {
    struct Busy;
    impl Server for Busy {}
    impl<M: Send + 'static> Handle<M> for Busy {
        type Reply = ();
        async fn handle(&mut self, _: M, _: &mut Context<Self>) {
            std::future::pending().await
        }
    }
    testing::run(async {
        let (of_tuple, of_array) = (ServerRef::start(|| Busy), ServerRef::start(|| Busy));
        let exits = [of_tuple.call((0_u8, vec![0_u8])).await, of_array.call([String::new()]).await];
        let names = ["(u8, alloc::vec::Vec<u8>)", "[alloc::string::String; 1]"];
        assert_eq!([of_tuple.mailbox().in_hand, of_array.mailbox().in_hand], names.map(Some));
        for (exit, name) in exits.iter().zip(names) {
            let exit = exit.as_ref().unwrap_err().to_string();
            assert!(exit.contains(&format!("`{name}`")), "{exit}");
        }
    });
}

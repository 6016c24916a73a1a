//! A process that sends one message after another reuses the memory of the last message. No message sees anything of another one.

use std::future::{pending, poll_fn};
use std::sync::Arc;
use std::task::Poll;

use cordial::server::{Context, Handle, Server, ServerRef};
use cordial::{ChildSpec, Exit, Inherited, Task, Timeout, testing};
use futures::FutureExt as _;
use futures::future::join;

use crate::harness::children::Log;
use crate::harness::limited;
use crate::work::{Crash, SECOND, Say, Slow, SlowReply, Worker};

/// Answers with what it gets. It has a number, which its messages name.
struct Echo(u8);

impl Server for Echo {}

impl<T: Send + Unpin + 'static> Handle<(u8, T)> for Echo {
    type Reply = T;
    async fn handle(&mut self, (to, value): (u8, T), _: &mut Context<Self>) -> T {
        assert_eq!(to, self.0, "a message for another server");
        value
    }
}

/// Calls of several types, to several servers, one after the other and two at a time.
async fn mixed_calls(rounds: u64) {
    let servers = [ServerRef::start(|| Echo(0)), ServerRef::start(|| Echo(1))];
    for n in 0..rounds {
        let to = u8::from(n % 3 == 0);
        let (server, other) = (&servers[usize::from(to)], &servers[usize::from(1 - to)]);
        assert_eq!(server.call((to, n)).await, Ok(n));
        assert_eq!(server.call((to, n)).await, Ok(n));
        assert_eq!(other.call((1 - to, n)).await, Ok(n));
        other.cast((1 - to, n)).await.unwrap();
        server.cast((to, n)).await.unwrap();
        if n % 4 == 0 {
            assert_eq!(server.call((to, n.to_string())).await, Ok(n.to_string()));
        }
        let two = join(servers[0].call((0, n)), servers[1].call((1, n + 1))).await;
        assert_eq!(two, (Ok(n), Ok(n + 1)));
        let given_up = server.call((to, n + 2));
        if n % 5 == 0 {
            drop(given_up);
        } else {
            assert!(given_up.now_or_never().is_none_or(|answer| answer == Ok(n + 2)));
        }
        assert_eq!(server.call((to, vec![n; 3])).await, Ok(vec![n; 3]));
    }
}

#[test]
fn calls_that_follow_each_other_get_their_own_answers() {
    for seed in 0..20 {
        testing::run_seeded(seed, async {
            let callers: Vec<_> = (0..3).map(|_| Task::spawn(mixed_calls(40))).collect();
            for caller in callers {
                caller.await.unwrap();
            }
        });
    }
}

/// The answer comes from another thread, which may still hold the call when the next one begins.
#[test]
fn calls_that_follow_each_other_get_their_own_answers_on_several_threads() {
    let runtime = limited::runtime(4);
    let ran = runtime.run(async {
        let callers: Vec<_> = (0..8).map(|_| Task::spawn(mixed_calls(100))).collect();
        for caller in callers {
            caller.timeout(Timeout::Infinity).await.unwrap();
        }
    });
    ran.unwrap();
}

#[test]
fn a_call_after_one_with_another_limit_or_end_has_its_own() {
    testing::run(async {
        let server = Worker::start(&Log::default());
        for _ in 0..3 {
            assert_eq!(server.call(Say("four")).timeout(60 * SECOND).await, Ok(4));
            assert_eq!(server.call(Slow(0, "")).timeout(60 * SECOND).await, Ok(()));
            let begun = tokio::time::Instant::now();
            assert!(server.call(Slow(7, "")).await.unwrap_err().is_timeout());
            assert_eq!(begun.elapsed(), 5 * SECOND);
            tokio::time::sleep(3 * SECOND).await;
            assert_eq!(server.call(SlowReply(2)).await, Ok(2));
            assert_eq!(server.call(SlowReply(3)).await, Ok(3));
            assert!(server.call(SlowReply(60)).await.unwrap_err().is_timeout());
        }
        assert!(server.call(Crash("end")).await.unwrap_err().is_abnormal());
        assert!(matches!(server.call(Say("late")).await, Err(Exit::Refused(_))));
    });
}

static TENANT: Inherited<u8> = Inherited::new().carried_by_calls();

#[test]
fn a_value_of_one_call_is_not_there_in_the_next() {
    struct Asks;
    struct Tenant;
    impl Server for Asks {}
    impl Handle<Tenant> for Asks {
        type Reply = Option<u8>;
        async fn handle(&mut self, _: Tenant, _: &mut Context<Self>) -> Option<u8> {
            TENANT.get().map(|tenant| *tenant)
        }
    }
    testing::run(async {
        let server = ServerRef::start(|| Asks);
        for tenant in 0..5 {
            assert_eq!(server.call(Tenant).await, Ok(None));
            assert_eq!(TENANT.scope(tenant, server.call(Tenant)).await, Ok(Some(tenant)));
            assert_eq!(TENANT.scope(tenant, async { server.call(Tenant).await }).await, Ok(Some(tenant)));
        }
    });
}

#[test]
fn the_values_of_a_call_that_its_caller_has_given_up_are_dropped() {
    static HELD: Inherited<Arc<()>> = Inherited::new().carried_by_calls();
    struct Busy;
    struct Forever;
    impl Server for Busy {}
    impl Handle<Forever> for Busy {
        type Reply = ();
        async fn handle(&mut self, _: Forever, _: &mut Context<Self>) {
            pending().await
        }
    }
    testing::run(async {
        let server = ServerRef::start(|| Busy);
        assert!(server.call(Forever).await.unwrap_err().is_timeout());
        let value = Arc::new(());
        // The server still handles the first message, so the mailbox keeps this call.
        assert!(HELD.scope(value.clone(), server.call(Forever)).await.unwrap_err().is_timeout());
        assert_eq!(Arc::strong_count(&value), 1);
    });
}

#[test]
fn a_server_that_has_ended_is_freed_when_the_poll_of_its_last_caller_ends() {
    testing::run(async {
        let held = Arc::new(());
        let caller = Task::spawn({
            let held = held.clone();
            async move {
                let server = ServerRef::start(move || {
                    let _held = &held;
                    Echo(0)
                });
                server.cast((0, ())).await.unwrap();
                server.call((0, ())).await.unwrap();
                assert!(server.stop().await.is_clean());
                drop(server);
                pending::<()>().await;
            }
        });
        tokio::time::sleep(SECOND).await;
        assert_eq!(Arc::strong_count(&held), 1);
        drop(caller);
    });
}

#[test]
fn nothing_of_a_server_outlives_a_process_whose_destructor_has_sent_a_message() {
    /// Sends a message when it is dropped, to a server that no process runs yet.
    struct SendsWhenDropped(
        ServerRef<Echo>,
        #[expect(dead_code, reason = "held, so that the server can still be started")] ChildSpec,
    );
    impl Drop for SendsWhenDropped {
        fn drop(&mut self) {
            assert_eq!(self.0.cast((0, ())).now_or_never(), Some(Ok(())));
        }
    }
    let held = Arc::new(());
    let of_server = held.clone();
    let mut sends = Vec::new();
    // No other process is polled after the one whose future is dropped here.
    testing::run(poll_fn(move |_| {
        let of_server = of_server.clone();
        let (server, spec) = ChildSpec::server("echo", move || {
            let _held = &of_server;
            Echo(0)
        });
        sends.push(SendsWhenDropped(server, spec));
        Poll::Ready(())
    }));
    assert_eq!(Arc::strong_count(&held), 1);
}

#[test]
fn a_message_whose_cast_was_refused_is_dropped_at_once() {
    testing::run(async {
        let server = ServerRef::start(|| Echo(0));
        server.stop().await;
        let message = Arc::new(());
        assert!(server.cast((0, message.clone())).await.is_err());
        assert!(server.call((0, message.clone())).await.is_err());
        assert_eq!(Arc::strong_count(&message), 1);
    });
}

#[test]
fn a_call_is_not_used_again_while_a_later_answer_is_on_its_way() {
    testing::run(async {
        let server = Worker::start(&Log::default());
        let waits = Task::spawn({
            let server = server.clone();
            async move { server.call(SlowReply(4)).await }
        });
        for _ in 0..10 {
            assert_eq!(server.call(SlowReply(0)).await, Ok(0));
        }
        assert_eq!(waits.await.unwrap(), Ok(4));
    });
}

//! The limits of calls. All calls of a process share one wake-up: what matters is that each still passes at its own time.

use std::task::Poll;
use std::time::Duration;

use cordial::server::{Context, Handle, Server, ServerRef};
use cordial::{Exit, Task, Timeout, testing};
use futures::future::{join, join_all};
use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, StreamExt as _};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::harness::children::Log;
use crate::harness::limited;
use crate::work::{SECOND, Say, Slow, Worker};

/// Awaits a call that exceeds its limit. Returns how long that took.
async fn exceeds<T: std::fmt::Debug>(call: impl Future<Output = Result<T, Exit>>) -> Duration {
    let begun = Instant::now();
    assert!(call.await.unwrap_err().is_timeout());
    begun.elapsed()
}

#[test]
fn a_limit_passes_at_its_time_after_calls_with_earlier_and_later_ones() {
    testing::run(async {
        let (quick, stuck) = (Worker::start(&Log::default()), Worker::start(&Log::default()));
        stuck.cast(Slow(1000, "")).await.unwrap();
        // An answered call leaves a wake-up at 5 s, which comes during the next call.
        assert_eq!(quick.call(Say("four")).await, Ok(4));
        tokio::time::sleep(2 * SECOND).await;
        assert_eq!(exceeds(stuck.call(Say("same")).timeout(5 * SECOND)).await, 5 * SECOND);
        // An answered call does not delay the end of a later one, whether the limit of that is shorter or longer.
        assert_eq!(quick.call(Say("four")).timeout(60 * SECOND).await, Ok(4));
        assert_eq!(exceeds(stuck.call(Say("shorter")).timeout(SECOND / 10)).await, SECOND / 10);
        assert_eq!(exceeds(stuck.call(Say("longer")).timeout(7 * SECOND)).await, 7 * SECOND);
        assert_eq!(quick.call(Say("four")).await, Ok(4));
    });
}

#[test]
fn calls_that_wait_together_pass_each_at_its_limit() {
    testing::run(async {
        let stuck = Worker::start(&Log::default());
        stuck.cast(Slow(1000, "")).await.unwrap();
        let call = |seconds| exceeds(stuck.call(Say("")).timeout(seconds * SECOND));
        assert_eq!(join(call(3), call(2)).await, (3 * SECOND, 2 * SECOND));
        assert_eq!(join(call(2), call(3)).await, (2 * SECOND, 3 * SECOND));
        // Below a future that has wakers of its own.
        let mut others: FuturesUnordered<_> = [4, 1, 3].into_iter().map(call).collect();
        assert_eq!(others.next().await, Some(SECOND));
        assert_eq!(others.next().await, Some(3 * SECOND));
        assert_eq!(others.next().await, Some(4 * SECOND));
        let many = join_all((1..=40).map(call)).await;
        assert_eq!(many, (1..=40).map(|seconds| seconds * SECOND).collect::<Vec<_>>());
    });
}

#[test]
fn a_call_that_moves_to_another_process_keeps_its_limit() {
    testing::run(async {
        let stuck = Worker::start(&Log::default());
        stuck.cast(Slow(1000, "")).await.unwrap();
        // Polled by one process, then by another one, then below a future that has wakers of its own.
        for limit in [5, 50] {
            let begun = Instant::now();
            let mut call = Box::pin(stuck.call(Say("moves")).timeout(limit * SECOND));
            let first = Task::spawn(async move {
                assert!(futures::poll!(call.as_mut()).is_pending());
                Some(call)
            });
            let mut call = first.await.unwrap().unwrap();
            let second = Task::spawn(async move {
                assert!(futures::poll!(call.as_mut()).is_pending());
                tokio::time::sleep(SECOND).await;
                Some(call)
            });
            let call = second.await.unwrap().unwrap();
            let passed = FuturesUnordered::from_iter([call]).next().await.unwrap();
            assert!(passed.unwrap_err().is_timeout());
            assert_eq!(begun.elapsed(), limit * SECOND);
        }
        // The other way around.
        let begun = Instant::now();
        let mut call = Box::pin(stuck.call(Say("moves")));
        assert!(call.as_mut().now_or_never().is_none());
        let task = Task::spawn(call).timeout(Timeout::Infinity);
        assert!(task.await.unwrap().unwrap_err().is_timeout());
        assert_eq!(begun.elapsed(), 5 * SECOND);
    });
}

#[test]
fn a_call_that_was_polled_and_waits_unpolled_passes_when_it_is_polled_again() {
    testing::run(async {
        let stuck = Worker::start(&Log::default());
        stuck.cast(Slow(1000, "")).await.unwrap();
        let mut call = stuck.call(Say("later"));
        assert!(futures::poll!(&mut call).is_pending());
        tokio::time::sleep(20 * SECOND).await;
        let polled = futures::poll!(&mut call);
        assert!(matches!(&polled, Poll::Ready(Err(exit)) if exit.is_timeout()), "{polled:?}");
    });
}

/// A server whose handler waits until the gate is open.
struct Waits;

struct Gate(oneshot::Receiver<()>);

impl Server for Waits {}

impl Handle<Gate> for Waits {
    type Reply = ();

    async fn handle(&mut self, Gate(gate): Gate, _: &mut Context<Self>) {
        let _ = gate.await;
    }
}

/// Needs the real clock, which goes on while the limit is armed.
#[test]
fn a_limit_that_has_passed_before_it_is_armed_is_not_lost() {
    let runtime = limited::runtime(1);
    let ended = runtime.run(async {
        let server = ServerRef::start(|| Waits);
        for _ in 0..100 {
            let (open, gate) = oneshot::channel();
            let task = Task::spawn(server.call(Gate(gate)).timeout(Duration::from_nanos(1)));
            let called = task.await.expect("the call ends before the limit of the await");
            assert!(called.is_err_and(|exit| exit.is_timeout()));
            drop(open);
        }
    });
    ended.unwrap();
}

#[test]
fn a_thousand_calls_wake_their_process_once_for_their_limits() {
    testing::run(async {
        let server = Worker::start(&Log::default());
        let caller = Task::spawn(async move {
            for _ in 0..1000 {
                assert_eq!(server.call(Say("four")).await, Ok(4));
            }
            std::future::pending::<()>().await;
        })
        .timeout(Timeout::Infinity);
        let pid = caller.pid();
        tokio::time::sleep(SECOND).await;
        let polls = || cordial::process::info(pid).unwrap().polls;
        let after_the_calls = polls();
        tokio::time::sleep(50 * SECOND).await;
        assert_eq!(polls() - after_the_calls, 1, "the wake-up for the limit of the first call");
        drop(caller);
    });
}

/// On the real clock, limits of a second or more are taken from a clock that is not exact.
#[test]
fn a_limit_of_a_second_does_not_pass_early_on_the_real_clock() {
    let runtime = limited::runtime(1);
    let ended = runtime.run(async {
        let server = ServerRef::start(|| Waits);
        for _ in 0..100 {
            // Calls that are answered, and leave their wake-up.
            let (open, gate) = oneshot::channel();
            drop(open);
            assert_eq!(server.call(Gate(gate)).await, Ok(()));
        }
        let mut lasted = Vec::new();
        // Again if it was too short, because a virtual machine may miss the ticks of that clock for a moment.
        while lasted.len() < 3 && lasted.last().is_none_or(|last| *last < SECOND) {
            let (open, gate) = oneshot::channel();
            lasted.push(exceeds(server.call(Gate(gate)).timeout(SECOND)).await);
            drop(open);
        }
        assert!(lasted.last().is_some_and(|last| *last >= SECOND), "{lasted:?}");
    });
    ended.unwrap();
}

//! Items of a parallel stream whose poll does not return: they are abandoned, may be retried, and their late values are dropped.

use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use cordial::process::{self, ProcessState};
use cordial::{Backoff, Exit, Pid, Retry, StreamTimeout, Task, Timeout};
use futures::FutureExt;
use tokio::time::{Instant, sleep};

use crate::harness::limited;
use crate::harness::probe::Probe;
use crate::harness::seeds::SECOND;

const MS: Duration = Duration::from_millis(1);

/// The timeout of items that block in their first poll.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(1);

/// Repeats a run until each of its attempts was polled within its timeout. On a busy machine, an attempt may get no thread in that time,
/// and then it is not stuck: for such a run, `run` returns `None`.
#[track_caller]
pub(crate) fn first_in_time<T>(run: impl Fn() -> Option<T>) -> T {
    (0..20).find_map(|_| run()).expect("in each of twenty runs, an attempt was not polled within its timeout")
}

/// Attempts that block their worker. Each sends its pid and a sender whose drop releases it.
pub(crate) struct Stuck {
    tx: mpsc::Sender<(Pid, mpsc::Sender<()>)>,
}

impl Stuck {
    pub(crate) fn new() -> (Stuck, mpsc::Receiver<(Pid, mpsc::Sender<()>)>) {
        let (tx, rx) = mpsc::channel();
        (Stuck { tx }, rx)
    }

    pub(crate) fn attempt(&self) -> impl Future<Output = ()> + Send + use<> {
        let tx = self.tx.clone();
        async move {
            let (release, released) = mpsc::channel();
            tx.send((process::current().unwrap(), release)).unwrap();
            let _ = released.recv();
            // A value would still be delivered if the stream was not polled since the timeout.
            pending().await
        }
    }
}

#[test]
fn an_abandoned_item_may_be_retried_in_its_slot() {
    let (results, counts, n_blocked) = first_in_time(|| {
        let runtime = limited::runtime(2);
        let (stuck, blocked) = Stuck::new();
        let n_polled = Arc::new(AtomicUsize::new(0));
        let polled = n_polled.clone();
        let (results, progress) = runtime
            .block_on(async move {
                let stream = Task::async_stream(0..2u32, move |n| {
                    let (attempt, polled) = ((n == 0).then(|| stuck.attempt()), polled.clone());
                    async move {
                        polled.fetch_add(1, Ordering::SeqCst);
                        if let Some(attempt) = attempt {
                            attempt.await;
                        }
                    }
                });
                let stream = stream.max_concurrency(1).timeout(TIMEOUT).retry(Retry::times(2));
                let progress = stream.progress();
                (stream.collect().await, progress)
            })
            .unwrap();
        let is_in_time = n_polled.load(Ordering::SeqCst) == progress.started() + progress.retried();
        let counts = (progress.abandoned(), progress.retried(), progress.failed(), progress.running());
        is_in_time.then(|| (results, counts, blocked.try_iter().count()))
    });
    assert!(matches!(results[..], [Err(Exit::Timeout(_)), Ok(())]), "{results:?}");
    assert_eq!(counts, (3, 2, 1, 0));
    assert_eq!(n_blocked, 3, "each attempt has blocked");
}

#[test]
fn an_abandoned_item_ends_the_stream_if_timeouts_end_it() {
    let runtime = limited::runtime(2);
    let (stuck, blocked) = Stuck::new();
    let stream = async move {
        let stream = Task::async_stream(0..2, move |_| stuck.attempt());
        stream.max_concurrency(1).timeout(TIMEOUT).on_timeout(StreamTimeout::EndStream).collect().await
    };
    let results = runtime.block_on(stream).unwrap();
    assert!(matches!(results[..], [Err(Exit::Timeout(_))]), "{results:?}");
    drop(blocked);
}

/// When the stream is polled, both notifications of a slot are queued: the item was abandoned, and then its poll returned.
#[test]
fn a_late_exit_of_an_abandoned_item_does_not_shorten_a_backoff() {
    let n_more = first_in_time(|| {
        let (stuck, blocked) = Stuck::new();
        let n_more = limited::runtime(2).block_on(async move {
            let hour = Duration::from_secs(3600);
            let retry = Retry::times(1).backoff(Backoff::exponential(hour, hour));
            let mut stream = Task::async_stream([()], move |()| stuck.attempt()).timeout(TIMEOUT).retry(retry);
            assert!(stream.next().now_or_never().is_none());
            // An attempt that was not polled in time never blocks, and the next one begins in an hour.
            let (pid, release) = blocked.recv_timeout(3 * TIMEOUT).ok()?;
            // The consumer blocks here, so the stream is not polled meanwhile.
            while process::info(pid).is_some_and(|info| info.state != ProcessState::Abandoned) {
                std::thread::yield_now();
            }
            let end = process::monitor(pid);
            drop(release);
            end.await;
            let progress = stream.progress();
            while progress.retried() == 0 {
                assert!(stream.next().now_or_never().is_none());
                tokio::task::yield_now().await;
            }
            for _ in 0..100 {
                assert!(stream.next().now_or_never().is_none());
                tokio::task::yield_now().await;
            }
            Some(blocked.try_iter().count())
        });
        n_more.unwrap()
    });
    assert_eq!(n_more, 0, "the retry is due in an hour");
}

/// With a timeout of zero, an item is killed during its first poll. A checkpoint in that poll unwinds it.
#[test]
fn with_a_timeout_of_zero_a_first_poll_can_be_ended_at_a_checkpoint() {
    let runtime = limited::runtime(2);
    let (results, end) = runtime
        .block_on(async {
            let (tx, rx) = mpsc::channel();
            let stream = Task::async_stream([()], move |()| {
                let tx = tx.clone();
                async move {
                    tx.send(process::current().unwrap()).unwrap();
                    loop {
                        cordial::checkpoint();
                    }
                }
            });
            let results: Vec<Result<(), Exit>> = stream.timeout(Duration::ZERO).collect().await;
            (results, process::monitor(rx.recv().unwrap()).await)
        })
        .unwrap();
    assert!(matches!(results[..], [Err(Exit::Timeout(_))]), "{results:?}");
    assert!(matches!(end, Exit::Killed | Exit::NoProcess), "{end}");
}

/// A late value must not be stored until the stream is polled: an idle consumer would hold one for each abandoned attempt.
#[test]
fn the_late_value_of_an_abandoned_attempt_is_dropped_at_once() {
    let held = first_in_time(|| {
        let held = limited::runtime(2).block_on(async {
            let (probe, (tx, rx)) = (Probe::default(), mpsc::channel());
            let guards = probe.clone();
            let work = move |n: u32| {
                let (tx, guards) = (tx.clone(), guards.clone());
                async move {
                    let (release, released) = mpsc::channel::<()>();
                    tx.send((process::current().unwrap(), release)).unwrap();
                    let _ = released.recv();
                    (n, guards.guard())
                }
            };
            let mut stream = Task::async_stream(0..4, work).max_concurrency(1).max_ahead(0).timeout(TIMEOUT);
            for _ in 0..3 {
                assert!(matches!(stream.next().await, Some(Err(Exit::Timeout(_)))));
            }
            let blocked: Vec<_> = rx.try_iter().collect();
            if blocked.len() < 3 {
                return None;
            }
            for (pid, release) in blocked {
                let end = process::monitor(pid);
                drop(release);
                end.await;
            }
            // The monitors have resolved. The values are dropped a moment later.
            let begun = Instant::now();
            while probe.drops() < 3 && begun.elapsed() < 60 * SECOND {
                sleep(MS).await;
            }
            let held = probe.n_alive();
            drop(stream);
            Some(held)
        });
        held.unwrap()
    });
    assert_eq!(held, 0, "late values must be dropped without a poll of the stream");
}

/// The runtime of the items is shut down while some run, some are stuck and some are queued. Each item gets a result.
#[test]
fn a_consumer_on_another_runtime_gets_every_result_of_a_runtime_that_is_shut_down() {
    for n_workers in [1, 2, 8] {
        let [here, there] = [n_workers, 1].map(limited::runtime);
        let probe = Probe::default();
        let (guards, (stuck, blocked)) = (probe.clone(), Stuck::new());
        let started = here.block_on(async move {
            let work = move |n: u32| {
                let (attempt, guard) = ((n == 0).then(|| stuck.attempt()), guards.guard());
                async move {
                    if let Some(attempt) = attempt {
                        attempt.await;
                    }
                    match n % 3 {
                        0 => pending().await,
                        1 => tokio::task::yield_now().await,
                        _ => {}
                    }
                    guard
                }
            };
            let mut stream = Task::async_stream(0..12, work).unordered().max_concurrency(6).timeout(Timeout::Infinity);
            assert!(stream.next().now_or_never().is_none_or(|first| first.is_some()));
            stream
        });
        let stream = started.unwrap();
        let progress = stream.progress();
        let (_, release) = blocked.recv().unwrap();
        let n_seen = std::thread::scope(|scope| {
            let consumer = scope.spawn(move || there.block_on(async move { stream.collect().await.len() }));
            let report = here.shutdown(Duration::ZERO);
            drop(release);
            drop(report);
            consumer.join().unwrap().unwrap()
        });
        assert!(n_seen == 12 || n_seen == 11, "{n_seen}");
        assert_eq!((progress.running(), progress.cancelled(), progress.succeeded() + progress.failed()), (0, 0, 12));
        // The values of items that were killed are dropped a moment after their exits.
        limited::wait_until("all values are dropped", || probe.n_alive() == 0);
    }
}

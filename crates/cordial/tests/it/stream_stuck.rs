//! Items of a parallel stream whose poll does not return: abandoned, tried again, left to a runtime that ends; and what they give after all.

use std::future::pending;
use std::sync::mpsc;
use std::time::Duration;

use cordial::process::{self, ProcessState};
use cordial::{Backoff, Exit, Pid, Retry, Runtime, StreamTimeout, Task, Timeout};
use futures::FutureExt;
use tokio::time::{Instant, sleep};

use crate::orders::SECOND;
use crate::probe::Probe;

const MS: Duration = Duration::from_millis(1);

/// An item that blocks its worker in each of its attempts, until it is let go.
pub(crate) struct Stuck {
    tell: mpsc::Sender<(Pid, mpsc::Sender<()>)>,
}

impl Stuck {
    pub(crate) fn new() -> (Stuck, mpsc::Receiver<(Pid, mpsc::Sender<()>)>) {
        let (tell, told) = mpsc::channel();
        (Stuck { tell }, told)
    }

    pub(crate) fn attempt(&self) -> impl Future<Output = ()> + Send + use<> {
        let tell = self.tell.clone();
        async move {
            let (release, released) = mpsc::channel();
            tell.send((process::current().unwrap(), release)).unwrap();
            let _ = released.recv();
            // A value would count, as long as nobody has looked.
            pending().await
        }
    }
}

#[test]
fn an_abandoned_item_may_be_tried_again_and_its_slot_is_its_own() {
    let runtime = Runtime::builder().workers(2).build().unwrap();
    let (stuck, told) = Stuck::new();
    let (results, counts) = runtime
        .block_on(async move {
            let stream = Task::async_stream(0..2u32, move |n| {
                let attempt = (n == 0).then(|| stuck.attempt());
                async move {
                    if let Some(attempt) = attempt {
                        attempt.await;
                    }
                }
            });
            let stream = stream.max_concurrency(1).timeout(10 * MS).retry(Retry::times(2));
            let progress = stream.progress();
            let results = stream.collect().await;
            (results, (progress.abandoned(), progress.retried(), progress.failed(), progress.running()))
        })
        .unwrap();
    assert!(matches!(results[..], [Err(Exit::Timeout(_)), Ok(())]), "{results:?}");
    assert_eq!(counts, (3, 2, 1, 0));
    assert_eq!(told.try_iter().count(), 3, "and they are let go");
}

#[test]
fn an_abandoned_item_ends_the_stream_if_a_timeout_does() {
    let runtime = Runtime::builder().workers(2).build().unwrap();
    let (stuck, told) = Stuck::new();
    let stream = async move {
        let stream = Task::async_stream(0..2, move |_| stuck.attempt());
        stream.max_concurrency(1).timeout(10 * MS).on_timeout(StreamTimeout::EndStream).collect().await
    };
    let results = runtime.block_on(stream).unwrap();
    assert!(matches!(results[..], [Err(Exit::Timeout(_))]), "{results:?}");
    drop(told);
}

/// Both rings of a slot, that it was abandoned and that its poll returned after all, are there when the consumer looks.
#[test]
fn an_end_after_the_item_was_abandoned_cuts_no_wait_short() {
    let runtime = Runtime::builder().workers(2).build().unwrap();
    let (stuck, told) = Stuck::new();
    let n_more = runtime.block_on(async move {
        let hour = Duration::from_secs(3600);
        let retry = Retry::times(1).backoff(Backoff::exponential(hour, hour));
        let mut stream = Task::async_stream([()], move |()| stuck.attempt()).timeout(10 * MS).retry(retry);
        assert!(stream.next().now_or_never().is_none());
        let (pid, release) = told.recv().unwrap();
        // In the way of its own consumer: nobody looks meanwhile.
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
        told.try_iter().count()
    });
    assert_eq!(n_more, Ok(0), "the next attempt is an hour away");
}

/// Its first poll does not return, so it cannot end itself: it is killed, and a checkpoint may tell it so.
#[test]
fn without_time_to_lose_a_first_poll_may_be_ended_at_a_checkpoint() {
    let runtime = Runtime::builder().workers(2).build().unwrap();
    let (results, end) = runtime
        .block_on(async {
            let (tell, told) = mpsc::channel();
            let stream = Task::async_stream([()], move |()| {
                let tell = tell.clone();
                async move {
                    tell.send(process::current().unwrap()).unwrap();
                    loop {
                        cordial::checkpoint();
                    }
                }
            });
            let results: Vec<Result<(), Exit>> = stream.timeout(Duration::ZERO).collect().await;
            (results, process::monitor(told.recv().unwrap()).await)
        })
        .unwrap();
    assert!(matches!(results[..], [Err(Exit::Timeout(_))]), "{results:?}");
    assert!(matches!(end, Exit::Killed | Exit::NoProcess), "{end}");
}

/// What comes late is for nobody, so nobody keeps it: a consumer that is away would hold one for each attempt that was abandoned.
#[test]
fn what_an_abandoned_attempt_gives_after_all_is_dropped_at_once() {
    let runtime = Runtime::builder().workers(2).build().unwrap();
    let held = runtime.block_on(async {
        let (probe, (tell, told)) = (Probe::default(), mpsc::channel());
        let guards = probe.clone();
        let work = move |n: u32| {
            let (tell, guards) = (tell.clone(), guards.clone());
            async move {
                let (release, released) = mpsc::channel::<()>();
                tell.send((process::current().unwrap(), release)).unwrap();
                let _ = released.recv();
                (n, guards.guard())
            }
        };
        let mut stream = Task::async_stream(0..4, work).max_concurrency(1).max_ahead(0).timeout(10 * MS);
        for _ in 0..3 {
            assert!(matches!(stream.next().await, Some(Err(Exit::Timeout(_)))));
        }
        let hostages: Vec<_> = told.try_iter().collect();
        assert_eq!(hostages.len(), 3);
        for (pid, release) in hostages {
            let end = process::monitor(pid);
            drop(release);
            end.await;
        }
        // Each has been told of; its value goes a moment later.
        let begun = Instant::now();
        while probe.drops() < 3 && begun.elapsed() < SECOND {
            sleep(MS).await;
        }
        let held = probe.n_alive();
        drop(stream);
        held
    });
    assert_eq!(held, Ok(0), "the stream was not polled meanwhile");
}

/// Items on a runtime that is shut down while some run, some are stuck and some wait for a worker: each is answered.
#[test]
fn a_consumer_elsewhere_hears_of_every_item_of_a_runtime_that_is_shut_down() {
    for n_workers in [1, 2, 8] {
        let [here, there] = [n_workers, 1].map(|n| Runtime::builder().workers(n).build().unwrap());
        let probe = Probe::default();
        let (guards, (stuck, told)) = (probe.clone(), Stuck::new());
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
        let (_, release) = told.recv().unwrap();
        let n_seen = std::thread::scope(|scope| {
            let consumer = scope.spawn(move || there.block_on(async move { stream.collect().await.len() }));
            let report = here.shutdown(Duration::ZERO);
            drop(release);
            drop(report);
            consumer.join().unwrap().unwrap()
        });
        assert!(n_seen == 12 || n_seen == 11, "{n_seen}");
        assert_eq!((progress.running(), progress.cancelled(), progress.succeeded() + progress.failed()), (0, 0, 12));
        assert_eq!(probe.n_alive(), 0);
    }
}

//! What is left of a parallel stream that ends before its input does: nothing. After Elixir's task_test.exs.

use std::future::pending;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use cordial::process::{self, ProcessState};
use cordial::{Exit, Pid, Retry, Runtime, StreamTimeout, Task, Timeout};
use futures::{FutureExt, Stream, StreamExt};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep};

use crate::orders::{SECOND, in_every_order};

const MS: Duration = Duration::from_millis(1);

/// What one test holds: each part of a stream takes a share, and all have to come back.
#[derive(Clone, Default)]
struct Shares(Arc<()>);

impl Shares {
    fn n_out(&self) -> usize {
        Arc::strong_count(&self.0) - 1
    }

    /// Waits until all are back, which must not take any time.
    async fn are_back(&self) {
        let begun = Instant::now();
        while self.n_out() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(begun.elapsed(), Duration::ZERO, "destructors run before time moves");
    }
}

/// An endless source whose items each hold a share, as it does itself.
fn source(shares: &Shares) -> impl Iterator<Item = (u32, Shares)> + Send + use<> {
    let shares = shares.clone();
    (0..).map(move |n| (n, shares.clone()))
}

async fn work((n, _share): (u32, Shares)) -> u32 {
    sleep(n % 7 * 3 * MS).await;
    n
}

// T-163, T-164, T-189
#[test]
fn dropped_at_any_moment_it_leaves_nothing_behind() {
    for at in 0..40 {
        for seed in [0, 1] {
            cordial::testing::run_seeded(seed, async move {
                let shares = Shares::default();
                let stream = Task::async_stream(source(&shares), work).max_concurrency(3).max_ahead(2);
                let stream = if at % 2 == 0 { stream } else { stream.unordered() };
                let progress = stream.progress();
                let mut stream = Box::pin(stream);
                let _ = tokio::time::timeout(at * MS, async { while stream.next().await.is_some() {} }).await;
                assert!(shares.n_out() > 0, "the source is there");
                let n_running = progress.running();
                drop(stream);
                assert_eq!((progress.running(), progress.cancelled()), (0, n_running));
                shares.are_back().await;
            });
        }
    }
}

// T-163: the first item is taken, the others never end.
#[test]
fn dropped_by_a_consumer_that_lives_on_it_ends_what_runs() {
    for n in [4, 2, 8] {
        in_every_order(move || async move {
            let (tell, mut told) = mpsc::unbounded_channel();
            let work = move |at: u32| {
                let tell = tell.clone();
                async move {
                    tell.send(process::current().unwrap()).unwrap();
                    if at > 0 {
                        pending().await
                    }
                }
            };
            let mut stream = Task::async_stream(0..4, work).max_concurrency(n);
            assert_eq!(stream.next().await, Some(Ok(())));
            sleep(MS).await;
            drop(stream);
            sleep(MS).await;
            let mut pids: Vec<Pid> = Vec::new();
            while let Ok(pid) = told.try_recv() {
                pids.push(pid);
            }
            assert!(pids.len() >= n.min(4) && pids.iter().all(|pid| process::info(*pid).is_none()), "{n} at once");
        });
    }
}

// T-198, T-200: streams in streams, whose consumer ends in each way.
#[test]
fn ended_with_its_consumer_it_leaves_nothing_behind() {
    for exit in [Exit::Killed, Exit::Shutdown(None), Exit::NoProcess] {
        in_every_order(|| {
            let exit = exit.clone();
            async move {
                let shares = Shares::default();
                let all = shares.clone();
                let consumer = Task::spawn(async move {
                    let nested = |(_, shares): (u32, Shares)| async move {
                        let hang = |share: (u32, Shares)| async move {
                            let _share = share;
                            pending::<()>().await
                        };
                        Task::async_stream(source(&shares), hang).timeout(Timeout::Infinity).collect().await
                    };
                    Task::async_stream(source(&all), nested).timeout(Timeout::Infinity).collect().await
                });
                sleep(MS).await;
                assert!(shares.n_out() > 4 * 4, "the inner items run");
                process::exit(consumer.pid(), exit.clone());
                assert_eq!(consumer.await, Err(exit));
                shares.are_back().await;
            }
        });
    }
}

/// Where a panic comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
enum From {
    Source,
    Closure,
    /// What says whether to try again.
    Filter,
    Consumer,
}

const EACH: [From; 4] = [From::Source, From::Closure, From::Filter, From::Consumer];

/// A stream that panics when it comes to item 5.
fn panicking(shares: &Shares, from: From) -> impl Stream<Item = Result<u32, Exit>> + Send + use<> {
    let items = source(shares).inspect(move |(n, _)| assert!(*n < 5 || from != From::Source, "no luck"));
    let work = move |(n, share): (u32, Shares)| {
        assert!(n < 5 || from != From::Closure, "no luck");
        async move {
            let _share = share;
            match n {
                1 => pending().await,
                5 => cordial::exit(Exit::Shutdown(None)).await,
                _ => sleep(MS).await,
            }
            n
        }
    };
    let retry = Retry::times(1).when(move |_| if from == From::Filter { panic!("no luck") } else { false });
    let stream = Task::async_stream(items, work).retry(retry).unordered().max_concurrency(3);
    stream.inspect(move |result| assert!(*result != Ok(4) || from != From::Consumer, "no luck"))
}

// T-190, T-191
#[test]
fn a_panic_in_the_source_the_closure_or_the_consumer_leaves_nothing_behind() {
    for from in EACH {
        in_every_order(move || async move {
            let shares = Shares::default();
            let all = shares.clone();
            let consumer = Task::spawn(async move { panicking(&all, from).collect::<Vec<_>>().await });
            let Err(Exit::Panic(report)) = consumer.await else { panic!("{from:?} has to panic") };
            assert_eq!(report.message(), "no luck", "{from:?}");
            shares.are_back().await;
        });
    }
}

#[test]
fn after_a_panic_that_the_consumer_caught_the_stream_has_ended() {
    for from in [From::Source, From::Closure, From::Filter] {
        in_every_order(move || async move {
            let shares = Shares::default();
            let mut stream = Box::pin(panicking(&shares, from));
            let all = AssertUnwindSafe(async { while stream.next().await.is_some() {} });
            assert!(all.catch_unwind().await.is_err());
            while shares.n_out() > 2 {
                // The source and the closure may hold what is theirs; no item does.
                tokio::task::yield_now().await;
            }
            assert!(stream.next().await.is_none() && stream.next().await.is_none(), "{from:?}");
            drop(stream);
            shares.are_back().await;
        });
    }
}

#[test]
fn a_source_that_ends_early_is_let_go_of_and_asked_no_more() {
    in_every_order(|| async {
        let (shares, mut n_ends) = (Shares::default(), 0);
        let held = shares.clone();
        // Not fused: it would go on.
        let mut left = vec![None, Some(9), None, Some(2), Some(1)];
        let items = std::iter::from_fn(move || {
            let _ = &held;
            let item = left.pop().expect("asked again after its end");
            n_ends += u32::from(item.is_none());
            assert!(n_ends < 2, "asked again after its end");
            item
        });
        let mut stream = Task::async_stream(items, |n| async move { n });
        assert_eq!((stream.next().await, stream.next().await), (Some(Ok(1)), Some(Ok(2))));
        assert_eq!((stream.next().await, stream.next().await), (None, None));
        assert_eq!(shares.n_out(), 0, "while the stream is still there");
    });
}

// T-174, T-175
#[test]
fn when_all_is_consumed_the_source_and_what_comes_after_are_closed() {
    in_every_order(|| async {
        let (before, after) = (Shares::default(), Shares::default());
        let held = after.clone();
        let results: Vec<_> = Task::async_stream(source(&before).take(4), work)
            .map(move |result| {
                let _ = &held;
                result
            })
            .collect()
            .await;
        assert_eq!((results.len(), before.n_out(), after.n_out()), (4, 0, 0));
    });
}

#[test]
fn an_empty_input_ends_at_once() {
    in_every_order(|| async {
        let begun = Instant::now();
        assert!(Task::async_stream(Vec::<u8>::new(), |n| async move { n }).collect().await.is_empty());
        assert_eq!(begun.elapsed(), Duration::ZERO);
    });
}

#[test]
fn a_timeout_that_ends_the_stream_gives_up_the_rest_and_the_source() {
    in_every_order(|| async {
        let shares = Shares::default();
        let hang = |(n, share): (u32, Shares)| async move {
            let _share = share;
            match n {
                0 | 3 => sleep((n + 1) * MS).await,
                1 => pending().await,
                _ => sleep(SECOND).await,
            }
            n
        };
        let stream = Task::async_stream(source(&shares), hang).timeout(20 * MS).on_timeout(StreamTimeout::EndStream);
        let progress = stream.progress();
        let mut stream = stream.unordered().max_concurrency(4);
        assert_eq!((stream.next().await, stream.next().await), (Some(Ok(0)), Some(Ok(3))));
        assert!(matches!(stream.next().await, Some(Err(Exit::Timeout(_)))));
        shares.are_back().await;
        assert_eq!(stream.next().await, None);
        assert_eq!((progress.running(), progress.failed(), progress.cancelled()), (0, 1, 3));
    });
}

/// Looks only once, whatever becomes of it.
struct Once(AtomicBool);

impl Wake for Once {
    fn wake(self: Arc<Once>) {
        assert!(self.0.swap(true, Ordering::SeqCst), "a waker that panics");
    }
}

#[test]
fn a_consumer_whose_waker_panics_keeps_no_limit_from_passing() {
    let runtime = Runtime::builder().workers(2).build().unwrap();
    let ended = runtime.block_on(async {
        let (ends, mut ended) = mpsc::unbounded_channel::<()>();
        let hang = move |()| {
            let ends = ends.clone();
            async move {
                let _ends = ends;
                pending::<()>().await
            }
        };
        let mut stream = Task::async_stream([(); 8], hang).timeout(10 * MS).max_concurrency(8);
        let waker = Waker::from(Arc::new(Once(AtomicBool::new(false))));
        assert!(stream.poll_next_unpin(&mut Context::from_waker(&waker)).is_pending());
        // All eight are killed, so only the closure holds a sender.
        while ended.sender_strong_count() > 1 {
            tokio::task::yield_now().await;
        }
        assert!(ended.try_recv().is_err());
        stream.collect().await.len()
    });
    assert_eq!(ended, Ok(8));
}

#[test]
fn an_item_that_cannot_be_ended_is_given_up_and_counted_and_its_slot_is_free() {
    let runtime = Runtime::builder().workers(2).build().unwrap();
    let released = Arc::new(AtomicBool::new(false));
    let release = released.clone();
    let (pid, end) = runtime
        .block_on(async move {
            let (tell, told) = oneshot::channel();
            let mut tell = Some(tell);
            let work = move |n: u32| {
                let (released, tell) = (released.clone(), tell.take());
                async move {
                    if let Some(tell) = tell {
                        tell.send(process::current().unwrap()).unwrap();
                        while !released.load(Ordering::SeqCst) {
                            std::hint::spin_loop();
                        }
                    }
                    n
                }
            };
            let stream = Task::async_stream(0..3, work).max_concurrency(1).timeout(20 * MS);
            let progress = stream.progress();
            let begun = Instant::now();
            let results = stream.collect().await;
            assert!(matches!(results[..], [Err(Exit::Timeout(_)), Ok(1), Ok(2)]), "{results:?}");
            assert!(begun.elapsed() >= 120 * MS, "100 ms after its limit, and not before");
            assert_eq!((progress.failed(), progress.abandoned(), progress.running()), (1, 1, 0));
            let pid = told.await.unwrap();
            assert_eq!(process::info(pid).unwrap().state, ProcessState::Abandoned);
            (pid, process::monitor(pid))
        })
        .unwrap();
    release.store(true, Ordering::SeqCst);
    let gone = runtime.block_on(async move { (end.await, process::info(pid).is_none()) }).unwrap();
    assert_eq!(gone, (Exit::Killed, true));
}

#[test]
fn without_time_to_lose_an_item_that_cannot_be_ended_is_given_up_too() {
    let runtime = Runtime::builder().workers(2).build().unwrap();
    let released = Arc::new(AtomicBool::new(false));
    let release = released.clone();
    let results = runtime.block_on(async move {
        let stuck = move |()| {
            let released = released.clone();
            async move {
                while !released.load(Ordering::SeqCst) {
                    std::hint::spin_loop();
                }
            }
        };
        Task::async_stream([()], stuck).timeout(Duration::ZERO).collect().await
    });
    release.store(true, Ordering::SeqCst);
    assert!(matches!(results.as_deref(), Ok([Err(Exit::Timeout(_))])), "{results:?}");
}

#[test]
fn items_that_asked_to_be_told_may_finish_when_the_stream_is_dropped() {
    in_every_order(|| async {
        let (done, is_done) = oneshot::channel();
        let mut done = Some(done);
        let mut stream = Box::pin(Task::async_stream([()], move |()| {
            let done = done.take().unwrap();
            async move {
                cordial::shutdown_requested().await;
                sleep(SECOND).await;
                done.send(()).unwrap();
            }
        }));
        assert!(tokio::time::timeout(MS, stream.next()).await.is_err());
        drop(stream);
        assert_eq!(is_done.await, Ok(()));
    });
}

#[test]
fn a_stream_may_be_polled_by_one_and_then_by_another() {
    in_every_order(|| async {
        let mut stream = Task::async_stream(1..=3u32, |n| sleep(n * 10 * MS)).max_concurrency(3);
        let first = Task::spawn(async move {
            // Polled once by hand, so that the waker of this process stays behind.
            let polled = std::future::poll_fn(|cx| Poll::Ready(stream.poll_next_unpin(cx).is_pending())).await;
            (polled, stream)
        });
        let (is_pending, stream) = first.await.unwrap();
        assert!(is_pending);
        assert_eq!(Task::spawn(stream.collect()).await, Ok(vec![Ok(()); 3]));
    });
}

#[test]
fn its_runtime_may_stop_while_it_is_consumed() {
    let runtime = Runtime::builder().workers(2).build().unwrap();
    let stream = runtime.block_on(async {
        let mut stream = Box::pin(Task::async_stream(0.., |_: u32| pending::<()>()).max_concurrency(2));
        assert!(futures::poll!(stream.next()).is_pending());
        stream
    });
    let mut stream = stream.unwrap();
    assert!(runtime.shutdown(SECOND).is_clean());
    let (first, second) = futures::executor::block_on(async { (stream.next().await, stream.next().await) });
    assert_eq!((first, second), (Some(Err(Exit::Shutdown(None))), Some(Err(Exit::Shutdown(None)))));
    let third = futures::executor::block_on(stream.next());
    assert!(matches!(third, Some(Err(Exit::Refused(_)))), "{third:?}");
}

/// Whoever was given up is asked to stop, and has the time that it takes: its limit was for a result that nobody wants now.
#[test]
fn a_timeout_that_ends_the_stream_takes_the_limits_of_what_was_given_up_along() {
    in_every_order(|| async {
        let has_finished = Arc::new(AtomicBool::new(false));
        let finished = has_finished.clone();
        let mut stream = Task::async_stream(0..3, move |n| {
            let finished = finished.clone();
            async move {
                match n {
                    0 => sleep(20 * MS).await,
                    1 => pending().await,
                    // Begins when the first has ended, so its limit is later than the one that ends the stream.
                    _ => {
                        cordial::shutdown_requested().await;
                        sleep(100 * MS).await;
                        finished.store(true, Ordering::Relaxed);
                    }
                }
            }
        })
        .max_concurrency(2)
        .timeout(50 * MS)
        .on_timeout(StreamTimeout::EndStream);
        assert!(stream.next().await.unwrap().is_ok());
        assert!(matches!(stream.next().await, Some(Err(Exit::Timeout(_)))));
        // The stream is there still, and nobody polls it.
        sleep(SECOND).await;
        assert!(has_finished.load(Ordering::Relaxed), "the limit has killed it");
        assert!(stream.next().await.is_none());
    });
}

//! A parallel stream that ends before its input leaves nothing behind.
//!
//! Restates parts of "async_stream" of Elixir's `task_test.exs`.

use std::future::pending;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use cordial::process::{self, ProcessState};
use cordial::{Exit, Pid, Retry, StreamTimeout, Task, Timeout};
use futures::{FutureExt, Stream, StreamExt};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep};

use crate::abandoned::{TIMEOUT, first_in_time};
use crate::harness::limited;
use crate::harness::seeds::{SECOND, for_each_seed};

const MS: Duration = Duration::from_millis(1);

/// A reference count that the source, the items and the consumer of a stream share. It detects what is not dropped.
#[derive(Clone, Default)]
struct Shares(Arc<()>);

impl Shares {
    fn n_live(&self) -> usize {
        Arc::strong_count(&self.0) - 1
    }

    /// Waits until all clones are dropped, which must not take any virtual time.
    async fn assert_all_dropped(&self) {
        let begun = Instant::now();
        while self.n_live() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(begun.elapsed(), Duration::ZERO, "the destructors must run before time advances");
    }
}

/// An endless source that holds a share and gives one to each item.
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
fn a_stream_dropped_at_any_moment_leaves_nothing_behind() {
    let _watch = limited::watch();
    for at in 0..40 {
        for seed in [0, 1] {
            cordial::testing::run_seeded(seed, async move {
                let shares = Shares::default();
                let stream = Task::async_stream(source(&shares), work).max_concurrency(3).max_ahead(2);
                let stream = if at % 2 == 0 { stream } else { stream.unordered() };
                let progress = stream.progress();
                let mut stream = Box::pin(stream);
                let _ = tokio::time::timeout(at * MS, async { while stream.next().await.is_some() {} }).await;
                assert!(shares.n_live() > 0, "the source must hold a share");
                let n_running = progress.running();
                drop(stream);
                assert_eq!((progress.running(), progress.cancelled()), (0, n_running));
                shares.assert_all_dropped().await;
            });
        }
    }
}

// T-163: the first item is taken, the others never finish
#[test]
fn dropping_a_stream_ends_its_running_items() {
    for n in [4, 2, 8] {
        for_each_seed(move || async move {
            let (tx, mut rx) = mpsc::unbounded_channel();
            let work = move |at: u32| {
                let tx = tx.clone();
                async move {
                    tx.send(process::current().unwrap()).unwrap();
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
            while let Ok(pid) = rx.try_recv() {
                pids.push(pid);
            }
            assert!(pids.len() >= n.min(4) && pids.iter().all(|pid| process::info(*pid).is_none()), "{n} at once");
        });
    }
}

// T-198, T-200: nested streams whose consumer is ended in each way
#[test]
fn a_stream_that_ends_with_its_consumer_leaves_nothing_behind() {
    for exit in [Exit::Killed, Exit::Shutdown(None), Exit::NoProcess] {
        for_each_seed(|| {
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
                assert!(shares.n_live() > 4 * 4, "the inner items must run");
                process::exit(consumer.pid(), exit.clone());
                assert_eq!(consumer.await, Err(exit));
                shares.assert_all_dropped().await;
            }
        });
    }
}

/// The code that panics.
#[derive(Clone, Copy, Debug, PartialEq)]
enum PanicSite {
    Source,
    Closure,
    /// The predicate of `Retry::when`.
    RetryPredicate,
    Consumer,
}

const EACH: [PanicSite; 4] = [PanicSite::Source, PanicSite::Closure, PanicSite::RetryPredicate, PanicSite::Consumer];

/// A stream that panics at item 5, or in the consumer at the result of item 4.
fn panicking(shares: &Shares, site: PanicSite) -> impl Stream<Item = Result<u32, Exit>> + Send + use<> {
    let items = source(shares).inspect(move |(n, _)| assert!(*n < 5 || site != PanicSite::Source, "no luck"));
    let work = move |(n, share): (u32, Shares)| {
        assert!(n < 5 || site != PanicSite::Closure, "no luck");
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
    let retry =
        Retry::times(1).when(move |_| if site == PanicSite::RetryPredicate { panic!("no luck") } else { false });
    let stream = Task::async_stream(items, work).retry(retry).unordered().max_concurrency(3);
    stream.inspect(move |result| assert!(*result != Ok(4) || site != PanicSite::Consumer, "no luck"))
}

// T-190, T-191
#[test]
fn a_panic_in_the_source_the_closure_or_the_consumer_leaves_nothing_behind() {
    for site in EACH {
        for_each_seed(move || async move {
            let shares = Shares::default();
            let all = shares.clone();
            let consumer = Task::spawn(async move { panicking(&all, site).collect::<Vec<_>>().await });
            let Err(Exit::Panic(report)) = consumer.await else { panic!("{site:?} must panic") };
            assert_eq!(report.message(), "no luck", "{site:?}");
            shares.assert_all_dropped().await;
        });
    }
}

#[test]
fn after_a_caught_panic_the_stream_has_ended() {
    for site in [PanicSite::Source, PanicSite::Closure, PanicSite::RetryPredicate] {
        for_each_seed(move || async move {
            let shares = Shares::default();
            let mut stream = Box::pin(panicking(&shares, site));
            let all = AssertUnwindSafe(async { while stream.next().await.is_some() {} });
            assert!(all.catch_unwind().await.is_err());
            while shares.n_live() > 2 {
                // The source and the closure may still hold their shares. No item may.
                tokio::task::yield_now().await;
            }
            assert!(stream.next().await.is_none() && stream.next().await.is_none(), "{site:?}");
            drop(stream);
            shares.assert_all_dropped().await;
        });
    }
}

#[test]
fn a_source_that_has_ended_is_dropped_and_not_pulled_again() {
    for_each_seed(|| async {
        let (shares, mut n_ends) = (Shares::default(), 0);
        let held = shares.clone();
        // Not fused: it would return items after its end.
        let mut remaining = vec![None, Some(9), None, Some(2), Some(1)];
        let items = std::iter::from_fn(move || {
            let _ = &held;
            let item = remaining.pop().expect("the source was pulled after its end");
            n_ends += u32::from(item.is_none());
            assert!(n_ends < 2, "the source was pulled after its end");
            item
        });
        let mut stream = Task::async_stream(items, |n| async move { n });
        assert_eq!((stream.next().await, stream.next().await), (Some(Ok(1)), Some(Ok(2))));
        assert_eq!((stream.next().await, stream.next().await), (None, None));
        assert_eq!(shares.n_live(), 0, "the source must be dropped before the stream");
    });
}

// T-160, T-174, T-175
#[test]
fn a_consumed_stream_drops_its_source_and_the_stages_after_it() {
    for_each_seed(|| async {
        let (before, after) = (Shares::default(), Shares::default());
        let held = after.clone();
        let results: Vec<_> = Task::async_stream(source(&before).take(4), work)
            .map(move |result| {
                let _ = &held;
                result
            })
            .collect()
            .await;
        assert_eq!((results.len(), before.n_live(), after.n_live()), (4, 0, 0));
    });
}

#[test]
fn an_empty_input_ends_at_once() {
    for_each_seed(|| async {
        let begun = Instant::now();
        assert!(Task::async_stream(Vec::<u8>::new(), |n| async move { n }).collect().await.is_empty());
        assert_eq!(begun.elapsed(), Duration::ZERO);
    });
}

#[test]
fn a_timeout_that_ends_the_stream_cancels_all_other_items_and_drops_the_source() {
    for_each_seed(|| async {
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
        shares.assert_all_dropped().await;
        assert_eq!(stream.next().await, None);
        assert_eq!((progress.running(), progress.failed(), progress.cancelled()), (0, 1, 3));
    });
}

/// A waker that panics when it is woken for the first time.
struct PanickingWaker(AtomicBool);

impl Wake for PanickingWaker {
    fn wake(self: Arc<PanickingWaker>) {
        assert!(self.0.swap(true, Ordering::SeqCst), "planned panic of a waker");
    }
}

#[test]
fn a_panicking_waker_of_the_consumer_does_not_prevent_timeouts() {
    let runtime = limited::runtime(2);
    let ended = runtime.block_on(async {
        loop {
            let (tx, rx) = mpsc::unbounded_channel::<()>();
            let hang = move |()| {
                let tx = tx.clone();
                async move {
                    let _tx = tx;
                    pending::<()>().await
                }
            };
            let mut stream = Task::async_stream([(); 8], hang).timeout(10 * MS).max_concurrency(8);
            let panicking = Arc::new(PanickingWaker(AtomicBool::new(false)));
            let waker = Waker::from(panicking.clone());
            if stream.poll_next_unpin(&mut Context::from_waker(&waker)).is_ready() {
                // On a busy machine, this poll may last longer than the timeout. Then the stream does not keep the waker.
                continue;
            }
            // When all eight are killed, only the closure holds a sender.
            while rx.sender_strong_count() > 1 || !panicking.0.load(Ordering::SeqCst) {
                tokio::task::yield_now().await;
            }
            return stream.collect().await.len();
        }
    });
    assert_eq!(ended, Ok(8));
}

#[test]
fn an_item_that_cannot_be_killed_is_abandoned_and_frees_its_slot() {
    let gone = first_in_time(|| {
        let runtime = limited::runtime(2);
        let released = Arc::new(AtomicBool::new(false));
        let release = released.clone();
        let stuck = runtime.block_on(async move {
            let (tx, rx) = oneshot::channel();
            let mut tx = Some(tx);
            let n_polled = Arc::new(AtomicUsize::new(0));
            let polled = n_polled.clone();
            let work = move |n: u32| {
                let (released, polled, tx) = (released.clone(), polled.clone(), tx.take());
                async move {
                    polled.fetch_add(1, Ordering::SeqCst);
                    if let Some(tx) = tx {
                        tx.send(process::current().unwrap()).unwrap();
                        while !released.load(Ordering::SeqCst) {
                            std::hint::spin_loop();
                        }
                    }
                    n
                }
            };
            let stream = Task::async_stream(0..3, work).max_concurrency(1).timeout(TIMEOUT);
            let progress = stream.progress();
            let begun = Instant::now();
            let results = stream.collect().await;
            if n_polled.load(Ordering::SeqCst) < 3 {
                return None;
            }
            assert!(matches!(results[..], [Err(Exit::Timeout(_)), Ok(1), Ok(2)]), "{results:?}");
            assert!(begun.elapsed() >= TIMEOUT + 100 * MS, "the item is abandoned 100 ms after its timeout");
            assert_eq!((progress.failed(), progress.abandoned(), progress.running()), (1, 1, 0));
            let pid = rx.await.unwrap();
            assert_eq!(process::info(pid).unwrap().state, ProcessState::Abandoned);
            Some((pid, process::monitor(pid)))
        });
        release.store(true, Ordering::SeqCst);
        let (pid, end) = stuck.unwrap()?;
        Some(runtime.block_on(async move { (end.await, process::info(pid).is_none()) }).unwrap())
    });
    assert_eq!(gone, (Exit::Killed, true));
}

#[test]
fn with_a_timeout_of_zero_an_item_that_cannot_be_killed_is_abandoned_too() {
    let runtime = limited::runtime(2);
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
fn items_that_opted_in_to_graceful_shutdown_may_finish_when_the_stream_is_dropped() {
    for_each_seed(|| async {
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
fn a_stream_may_move_to_another_process_after_a_poll() {
    for_each_seed(|| async {
        let mut stream = Task::async_stream(1..=3u32, |n| sleep(n * 10 * MS)).max_concurrency(3);
        let first = Task::spawn(async move {
            // Polled once by hand, so that the stream stores the waker of this process.
            let polled = std::future::poll_fn(|cx| Poll::Ready(stream.poll_next_unpin(cx).is_pending())).await;
            (polled, stream)
        });
        let (is_pending, stream) = first.await.unwrap();
        assert!(is_pending);
        assert_eq!(Task::spawn(stream.collect()).await, Ok(vec![Ok(()); 3]));
    });
}

#[test]
fn the_runtime_may_be_shut_down_while_a_stream_is_consumed() {
    let runtime = limited::runtime(2);
    let stream = runtime.block_on(async {
        let stream = Task::async_stream(0.., |_: u32| pending::<()>()).max_concurrency(2);
        let mut stream = Box::pin(stream.timeout(Timeout::Infinity));
        assert!(futures::poll!(stream.next()).is_pending());
        stream
    });
    let mut stream = stream.unwrap();
    assert!(runtime.shutdown(60 * SECOND).is_clean());
    let (first, second) = futures::executor::block_on(async { (stream.next().await, stream.next().await) });
    assert_eq!((first, second), (Some(Err(Exit::Shutdown(None))), Some(Err(Exit::Shutdown(None)))));
    let third = futures::executor::block_on(stream.next());
    assert!(matches!(third, Some(Err(Exit::Refused(_)))), "{third:?}");
}

/// A cancelled item is asked to shut down and has no time limit: the timeout was for a result that is not needed any more.
#[test]
fn items_cancelled_by_a_timeout_have_no_timeout_any_more() {
    for_each_seed(|| async {
        let has_finished = Arc::new(AtomicBool::new(false));
        let finished = has_finished.clone();
        let mut stream = Task::async_stream(0..3, move |n| {
            let finished = finished.clone();
            async move {
                match n {
                    0 => sleep(20 * MS).await,
                    1 => pending().await,
                    // Starts when the first item has ended, so its timeout is later than the one that ends the stream.
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
        // The stream is not dropped, and not polled either.
        sleep(SECOND).await;
        assert!(has_finished.load(Ordering::Relaxed), "the timeout has killed the cancelled item");
        assert!(stream.next().await.is_none());
    });
}

/// Regression: the exit of an item that had linked itself to the consumer ended the consumer when it dropped the stream.
#[test]
fn an_item_of_a_stream_that_is_dropped_does_not_end_the_consumer_over_a_link() {
    for_each_seed(|| async {
        let consumer = process::current().unwrap();
        let (linked, mut items) = mpsc::unbounded_channel();
        let mut stream = Task::async_stream(0..1, move |_| {
            let linked = linked.clone();
            async move {
                process::link(consumer);
                linked.send(process::current().unwrap()).unwrap();
                pending::<()>().await;
            }
        });
        assert_eq!(stream.next().now_or_never(), None);
        let end = process::monitor(items.recv().await.unwrap());
        drop(stream);
        assert_eq!(end.await, Exit::Shutdown(None));
        sleep(SECOND).await;
    });
}

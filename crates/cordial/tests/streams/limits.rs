//! Extreme options of a parallel stream: maximal bounds, unlimited retries, and a timeout that ends an ordered stream.

use std::future::pending;
use std::time::Duration;

use cordial::{Backoff, Exit, Retry, StreamTimeout, Task};
use futures::{FutureExt, StreamExt};
use tokio::time::{Instant, sleep};

use crate::harness::limited;
use crate::harness::probe::Probe;
use crate::harness::seeds::{SECOND, for_each_seed};

const MS: Duration = Duration::from_millis(1);

#[test]
fn maximal_options_work() {
    for_each_seed(|| async {
        let max = usize::MAX;
        for (n, max_ahead) in [(max, None), (max, Some(max)), (1, Some(max)), (max, Some(0)), (max / 4 + 1, None)] {
            let stream = Task::async_stream(0..100, |n| async move { n }).max_concurrency(n);
            let stream = if let Some(max_ahead) = max_ahead { stream.max_ahead(max_ahead) } else { stream };
            let retry = Retry::times(max).backoff(Backoff::exponential(Duration::MAX, Duration::MAX));
            let stream = stream.timeout(Duration::MAX).retry(retry);
            assert_eq!(stream.collect().await, (0..100).map(Ok).collect::<Vec<_>>());
        }
        let unordered =
            Task::async_stream(0..100, |n| async move { n }).unordered().max_concurrency(max).max_ahead(max);
        assert_eq!(unordered.count().await, 100);
    });
}

/// In input order, an earlier item may still run when a later one ends the stream: a retry starts with a new timeout.
#[test]
fn a_timeout_that_ends_an_ordered_stream_follows_all_earlier_items() {
    for_each_seed(|| async {
        let probe = Probe::default();
        let (guards, mut n_of_1) = (probe.clone(), 0);
        let work = move |n: u32| {
            n_of_1 += u32::from(n == 1);
            let (guard, is_first) = (guards.guard(), n_of_1 == 1);
            async move {
                let _guard = guard;
                match n {
                    1 if is_first => {
                        sleep(SECOND).await;
                        Err("once")
                    }
                    1 => {
                        sleep(1500 * MS).await;
                        Ok(n)
                    }
                    3 => pending().await,
                    _ => Ok(n),
                }
            }
        };
        let stream = Task::async_stream(0.., work).or_exit().max_concurrency(4).max_ahead(9).timeout(2 * SECOND);
        let retry = Retry::times(1).when(|exit| !matches!(exit, Exit::Timeout(_)));
        let stream = stream.retry(retry).on_timeout(StreamTimeout::EndStream);
        let (progress, begun) = (stream.progress(), Instant::now());
        let results = stream.collect().await;
        assert!(matches!(results[..], [Ok(0), Ok(1), Ok(2), Err(Exit::Timeout(_))]), "{results:?}");
        assert_eq!(begun.elapsed(), 2500 * MS, "item 3 has timed out after 2 s, and item 1 was retried until 2.5 s");
        sleep(MS).await;
        assert_eq!((probe.n_alive(), progress.running(), progress.failed()), (0, 0, 1));
    });
}

/// The runtime of the stream is gone, so no attempt can start. Unlimited retries without a backoff must not keep the consumer in
/// one poll.
#[test]
fn retries_of_items_that_cannot_start_do_not_keep_the_consumer_in_one_poll() {
    let gone = limited::runtime(1);
    let stream = gone.block_on(async {
        let mut stream = Task::async_stream(0.., |_: u32| pending::<()>()).max_concurrency(1);
        stream = stream.retry(Retry::times(usize::MAX));
        assert!(stream.next().now_or_never().is_none());
        stream
    });
    let mut stream = stream.unwrap();
    assert!(gone.shutdown(60 * SECOND).is_clean());
    for _ in 0..10 {
        assert!(stream.next().now_or_never().is_none());
    }
}

#[test]
fn an_ordered_stream_with_end_stream_has_no_holes() {
    /// `shortest` is the least number of results.
    async fn check(shortest: usize) {
        // Item 2 ends at the moment at which items 1 and 3 to 5 time out.
        let work = |n: u32| async move {
            match n {
                0 => n,
                2 => {
                    sleep(10 * MS).await;
                    n
                }
                _ => pending().await,
            }
        };
        let stream = Task::async_stream(0..6, work).max_concurrency(6).timeout(10 * MS);
        let results = stream.on_timeout(StreamTimeout::EndStream).zip_input_on_exit().collect().await;
        let indexes: Vec<usize> =
            results.iter().map(|result| result.as_ref().map_or_else(|e| e.index, |n| *n as usize)).collect();
        assert!((shortest..=2).contains(&results.len()), "{results:?}");
        let (last, before) = results.split_last().unwrap();
        assert!(last.is_err() && before.iter().all(Result::is_ok), "{results:?}");
        assert_eq!(indexes, [0, 1][..results.len()], "the first item that timed out is the last result: {results:?}");
    }
    for_each_seed(|| check(2));
    let runtime = limited::runtime(2);
    // On a busy machine, item 0 may time out too, because it gets no thread in time.
    (0..50).for_each(|_| runtime.block_on(check(1)).unwrap());
}

//! The options of a parallel stream at their ends: no bounds, no time, retries without end, a timeout that ends it.

use std::future::pending;
use std::time::Duration;

use cordial::{Backoff, Exit, Retry, Runtime, StreamTimeout, Task};
use futures::{FutureExt, StreamExt};
use tokio::time::{Instant, sleep};

use crate::orders::{SECOND, in_every_order};
use crate::probe::Probe;

const MS: Duration = Duration::from_millis(1);

#[test]
fn options_without_bounds_are_taken_at_their_word() {
    in_every_order(|| async {
        let most = usize::MAX;
        for (n, max_ahead) in [(most, None), (most, Some(most)), (1, Some(most)), (most, Some(0)), (most / 4 + 1, None)]
        {
            let stream = Task::async_stream(0..100, |n| async move { n }).max_concurrency(n);
            let stream = if let Some(max_ahead) = max_ahead { stream.max_ahead(max_ahead) } else { stream };
            let retry = Retry::times(most).backoff(Backoff::exponential(Duration::MAX, Duration::MAX));
            let stream = stream.timeout(Duration::MAX).retry(retry);
            assert_eq!(stream.collect().await, (0..100).map(Ok).collect::<Vec<_>>());
        }
        let unordered =
            Task::async_stream(0..100, |n| async move { n }).unordered().max_concurrency(most).max_ahead(most);
        assert_eq!(unordered.count().await, 100);
    });
}

/// In input order an older item may still run when a younger one ends the stream: after a failed attempt it has a new limit.
#[test]
fn a_timeout_that_ends_an_ordered_stream_comes_after_what_is_older_and_done() {
    in_every_order(|| async {
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
                    1 | 3 => pending().await,
                    _ => Ok(n),
                }
            }
        };
        let stream = Task::async_stream(0.., work).or_exit().max_concurrency(4).max_ahead(9).timeout(2 * SECOND);
        let retry = Retry::times(1).when(|exit| !matches!(exit, Exit::Timeout(_)));
        let stream = stream.retry(retry).on_timeout(StreamTimeout::EndStream);
        let (progress, begun) = (stream.progress(), Instant::now());
        let results = stream.collect().await;
        assert!(matches!(results[..], [Ok(0), Ok(2), Err(Exit::Timeout(_))]), "{results:?}");
        assert_eq!(begun.elapsed(), 2 * SECOND);
        sleep(MS).await;
        assert_eq!((probe.n_alive(), progress.running(), progress.failed()), (0, 0, 1));
    });
}

/// Never started, as its runtime is gone: a retry without a wait and without end must not keep the consumer in one poll.
#[test]
fn retries_of_what_cannot_start_let_the_consumer_go() {
    let gone = Runtime::builder().workers(1).build().unwrap();
    let stream = gone.block_on(async {
        let mut stream = Task::async_stream(0.., |_: u32| pending::<()>()).max_concurrency(1);
        stream = stream.retry(Retry::times(usize::MAX));
        assert!(stream.next().now_or_never().is_none());
        stream
    });
    let mut stream = stream.unwrap();
    assert!(gone.shutdown(SECOND).is_clean());
    for _ in 0..10 {
        assert!(stream.next().now_or_never().is_none());
    }
}

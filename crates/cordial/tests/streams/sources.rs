//! The source of a parallel stream: wrong size hints, and sources that are pending.

use std::future::pending;
use std::pin::Pin;
use std::sync::mpsc;
use std::task::{Context, Poll};
use std::time::Duration;

use cordial::process;
use cordial::{Exit, Pid, StreamTimeout, Task, Timeout};
use futures::Stream;
use tokio::time::Instant;

use crate::harness::limited;
use crate::harness::seeds::for_each_seed;

/// A source of three items with any size hint.
struct WrongHint(u32, (usize, Option<usize>));

impl Stream for WrongHint {
    type Item = u32;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<u32>> {
        self.0 += 1;
        Poll::Ready((self.0 <= 3).then_some(self.0))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.1
    }
}

#[test]
fn a_wrong_size_hint_of_the_source_does_no_harm() {
    for hint in [(0, Some(0)), (usize::MAX, Some(usize::MAX)), (usize::MAX, None), (9, Some(2))] {
        for_each_seed(move || async move {
            let mut stream = Task::async_stream_from(WrongHint(0, hint), |n| async move { n }).max_concurrency(2);
            assert_eq!(stream.size_hint(), hint);
            assert_eq!(stream.next().await, Some(Ok(1)));
            let upper = stream.size_hint().1;
            assert!(hint.1 != Some(usize::MAX) || upper.is_none_or(|upper| upper >= 2), "{upper:?}");
            assert_eq!(stream.collect().await, [Ok(2), Ok(3)]);
        });
    }
}

#[test]
fn the_lower_size_hint_of_a_stream_that_may_end_early_counts_only_what_is_certain() {
    for_each_seed(|| async {
        let work = |n: u32| async move {
            if n == 1 {
                pending().await
            }
        };
        let stream = Task::async_stream(0..10, work).on_timeout(StreamTimeout::EndStream).max_concurrency(2);
        let mut stream = stream.max_ahead(1);
        assert_eq!(stream.size_hint(), (0, Some(10)));
        assert_eq!(stream.next().await, Some(Ok(())));
        let (lower, upper) = stream.size_hint();
        assert!(lower <= 1, "only the timeout may still come: {lower}");
        assert_eq!(upper, Some(9));
        assert!(matches!(stream.next().await, Some(Err(Exit::Timeout(_)))));
        assert_eq!((stream.size_hint().0, stream.next().await), (0, None));
    });
}

/// An item ends while the async source is being polled, and the source then returns pending. The result must not be missed.
#[test]
fn an_item_that_ends_while_the_source_is_polled_is_delivered() {
    struct WaitsForItem(Option<mpsc::Receiver<Pid>>, bool);

    impl Stream for WaitsForItem {
        type Item = ();

        fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<()>> {
            if !std::mem::replace(&mut self.1, true) {
                return Poll::Ready(Some(()));
            }
            if let Some(pid) = self.0.take().map(|pids| pids.recv().unwrap()) {
                while process::info(pid).is_some() {
                    std::thread::yield_now();
                }
                // The process has exited. Gives its worker time to deliver the result.
                let begun = Instant::now();
                while begun.elapsed() < Duration::from_micros(100) {
                    std::thread::yield_now();
                }
            }
            Poll::Pending
        }
    }

    let runtime = limited::runtime(2);
    for _ in 0..50 {
        let (tx, rx) = mpsc::channel();
        let first = runtime.block_on(async move {
            let work = move |()| {
                let tx = tx.clone();
                async move { tx.send(process::current().unwrap()).unwrap() }
            };
            let stream = Task::async_stream_from(WaitsForItem(Some(rx), false), work).max_concurrency(2);
            stream.timeout(Timeout::Infinity).next().await
        });
        assert_eq!(first, Ok(Some(Ok(()))));
    }
}

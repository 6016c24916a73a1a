//! The input of a parallel stream: sources that lie about their length, or have nothing more for now.

use std::future::pending;
use std::pin::Pin;
use std::sync::mpsc;
use std::task::{Context, Poll};

use cordial::process::{self};
use cordial::{Exit, Pid, Runtime, StreamTimeout, Task, Timeout};
use futures::Stream;

use crate::orders::in_every_order;

/// A source of three that claims what it likes.
struct Liar(u32, (usize, Option<usize>));

impl Stream for Liar {
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
fn a_source_that_lies_about_its_length_is_not_believed() {
    for hint in [(0, Some(0)), (usize::MAX, Some(usize::MAX)), (usize::MAX, None), (9, Some(2))] {
        in_every_order(move || async move {
            let mut stream = Task::async_stream_from(Liar(0, hint), |n| async move { n }).max_concurrency(2);
            assert_eq!(stream.size_hint(), hint);
            assert_eq!(stream.next().await, Some(Ok(1)));
            let upper = stream.size_hint().1;
            assert!(hint.1 != Some(usize::MAX) || upper.is_none_or(|upper| upper >= 2), "{upper:?}");
            assert_eq!(stream.collect().await, [Ok(2), Ok(3)]);
        });
    }
}

#[test]
fn it_promises_no_more_than_it_may_give() {
    in_every_order(|| async {
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
        assert!(lower <= 1, "one more, the timeout, is all there is: {lower}");
        assert_eq!(upper, Some(9));
        assert!(matches!(stream.next().await, Some(Err(Exit::Timeout(_)))));
        assert_eq!((stream.size_hint().0, stream.next().await), (0, None));
    });
}

/// An async source that finds its item ended, and has nothing more for now: the end is not overlooked.
#[test]
fn an_item_that_ends_during_the_pull_is_delivered() {
    struct Slow(Option<mpsc::Receiver<Pid>>, bool);

    impl Stream for Slow {
        type Item = ();

        fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<()>> {
            if !std::mem::replace(&mut self.1, true) {
                return Poll::Ready(Some(()));
            }
            if let Some(pid) = self.0.take().map(|pids| pids.recv().unwrap()) {
                while process::info(pid).is_some() {
                    std::thread::yield_now();
                }
                // It is gone; let its handle be told.
                (0..100).for_each(|_| std::thread::yield_now());
            }
            Poll::Pending
        }
    }

    let runtime = Runtime::builder().workers(2).build().unwrap();
    for _ in 0..50 {
        let (tell, told) = mpsc::channel();
        let first = runtime.block_on(async move {
            let work = move |()| {
                let tell = tell.clone();
                async move { tell.send(process::current().unwrap()).unwrap() }
            };
            let stream = Task::async_stream_from(Slow(Some(told), false), work).max_concurrency(2);
            stream.timeout(Timeout::Infinity).next().await
        });
        assert_eq!(first, Ok(Some(Ok(()))));
    }
}

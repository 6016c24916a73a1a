//! The wakers of who consumes a parallel stream: those that panic, those that are left behind, and when they go.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use cordial::{Runtime, Task};
use futures::StreamExt;
use tokio::time::sleep;

use crate::orders::in_every_order;
use crate::stream_stuck::Stuck;

const MS: Duration = Duration::from_millis(1);

/// A waker that may be cloned and dropped so often before it panics.
struct Hostile(AtomicUsize);

impl Wake for Hostile {
    fn wake(self: Arc<Hostile>) {
        assert!(self.0.fetch_sub(1, Ordering::SeqCst) > 1, "a waker that panics");
    }
}

#[test]
fn a_waker_that_panics_when_an_item_ends_keeps_no_result_back() {
    in_every_order(|| async {
        let mut stream = Task::async_stream(1..=4u32, |n| sleep(n * MS)).max_concurrency(4);
        let hostile = Waker::from(Arc::new(Hostile(AtomicUsize::new(1))));
        assert!(stream.poll_next_unpin(&mut Context::from_waker(&hostile)).is_pending());
        sleep(2 * MS).await;
        assert_eq!(stream.collect().await, vec![Ok(()); 4]);
    });
}

#[test]
fn wakers_that_are_left_behind_are_not_woken() {
    in_every_order(|| async {
        let mut stream = Task::async_stream(1..=2u32, |n| sleep(n * MS)).max_concurrency(4);
        let (first, second) = (Arc::new(Hostile(AtomicUsize::new(99))), Arc::new(Hostile(AtomicUsize::new(99))));
        for waker in [&first, &second] {
            let waker = Waker::from(waker.clone());
            assert!(stream.poll_next_unpin(&mut Context::from_waker(&waker)).is_pending());
        }
        assert_eq!(Arc::strong_count(&first), 1, "it is not kept");
        sleep(5 * MS).await;
        assert_eq!((first.0.load(Ordering::SeqCst), second.0.load(Ordering::SeqCst)), (99, 98), "once, whatever ends");
        assert_eq!(stream.collect().await, vec![Ok(()); 2]);
    });
}

/// A waker that panics when the last of it goes.
struct Brittle;

impl Wake for Brittle {
    fn wake(self: Arc<Brittle>) {}
}

impl Drop for Brittle {
    fn drop(&mut self) {
        panic!("a waker that panics when it is dropped");
    }
}

#[test]
fn a_waker_that_panics_when_it_is_dropped_ends_no_stream() {
    in_every_order(|| async {
        let work = |n: u32| sleep(n * MS);
        for n_polls in [1, 2, 3] {
            let mut stream = Task::async_stream(1..=4, work).max_concurrency(4);
            for _ in 0..n_polls {
                let brittle = std::mem::ManuallyDrop::new(Waker::from(Arc::new(Brittle)));
                let polled = stream.poll_next_unpin(&mut Context::from_waker(&brittle));
                assert!(polled.is_pending());
                // The stream has the last of them.
                drop(std::mem::ManuallyDrop::into_inner(brittle));
            }
            if n_polls == 1 {
                drop(stream);
                continue;
            }
            sleep(2 * MS).await;
            assert_eq!(stream.collect().await, vec![Ok(()); 4]);
        }
    });
}

#[test]
fn the_waker_of_a_consumer_goes_with_the_stream_even_if_an_item_is_stuck() {
    let runtime = Runtime::builder().workers(2).build().unwrap();
    let (stuck, told) = Stuck::new();
    let n_holders = runtime.block_on(async move {
        let mut stream = Task::async_stream([()], move |()| stuck.attempt());
        let waker = Arc::new(Hostile(AtomicUsize::new(99)));
        assert!(stream.poll_next_unpin(&mut Context::from_waker(&Waker::from(waker.clone()))).is_pending());
        let _stuck = told.recv().unwrap();
        drop(stream);
        Arc::strong_count(&waker)
    });
    assert_eq!(n_holders, Ok(1));
}

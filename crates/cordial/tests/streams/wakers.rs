//! The wakers of a stream's consumer: panicking wakers, replaced wakers, and when the stream drops them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use cordial::{Task, Timeout};
use futures::StreamExt;
use tokio::time::sleep;

use crate::abandoned::Stuck;
use crate::harness::limited;
use crate::harness::seeds::for_each_seed;

const MS: Duration = Duration::from_millis(1);

/// A waker that counts down at each wake-up, and panics when the count reaches zero.
struct CountdownWaker(AtomicUsize);

impl Wake for CountdownWaker {
    fn wake(self: Arc<CountdownWaker>) {
        assert!(self.0.fetch_sub(1, Ordering::SeqCst) > 1, "planned panic of a waker");
    }
}

#[test]
fn a_waker_that_panics_when_an_item_ends_loses_no_result() {
    for_each_seed(|| async {
        let mut stream = Task::async_stream(1..=4u32, |n| sleep(n * MS)).max_concurrency(4);
        let panicking = Arc::new(CountdownWaker(AtomicUsize::new(1)));
        let waker = Waker::from(panicking.clone());
        assert!(stream.poll_next_unpin(&mut Context::from_waker(&waker)).is_pending());
        sleep(2 * MS).await;
        assert_eq!(panicking.0.load(Ordering::SeqCst), 0, "the waker has panicked");
        assert_eq!(stream.collect().await, vec![Ok(()); 4]);
    });
}

#[test]
fn only_the_waker_of_the_last_poll_is_woken() {
    for_each_seed(|| async {
        let mut stream = Task::async_stream(1..=2u32, |n| sleep(n * MS)).max_concurrency(4);
        let (first, second) =
            (Arc::new(CountdownWaker(AtomicUsize::new(99))), Arc::new(CountdownWaker(AtomicUsize::new(99))));
        for waker in [&first, &second] {
            let waker = Waker::from(waker.clone());
            assert!(stream.poll_next_unpin(&mut Context::from_waker(&waker)).is_pending());
        }
        assert_eq!(Arc::strong_count(&first), 1, "the stream must keep only the last waker");
        sleep(5 * MS).await;
        assert_eq!(
            (first.0.load(Ordering::SeqCst), second.0.load(Ordering::SeqCst)),
            (99, 98),
            "only the last waker is woken, and once"
        );
        assert_eq!(stream.collect().await, vec![Ok(()); 2]);
    });
}

/// A waker that panics when its last clone is dropped.
struct PanicsOnDrop;

impl Wake for PanicsOnDrop {
    fn wake(self: Arc<PanicsOnDrop>) {}
}

impl Drop for PanicsOnDrop {
    fn drop(&mut self) {
        panic!("planned panic of a waker's destructor");
    }
}

#[test]
fn a_waker_that_panics_when_it_is_dropped_does_not_end_the_stream() {
    for_each_seed(|| async {
        let work = |n: u32| sleep(n * MS);
        for n_polls in [1, 2, 3] {
            let mut stream = Task::async_stream(1..=4, work).max_concurrency(4);
            for _ in 0..n_polls {
                let waker = std::mem::ManuallyDrop::new(Waker::from(Arc::new(PanicsOnDrop)));
                let polled = stream.poll_next_unpin(&mut Context::from_waker(&waker));
                assert!(polled.is_pending());
                // From here on the stream holds the only clone.
                drop(std::mem::ManuallyDrop::into_inner(waker));
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
fn a_dropped_stream_drops_the_waker_even_if_an_item_is_stuck() {
    let runtime = limited::runtime(2);
    let (stuck, blocked) = Stuck::new();
    let n_holders = runtime.block_on(async move {
        let mut stream = Task::async_stream([()], move |()| stuck.attempt()).timeout(Timeout::Infinity);
        let waker = Arc::new(CountdownWaker(AtomicUsize::new(99)));
        assert!(stream.poll_next_unpin(&mut Context::from_waker(&Waker::from(waker.clone()))).is_pending());
        let _stuck = blocked.recv().unwrap();
        drop(stream);
        Arc::strong_count(&waker)
    });
    assert_eq!(n_holders, Ok(1));
}

//! A future that is polled only when it was woken.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// Polls a future only when it was woken, or when the waker of the caller is another one. A connection is polled several times
/// for each request, but its timer is polled only when the timer has woken it. The same holds for the request to shut down.
#[derive(Debug)]
pub(super) struct PolledWhenWoken<F> {
    future: F,
    waker: Option<(Arc<WokenFlag>, Waker)>,
}

/// Wakes the task of the connection, and notes that the future was woken.
#[derive(Debug)]
struct WokenFlag {
    was_woken: AtomicBool,
    task: Waker,
}

impl Wake for WokenFlag {
    fn wake(self: Arc<WokenFlag>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<WokenFlag>) {
        self.was_woken.store(true, Ordering::SeqCst);
        self.task.wake_by_ref();
    }
}

impl<F: Future + Unpin> PolledWhenWoken<F> {
    pub(super) fn new(future: F) -> PolledWhenWoken<F> {
        PolledWhenWoken { future, waker: None }
    }
}

impl<F: Future + Unpin> Future for PolledWhenWoken<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        match &self.waker {
            Some((flag, _)) if flag.task.will_wake(cx.waker()) => {
                // The flag is cleared before the poll, so that a wake-up during the poll is not lost.
                if !flag.was_woken.swap(false, Ordering::SeqCst) {
                    return Poll::Pending;
                }
            }
            _ => {
                let flag = Arc::new(WokenFlag { was_woken: AtomicBool::new(false), task: cx.waker().clone() });
                self.waker = Some((flag.clone(), Waker::from(flag)));
            }
        }
        let PolledWhenWoken { future, waker } = &mut *self;
        let (_, waker) = waker.as_ref().expect("it was just set");
        Pin::new(future).poll(&mut Context::from_waker(waker))
    }
}

//! Events that are rare beside the polls of a connection.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// Polls a future only when it was woken, or when the waker of the caller is another one. A connection is polled several
/// times for each request, and asks its timer and its process for a request to shut down only when there is news.
#[derive(Debug)]
pub(super) struct Rarely<F> {
    future: F,
    waker: Option<(Arc<Bell>, Waker)>,
}

/// Wakes the task of the connection, and notes that it did.
#[derive(Debug)]
struct Bell {
    has_rung: AtomicBool,
    task: Waker,
}

impl Wake for Bell {
    fn wake(self: Arc<Bell>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Bell>) {
        self.has_rung.store(true, Ordering::SeqCst);
        self.task.wake_by_ref();
    }
}

impl<F: Future + Unpin> Rarely<F> {
    pub(super) fn new(future: F) -> Rarely<F> {
        Rarely { future, waker: None }
    }
}

impl<F: Future + Unpin> Future for Rarely<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        match &self.waker {
            Some((bell, _)) if bell.task.will_wake(cx.waker()) => {
                if !bell.has_rung.load(Ordering::SeqCst) {
                    return Poll::Pending;
                }
                // Before the poll, so that a wake-up during the poll is not lost.
                bell.has_rung.store(false, Ordering::SeqCst);
            }
            _ => {
                let bell = Arc::new(Bell { has_rung: AtomicBool::new(false), task: cx.waker().clone() });
                self.waker = Some((bell.clone(), Waker::from(bell)));
            }
        }
        let Rarely { future, waker } = &mut *self;
        let (_, waker) = waker.as_ref().expect("it was just set");
        Pin::new(future).poll(&mut Context::from_waker(waker))
    }
}

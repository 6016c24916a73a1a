//! The future that runs in the process of an item. With a timeout of zero, this future is polled only once.

use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::exit::Exit;
use crate::process;

pin_project! {
    /// The future of an item. With [`PollLimit::Single`], it kills its own process if its first poll is pending.
    pub(super) struct ItemFuture<F> {
        #[pin]
        future: F,
        poll_limit: PollLimit,
    }
}

/// How often the future of an item may be polled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PollLimit {
    Single,
    Unlimited,
}

impl<F> ItemFuture<F> {
    pub(super) fn new(future: F, poll_limit: PollLimit) -> ItemFuture<F> {
        ItemFuture { future, poll_limit }
    }
}

impl<F: Future> Future for ItemFuture<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let polled = this.future.poll(cx);
        if polled.is_pending() && *this.poll_limit == PollLimit::Single {
            let own = process::current().expect("the future of an item is polled inside its process");
            process::exit(own, Exit::Killed);
        }
        polled
    }
}

//! A limit of zero: one poll, and no more.

use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::exit::Exit;
use crate::process;

pin_project! {
    /// The future of an item. If its limit is zero, its process is killed unless the first poll gives a value.
    pub(super) struct Brief<F> {
        #[pin]
        future: F,
        patience: Patience,
    }
}

/// How many polls a future may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    OnePoll,
    Any,
}

impl<F> Brief<F> {
    pub(super) fn new(future: F, patience: Patience) -> Brief<F> {
        Brief { future, patience }
    }
}

impl<F: Future> Future for Brief<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let polled = this.future.poll(cx);
        if polled.is_pending()
            && *this.patience == Patience::OnePoll
            && let Some(own) = process::current()
        {
            process::exit(own, Exit::Killed);
        }
        polled
    }
}

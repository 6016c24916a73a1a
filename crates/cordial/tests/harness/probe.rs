//! Futures and values that count their polls and drops.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

/// Counts for all futures and guards that were created from it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Probe(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    polls: AtomicUsize,
    guards: AtomicUsize,
    drops: AtomicUsize,
}

/// A future whose polls and drop are counted.
pub(crate) struct Probed<F> {
    future: Pin<Box<F>>,
    guard: Guard,
}

/// A value whose drop is counted.
#[derive(Debug)]
pub(crate) struct Guard(Probe);

impl Probe {
    /// Wraps a future so that its polls and its drop are counted.
    pub(crate) fn of<F: Future>(&self, future: F) -> Probed<F> {
        Probed { future: Box::pin(future), guard: self.guard() }
    }

    pub(crate) fn guard(&self) -> Guard {
        self.0.guards.fetch_add(1, Ordering::SeqCst);
        Guard(self.clone())
    }

    /// The number of futures and guards that are not dropped yet.
    pub(crate) fn n_alive(&self) -> usize {
        self.0.guards.load(Ordering::SeqCst) - self.drops()
    }

    pub(crate) fn polls(&self) -> usize {
        self.0.polls.load(Ordering::SeqCst)
    }

    pub(crate) fn drops(&self) -> usize {
        self.0.drops.load(Ordering::SeqCst)
    }
}

impl<F: Future> Future for Probed<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.guard.0.0.polls.fetch_add(1, Ordering::SeqCst);
        self.future.as_mut().poll(cx)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.0.drops.fetch_add(1, Ordering::SeqCst);
    }
}

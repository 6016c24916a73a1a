//! The limit of one wait.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use cordial_sched::Timer;

use super::Timeout;
use crate::process::Handle;

/// A limit of one call, on the clock of a task's runtime.
pub(crate) enum Limit {
    Passed,
    Armed(Timer),
    Never,
}

impl Limit {
    /// On the clock of a runtime. Without one there is nothing to wait for, and no limit.
    pub(crate) fn new(runtime: Option<&Handle>, limit: Timeout) -> Limit {
        match limit {
            Timeout::After(Duration::ZERO) => Limit::Passed,
            Timeout::After(limit) => {
                let timer = runtime.and_then(|runtime| runtime.executor().timer(limit));
                timer.map_or(Limit::Never, Limit::Armed)
            }
            Timeout::Infinity => Limit::Never,
        }
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Limit::Passed => Poll::Ready(()),
            Limit::Armed(timer) => Pin::new(timer).poll(cx),
            Limit::Never => Poll::Pending,
        }
    }
}

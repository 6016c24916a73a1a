//! Delayed starts: a nested supervisor takes long to start, because one of its children has failed to start and is tried again after
//! its backoff, or is itself a supervisor whose start is delayed. The parent does other work meanwhile.
//!
//! ```text
//!  start_child ─► delayed ─┬─ all children have started ─► running
//!                          ├─ stopped by a call or with a sibling
//!                          ├─ timeout ─► killed ─┐
//!                          └─ exit ──────────────┴─► the start has failed: the caller gets the error, or the nested supervisor is
//!                                                    started again
//! ```

use std::future::pending;
use std::pin::pin;

use futures_util::StreamExt;
use futures_util::future::{BoxFuture, Either, select};
use futures_util::stream::FuturesUnordered;

use crate::pid::Pid;
use crate::process::RuntimeHandle;
use crate::supervisor::clock::Clock;
use crate::supervisor::start_reply::{PendingStart, StartUpdate};
use crate::supervisor::start_watch::StartWatch;

/// The delayed starts of one supervisor. A start whose child was stopped stays here until its next input, which is then ignored.
#[derive(Default)]
pub(super) struct DelayedStarts(FuturesUnordered<BoxFuture<'static, (DelayedStart, DelayedStartInput)>>);

/// One delayed start.
pub(super) struct DelayedStart {
    pub(super) key: u64,
    pub(super) pid: Pid,
    pub(super) watch: StartWatch,
    pub(super) pending: PendingStart,
}

/// What can happen to a delayed start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DelayedStartInput {
    /// The child has started.
    Started,
    /// The child is about to exit or has exited. The exit itself arrives in `ChildExits`, as that of any child.
    Failed,
    /// A step of the watch is due.
    WatchDue,
}

impl DelayedStarts {
    pub(super) fn add(&mut self, start: DelayedStart, runtime: &RuntimeHandle, clock: &Clock) {
        self.0.push(Box::pin(start.next(runtime.clone(), clock.clone())));
    }

    /// Waits for the next input of any start. Cancel safe.
    pub(super) async fn next(&mut self) -> (DelayedStart, DelayedStartInput) {
        match self.0.next().await {
            Some(next) => next,
            None => pending().await,
        }
    }
}

impl DelayedStart {
    async fn next(mut self, runtime: RuntimeHandle, clock: Clock) -> (DelayedStart, DelayedStartInput) {
        let until_due = self.watch.due().saturating_sub(clock.now());
        let input = {
            let ended = async {
                loop {
                    match self.pending.next_update().await {
                        StartUpdate::Delayed => {}
                        StartUpdate::Ended(Some(Ok(guard))) => {
                            guard.disarm();
                            return DelayedStartInput::Started;
                        }
                        StartUpdate::Ended(_) => return DelayedStartInput::Failed,
                    }
                }
            };
            match select(pin!(ended), pin!(runtime.sleep(until_due))).await {
                Either::Left((input, _)) => input,
                Either::Right(((), _)) => DelayedStartInput::WatchDue,
            }
        };
        (self, input)
    }
}

//! Reports how far the start of a supervisor is to the process that awaits the start.
//!
//! ```text
//!  start ──────────────────────────────────────────────► outcome: all children have started, or the start has failed
//!    └─ a child, or a child below it, failed and is tried again ─► delayed ──► outcome
//! ```

use std::pin::pin;

use futures_util::future::{Either, select};
use tokio::sync::oneshot;

use super::incarnation::StartGuard;
use crate::error::StartError;

/// The outcome of the start of a supervisor.
pub(super) type StartResult = Result<StartGuard, StartError>;

/// Sends how far the start of a supervisor is.
pub(super) struct StartReply {
    /// Sends that the start is delayed. `None` once [`take_delayed`](StartReply::take_delayed) has returned it.
    delayed: Option<oneshot::Sender<()>>,
    outcome: oneshot::Sender<StartResult>,
}

/// Receives how far the start of a supervisor is.
pub(super) struct PendingStart {
    /// `None` once it is known whether the start is delayed.
    delayed: Option<oneshot::Receiver<()>>,
    outcome: oneshot::Receiver<StartResult>,
}

/// How far a start is.
pub(super) enum StartUpdate {
    /// The start may take long: a child of the supervisor has failed to start and is tried again later, or is a supervisor whose start
    /// is delayed. Returned at most once.
    Delayed,
    /// The start has ended. `None` if the supervisor has exited without an outcome.
    Ended(Option<StartResult>),
}

/// Creates the two ends for one start.
pub(super) fn start_reply() -> (StartReply, PendingStart) {
    let ((delayed, is_delayed), (outcome, ended)) = (oneshot::channel(), oneshot::channel());
    let pending = PendingStart { delayed: Some(is_delayed), outcome: ended };
    (StartReply { delayed: Some(delayed), outcome }, pending)
}

impl StartReply {
    /// Returns the sender of the notice that the start is delayed.
    pub(super) fn take_delayed(&mut self) -> Option<oneshot::Sender<()>> {
        self.delayed.take()
    }

    /// Sends the outcome, and returns it if it is not awaited any more. Runs a user waker, which may panic.
    pub(super) fn send(self, outcome: StartResult) -> Result<(), StartResult> {
        self.outcome.send(outcome)
    }

    /// Waits until the outcome is not awaited any more. Cancel safe.
    pub(super) async fn closed(&mut self) {
        self.outcome.closed().await;
    }
}

impl PendingStart {
    /// Waits until the start is delayed or has ended. Cancel safe. Must not be called after it has returned `Ended`.
    pub(super) async fn next_update(&mut self) -> StartUpdate {
        if let Some(delayed) = &mut self.delayed {
            match select(pin!(&mut self.outcome), pin!(delayed)).await {
                Either::Left((outcome, _)) => return StartUpdate::Ended(outcome.ok()),
                Either::Right((delayed, _)) => {
                    self.delayed = None;
                    if delayed.is_ok() {
                        return StartUpdate::Delayed;
                    }
                }
            }
        }
        StartUpdate::Ended((&mut self.outcome).await.ok())
    }

    /// Waits until the start has ended.
    pub(super) async fn outcome(self) -> Option<StartResult> {
        self.outcome.await.ok()
    }
}

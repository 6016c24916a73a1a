//! A call, and how it can end.

use std::time::{Duration, Instant};

use cordial::{Exit, LostCause, Pid};
use tokio::sync::oneshot;

use crate::frame::Outgoing;
use crate::function::Signature;

/// A call that waits for a worker, or runs in one.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) id: u64,
    pub(super) signature: Signature,
    /// The process of the caller that stands for the call.
    pub(super) process: Option<Pid>,
    /// `None` once it was given to a worker.
    pub(super) frame: Option<Outgoing>,
    pub(super) reply: oneshot::Sender<Reply>,
    /// When it was given to a worker.
    pub(super) since: Option<Instant>,
}

/// How a call has ended.
#[derive(Debug)]
pub(super) enum Reply {
    /// The worker has answered with these bytes.
    Done(Vec<u8>),
    /// The worker is gone.
    Lost(LostWorker),
    /// The call has this exit: it was asked to shut down, or its pool was stopped or gave up, before a worker had the call; or the pool has ended
    /// its worker.
    Ended(Exit),
}

/// A worker that is gone, as its pool has found it.
#[derive(Debug)]
pub(super) struct LostWorker {
    pub(super) os_pid: i32,
    pub(super) cause: LostCause,
    pub(super) ran_for: Duration,
    pub(super) stderr: Vec<String>,
}

/// The result of a request to shut down a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ShutdownOutcome {
    /// It waited for a worker, and was removed.
    NotStarted,
    /// Its worker was notified, or is being ended.
    Running,
    /// It has ended already.
    Ended,
}

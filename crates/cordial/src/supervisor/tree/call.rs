//! What a handle asks of the process of a supervisor.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::error::{DeleteError, NotFound, StartError};
use crate::pid::Pid;
use crate::supervisor::spec::ChildSpec;

/// A question and where its answer goes. Whoever asks waits for the answer, so there are no more of them than askers.
pub(super) enum Call {
    Start(Box<ChildSpec>, oneshot::Sender<Result<Pid, StartError>>),
    Terminate(Arc<str>, oneshot::Sender<Result<(), NotFound>>),
    Restart(Arc<str>, oneshot::Sender<Result<Pid, StartError>>),
    Delete(Arc<str>, oneshot::Sender<Result<(), DeleteError>>),
}

//! The calls that handles send to the process of a supervisor.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::error::{DeleteError, NotFound, StartError};
use crate::pid::Pid;
use crate::supervisor::spec::ChildSpec;

/// A call, with the channel for its reply. Each caller waits for the reply, so the queue is as long as there are
/// callers.
pub(super) enum Call {
    Start(Box<ChildSpec>, oneshot::Sender<Result<Pid, StartError>>),
    Terminate(Arc<str>, oneshot::Sender<Result<(), NotFound>>),
    Restart(Arc<str>, oneshot::Sender<Result<Pid, StartError>>),
    Delete(Arc<str>, oneshot::Sender<Result<(), DeleteError>>),
}

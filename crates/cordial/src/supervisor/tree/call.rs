//! The calls that handles send to the process of a supervisor.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::inbox::Inbox;
use crate::error::{DeleteError, NotFound, StartError};
use crate::pid::Pid;
use crate::process::discard;
use crate::supervisor::spec::ChildSpec;
use crate::unwind;

/// A call, with the channel for its reply. The queue needs no bound, since callers wait for
/// replies.
pub(super) enum TreeCall {
    Start(Box<ChildSpec>, Caller, PidReply),
    /// With a pid, terminates only this process of the child.
    Terminate(Arc<str>, Option<Pid>, oneshot::Sender<Result<(), NotFound>>),
    Restart(Arc<str>, Caller, PidReply),
    Delete(Arc<str>, oneshot::Sender<Result<(), DeleteError>>),
}

/// Sends the reply to a call that starts a child: the pid of the child.
pub(super) type PidReply = oneshot::Sender<Result<Pid, StartError>>;

/// The process that makes a call and waits for the reply; `None` for a thread outside a process.
pub(super) type Caller = Option<Pid>;

impl TreeCall {
    /// Returns the id of the child that the call is about.
    pub(super) fn id(&self) -> &Arc<str> {
        match self {
            TreeCall::Start(spec, ..) => &spec.id,
            TreeCall::Terminate(id, ..) | TreeCall::Restart(id, ..) | TreeCall::Delete(id, _) => id,
        }
    }
}

/// Replies to a call, unless its caller no longer waits.
pub(super) fn reply<T>(reply_to: oneshot::Sender<T>, result: T) {
    unwind::ignore_panic(|| reply_to.send(result));
}

/// The calls that the supervisor has not handled yet, in the order in which they arrived.
pub(super) struct Calls {
    inbox: Inbox<TreeCall>,
    /// The first `n_waiting` deferred calls wait for the end of the present start. The others have not been looked at since that start
    /// began.
    n_waiting: usize,
}

impl Calls {
    pub(super) fn new(receiver: mpsc::UnboundedReceiver<TreeCall>) -> Calls {
        Calls { inbox: Inbox::new(receiver), n_waiting: 0 }
    }

    /// Returns whether no call waits to be handled.
    pub(super) fn is_empty(&self) -> bool {
        self.inbox.is_empty()
    }

    /// Returns the next call, if there is one.
    pub(super) fn try_next(&mut self) -> Option<TreeCall> {
        self.inbox.try_next()
    }

    /// Waits for the next call. Cancel safe.
    pub(super) async fn next(&mut self) -> TreeCall {
        self.inbox.next().await
    }

    /// Puts a call that was received back to the front, so that it is the next one again.
    pub(super) fn put_back(&mut self, call: TreeCall) {
        self.inbox.put_back(call);
    }

    /// Records that the start of a child begins. No call waits for it yet.
    pub(super) fn begin_start(&mut self) {
        self.n_waiting = 0;
    }

    /// Waits for the next call that does not wait for the present start. Cancel safe.
    pub(super) async fn next_during_start(&mut self) -> TreeCall {
        self.inbox.next_after(self.n_waiting).await
    }

    /// Defers a call until the present start has ended.
    pub(super) fn defer(&mut self, call: TreeCall) {
        self.inbox.defer_after(self.n_waiting, call);
        self.n_waiting += 1;
    }

    /// Returns whether a call about this child waits for the present start.
    pub(super) fn has_waiting(&self, id: &str) -> bool {
        self.inbox.deferred().take(self.n_waiting).any(|call| **call.id() == *id)
    }

    /// Refuses the calls that have not been handled, and all later calls.
    pub(super) async fn refuse(&mut self) {
        self.inbox.close(discard).await;
    }
}

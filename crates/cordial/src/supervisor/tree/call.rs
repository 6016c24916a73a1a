//! The calls that handles send to the process of a supervisor.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use crate::error::{DeleteError, NotFound, StartError};
use crate::pid::Pid;
use crate::process::discard;
use crate::supervisor::spec::ChildSpec;

/// A call, with the channel for its reply. The queue needs no bound, since callers wait for
/// replies.
pub(super) enum Call {
    Start(Box<ChildSpec>, Caller, oneshot::Sender<Result<Pid, StartError>>),
    Terminate(Arc<str>, oneshot::Sender<Result<(), NotFound>>),
    Restart(Arc<str>, Caller, oneshot::Sender<Result<Pid, StartError>>),
    Delete(Arc<str>, oneshot::Sender<Result<(), DeleteError>>),
}

/// The process that makes a call and waits for the reply; `None` for a thread outside a process.
pub(super) type Caller = Option<Pid>;

impl Call {
    /// Returns the id of the child that the call is about.
    pub(super) fn id(&self) -> &Arc<str> {
        match self {
            Call::Start(spec, ..) => &spec.id,
            Call::Terminate(id, _) | Call::Restart(id, ..) | Call::Delete(id, _) => id,
        }
    }
}

/// The calls that the supervisor has not handled yet, in the order in which they arrived.
pub(super) struct Calls {
    receiver: mpsc::UnboundedReceiver<Call>,
    /// Calls that were received and wait, most of them for the start of a child. They come before those in the channel.
    deferred: VecDeque<Call>,
    /// How many of the deferred calls wait for the present start. The others have not been examined during it.
    n_waiting: usize,
}

impl Calls {
    pub(super) fn new(receiver: mpsc::UnboundedReceiver<Call>) -> Calls {
        Calls { receiver, deferred: VecDeque::new(), n_waiting: 0 }
    }

    /// Returns whether no call waits to be handled.
    pub(super) fn is_empty(&self) -> bool {
        self.deferred.is_empty() && self.receiver.is_empty()
    }

    /// Returns the next call, if there is one.
    pub(super) fn try_next(&mut self) -> Option<Call> {
        self.deferred.pop_front().or_else(|| self.receiver.try_recv().ok())
    }

    /// Waits for the next call. Cancel safe.
    pub(super) async fn next(&mut self) -> Call {
        match self.deferred.pop_front() {
            Some(call) => call,
            None => self.receive().await,
        }
    }

    /// Makes a call that was received the next one again.
    pub(super) fn put_back(&mut self, call: Call) {
        self.deferred.push_front(call);
    }

    /// Begins the start of a child, for which no call waits yet.
    pub(super) fn begin_start(&mut self) {
        self.n_waiting = 0;
    }

    /// Waits for the next call that does not wait for the present start. Cancel safe.
    pub(super) async fn next_during_start(&mut self) -> Call {
        match self.deferred.remove(self.n_waiting) {
            Some(call) => call,
            None => self.receive().await,
        }
    }

    /// Lets a call wait for the present start.
    pub(super) fn defer(&mut self, call: Call) {
        self.deferred.insert(self.n_waiting, call);
        self.n_waiting += 1;
    }

    /// Returns whether a call about this child waits for the present start.
    pub(super) fn has_waiting(&self, id: &str) -> bool {
        self.deferred.iter().take(self.n_waiting).any(|call| **call.id() == *id)
    }

    /// Refuses the calls that have not been handled, and all later calls.
    pub(super) async fn refuse(&mut self) {
        self.receiver.close();
        self.deferred.drain(..).for_each(discard);
        // After `close` this waits only for calls that are being sent at this moment.
        while let Some(call) = self.receiver.recv().await {
            discard(call);
        }
    }

    async fn receive(&mut self) -> Call {
        self.receiver.recv().await.expect("the channel is open, since the shared state holds a sender")
    }
}

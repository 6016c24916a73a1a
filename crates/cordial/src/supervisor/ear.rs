//! What a supervisor is told while it does something else: to end, and why.

use std::pin::pin;
use std::sync::Arc;

use futures_util::future::{Either, select};
use tokio::sync::Notify;

use crate::exit::Exit;
use crate::pid::Pid;
use crate::process::{ExitReceiver, Handle, ShutdownRequest, discard, monitor_on, shutdown_request};

/// Why a supervisor ends.
#[derive(Clone, Debug)]
pub(super) enum Why {
    /// Somebody called `stop`.
    Stopped,
    /// It was asked to, by its parent or by `process::exit`.
    Asked(Exit),
    /// The process that it belongs to has ended.
    OwnerEnded,
    Killed,
    /// Too many restarts. The exit says of whom.
    GaveUp(Exit),
    /// Significant children have ended.
    Significant,
    /// A child failed to start while the supervisor did.
    FailedToStart(Arc<str>),
}

impl Why {
    pub(super) fn into_exit(self) -> Exit {
        match self {
            Why::Stopped => Exit::Normal,
            Why::Asked(exit) | Why::GaveUp(exit) => exit,
            Why::OwnerEnded | Why::Significant => Exit::Shutdown(None),
            Why::Killed => Exit::Killed,
            Why::FailedToStart(text) => Exit::Shutdown(Some(text)),
        }
    }
}

/// Hears what a supervisor is told.
#[derive(Debug)]
pub(super) struct Ear {
    pub(super) own: Pid,
    pub(super) runtime: Handle,
    pub(super) exits: ExitReceiver,
    pub(super) stop: Arc<Notify>,
}

impl Ear {
    /// Waits until the supervisor has to end. Dropping this loses nothing.
    pub(super) async fn until_told(&mut self) -> Why {
        loop {
            let exit = match select(pin!(self.exits.recv()), pin!(self.stop.notified())).await {
                Either::Left((Some(exit), _)) => exit,
                // It is gone from its table already.
                Either::Left((None, _)) => return Why::Killed,
                Either::Right(_) => return Why::Stopped,
            };
            match (shutdown_request(&self.runtime, self.own), exit) {
                (ShutdownRequest::Kill, _) => return Why::Killed,
                (ShutdownRequest::Shutdown, (_, exit @ Exit::Shutdown(_))) => return Why::Asked(exit),
                (ShutdownRequest::Shutdown, _) => return Why::Asked(Exit::Shutdown(None)),
                (ShutdownRequest::None, (from, _)) if Some(from) == self.owner() => return Why::OwnerEnded,
                // Of one that owned it before.
                (ShutdownRequest::None, (_, exit)) => discard(exit),
            }
        }
    }

    /// Why the supervisor has ended, after all: one that is killed while it ends for another reason was killed.
    pub(super) fn in_the_end(&self, why: Why) -> Why {
        if shutdown_request(&self.runtime, self.own) == ShutdownRequest::Kill { Why::Killed } else { why }
    }

    /// Waits until the supervisor is killed. Dropping this loses nothing.
    pub(super) async fn until_killed(&mut self) {
        while shutdown_request(&self.runtime, self.own) != ShutdownRequest::Kill {
            if self.exits.recv().await.is_none() {
                return;
            }
        }
    }

    /// Does something, unless the supervisor has to end before that is done.
    pub(super) async fn unless_to_end<F: Future>(&mut self, deed: F) -> Result<F::Output, Why> {
        match select(pin!(self.until_told()), pin!(deed)).await {
            Either::Left((why, _)) => Err(why),
            Either::Right((output, _)) => Ok(output),
        }
    }

    /// Does something, unless the supervisor is killed before that is done.
    pub(super) async fn unless_killed<F: Future>(&mut self, deed: F) -> Option<F::Output> {
        match select(pin!(self.until_killed()), pin!(deed)).await {
            Either::Left(_) => None,
            Either::Right((output, _)) => Some(output),
        }
    }

    /// Lets the supervisor end that the same owner has started next.
    pub(super) async fn until_it_is_my_turn(&mut self) {
        let next = self.runtime.with(self.own, |entry| entry.guardian().and_then(|guardian| guardian.after));
        if let Some(next) = next.flatten() {
            let end = monitor_on(&self.runtime, next);
            self.unless_asked(end).await;
        }
    }

    /// Does something, unless the supervisor is asked to end or killed before that is done.
    async fn unless_asked<F: Future>(&mut self, deed: F) {
        let until_asked = async {
            while shutdown_request(&self.runtime, self.own) == ShutdownRequest::None
                && self.exits.recv().await.is_some()
            {}
        };
        select(pin!(until_asked), pin!(deed)).await;
    }

    fn owner(&self) -> Option<Pid> {
        self.runtime.with(self.own, |entry| entry.guardian().and_then(|guardian| guardian.owner)).flatten()
    }
}

//! The signals that a supervisor's process receives: exits of its owner, requests to shut down, kills, and calls of
//! `stop`.

use std::pin::pin;
use std::sync::Arc;

use futures_util::future::{Either, select};
use tokio::sync::Notify;

use super::stop_reason::StopReason;
use crate::exit::Exit;
use crate::pid::Pid;
use crate::process::{ExitReceiver, RuntimeHandle, ShutdownRequest, discard, monitor_on, shutdown_request};

/// Receives the signals of one incarnation of a supervisor.
#[derive(Debug)]
pub(super) struct ExitSignals {
    pid: Pid,
    runtime: RuntimeHandle,
    /// Receives the requests to shut down, the kill, and the exit of the owner.
    exits: ExitReceiver,
    /// Notified by each call of `stop`, and when an armed `StartGuard` is dropped.
    stop: Arc<Notify>,
}

impl ExitSignals {
    pub(super) fn new(runtime: RuntimeHandle, pid: Pid, exits: ExitReceiver, stop: Arc<Notify>) -> ExitSignals {
        ExitSignals { pid, runtime, exits, stop }
    }

    /// Returns the pid of the supervisor.
    pub(super) fn pid(&self) -> Pid {
        self.pid
    }

    pub(super) fn runtime(&self) -> &RuntimeHandle {
        &self.runtime
    }

    pub(super) fn is_killed(&self) -> bool {
        self.request() == ShutdownRequest::Kill
    }

    /// Waits until the supervisor has to stop. Cancel safe.
    pub(super) async fn wait_for_stop(&mut self) -> StopReason {
        loop {
            let (from, exit) = match select(pin!(self.exits.recv()), pin!(self.stop.notified())).await {
                Either::Left((Some(signal), _)) => signal,
                // The channel closes when the process has left the process table.
                Either::Left((None, _)) => return StopReason::Killed,
                Either::Right(_) => return StopReason::Stopped,
            };
            match (self.request(), exit) {
                (ShutdownRequest::Kill, _) => return StopReason::Killed,
                (ShutdownRequest::Shutdown, exit @ Exit::Shutdown(_)) => return StopReason::ShutdownRequested(exit),
                // The signal arrived before the request. The request takes precedence.
                (ShutdownRequest::Shutdown, _) => return StopReason::ShutdownRequested(Exit::Shutdown(None)),
                (ShutdownRequest::None, _) if Some(from) == self.owner() => return StopReason::OwnerExited,
                // A signal from any process but the owner has no effect.
                (ShutdownRequest::None, exit) => discard(exit),
            }
        }
    }

    /// Waits until the supervisor is killed. Cancel safe.
    async fn wait_for_kill(&mut self) {
        while !self.is_killed() {
            if self.exits.recv().await.is_none() {
                return;
            }
        }
    }

    /// Runs a future to its end, or returns the reason if the supervisor has to stop before that.
    pub(super) async fn run_until_stopped<F: Future>(&mut self, future: F) -> Result<F::Output, StopReason> {
        match select(pin!(self.wait_for_stop()), pin!(future)).await {
            Either::Left((reason, _)) => Err(reason),
            Either::Right((output, _)) => Ok(output),
        }
    }

    /// Runs a future to its end, or returns `None` if the supervisor is killed before that.
    pub(super) async fn run_until_killed<F: Future>(&mut self, future: F) -> Option<F::Output> {
        match select(pin!(self.wait_for_kill()), pin!(future)).await {
            Either::Left(_) => None,
            Either::Right((output, _)) => Some(output),
        }
    }

    /// Waits until the supervisor that the same owner started next has exited, if there is one, since supervisors of
    /// one owner stop in reverse start order. A request to shut down or a kill ends the wait.
    pub(super) async fn wait_for_later_supervisor(&mut self) {
        let later = self.runtime.with(self.pid, |entry| entry.guardian().and_then(|guardian| guardian.after));
        let Some(later) = later.flatten() else { return };
        let exit = monitor_on(&self.runtime, later);
        let requested = async { while self.request() == ShutdownRequest::None && self.exits.recv().await.is_some() {} };
        select(pin!(requested), pin!(exit)).await;
    }

    /// Returns the exit of the supervisor, which stopped for `reason`. It is `Killed` if a kill arrived during the
    /// stop.
    pub(super) fn exit_for(&self, reason: StopReason) -> Exit {
        if self.is_killed() { Exit::Killed } else { reason.into_exit() }
    }

    /// Returns the strongest request that the supervisor has received.
    fn request(&self) -> ShutdownRequest {
        shutdown_request(&self.runtime, self.pid)
    }

    fn owner(&self) -> Option<Pid> {
        self.runtime.with(self.pid, |entry| entry.guardian().and_then(|guardian| guardian.owner)).flatten()
    }
}

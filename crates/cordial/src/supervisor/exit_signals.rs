//! The signals that a supervisor's process receives: exits of its owner, requests to shut down, kills, and calls of
//! `stop` or `request_stop`.

use std::pin::pin;
use std::sync::Arc;

use futures_util::future::{Either, select};
use tokio::sync::Notify;

use super::stop_reason::StopReason;
use crate::exit::Exit;
use crate::pid::Pid;
use crate::process::{ExitReceiver, RuntimeHandle, ShutdownRequest, discard, monitor_on, shutdown_request};

/// Receives the signals of one incarnation of a supervisor. Discards their exits, because the exit of the owner may hold an error of the
/// user.
#[derive(Debug)]
pub(super) struct ExitSignals {
    pid: Pid,
    runtime: RuntimeHandle,
    /// Receives the requests to shut down, the kill, and the exit of the owner.
    exits: ExitReceiver,
    /// Notified by each request to stop, and when an armed `StartGuard` is dropped.
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
            let request = self.request();
            if request == ShutdownRequest::Shutdown && matches!(exit, Exit::Shutdown(_)) {
                return StopReason::ShutdownRequested(exit);
            }
            discard(exit);
            match request {
                ShutdownRequest::Kill => return StopReason::Killed,
                // The signal arrived before the request. The request takes precedence.
                ShutdownRequest::Shutdown => return StopReason::ShutdownRequested(Exit::Shutdown(None)),
                ShutdownRequest::None if Some(from) == self.owner() => return StopReason::OwnerExited,
                // A signal from any process but the owner has no effect.
                ShutdownRequest::None => {}
            }
        }
    }

    /// Waits until the supervisor is killed. Cancel safe.
    async fn wait_for_kill(&mut self) {
        while !self.is_killed() && self.skip_signal().await {}
    }

    /// Waits for the next signal, and discards its exit. Returns `false` if the channel is closed. Cancel safe.
    async fn skip_signal(&mut self) -> bool {
        let signal = self.exits.recv().await;
        let is_open = signal.is_some();
        discard(signal);
        is_open
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
        let later = self.runtime.with(self.pid, |entry| entry.guardian().and_then(|guardian| guardian.waits_for));
        let Some(later) = later.flatten() else { return };
        let exit = monitor_on(&self.runtime, later);
        let requested = async { while self.request() == ShutdownRequest::None && self.skip_signal().await {} };
        if let Either::Right((exit, _)) = select(pin!(requested), pin!(exit)).await {
            discard(exit);
        }
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

/// Discards the exits that were not received, each on its own: two destructors that panic would abort the program.
impl Drop for ExitSignals {
    fn drop(&mut self) {
        while let Ok(signal) = self.exits.try_recv() {
            discard(signal);
        }
    }
}

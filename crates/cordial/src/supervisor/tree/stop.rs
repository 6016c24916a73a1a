//! Stopping one child, or all.

use std::time::Duration;

use futures_util::future::join_all;

use super::child::{AfterExit, ChildStatus, StartCause};
use super::state::TreeState;
use crate::error::{DeleteError, NotFound, StartError};
use crate::exit::Exit;
use crate::pid::Pid;
use crate::process::{Polls, Shutdown, StopOutcome, StopReport, describe_one, discard, end_with, stop_one};
use crate::supervisor::events::emit_forced;
use crate::supervisor::exit_signals::ExitSignals;
use crate::supervisor::restart::{Restart, RestartDecision};
use crate::supervisor::restart_backoff::RestartBackoff;
use crate::supervisor::stop_reason::StopReason;
use crate::unwind;

impl TreeState {
    /// Stops a child, if it has a process, and sets its status. Afterwards the child has no
    /// process, or an abandoned process.
    pub(super) async fn stop_child(
        &mut self,
        key: u64,
        status: ChildStatus,
        signals: &mut ExitSignals,
    ) -> Result<(), StopReason> {
        if let Some((pid, shutdown)) = self.how_to_stop(key) {
            self.children[key].after_exit = match (self.children[key].spec.restart, status) {
                (Restart::Temporary, _) => AfterExit::Removed,
                (_, ChildStatus::RestartAt(_)) => AfterExit::Restarting,
                _ => AfterExit::Stopped,
            };
            self.children.publish(key);
            self.stop_process(key, pid, shutdown, signals).await?;
        }
        self.children.set_status(key, status);
        let is_restarted =
            matches!(status, ChildStatus::RestartAt(_)) && self.children[key].spec.restart != Restart::Temporary;
        if !is_restarted {
            let id = self.children[key].spec.id.clone();
            self.reply_to_starter(key, Err(StartError::Child { id, exit: Exit::Shutdown(None) }));
        }
        Ok(())
    }

    /// Stops the process of a child. Afterwards the child has no process, or an abandoned process.
    async fn stop_process(
        &mut self,
        key: u64,
        pid: Pid,
        shutdown: Shutdown,
        signals: &mut ExitSignals,
    ) -> Result<(), StopReason> {
        let outcome = signals.run_until_stopped(stop_one(&self.runtime, pid, shutdown)).await?;
        let is_gone = self.add_to_report(key, outcome, signals.pid());
        if is_gone {
            // The exit has arrived or arrives in a moment: the process has left the process table, and sends its exit before it
            // notifies monitors.
            let incarnation = self.children[key].incarnation;
            let exit = signals.run_until_stopped(self.exits.next_of(key, incarnation)).await?;
            discard(exit);
        }
        self.forget_process(key, self.clock.now());
        Ok(())
    }

    /// Ends the start of a child, which has lasted for too long, with this error. A call that has started the child returns the error.
    /// After any other start, the caller emits `start_failed`.
    pub(super) async fn end_start(
        &mut self,
        key: u64,
        pid: Pid,
        error: &StartError,
        signals: &mut ExitSignals,
    ) -> Result<(), StopReason> {
        end_with(&self.runtime, pid, error, self.children[key].start_report());
        self.stop_process(key, pid, Shutdown::BrutalKill, signals).await
    }

    /// Stops a child because of a call. No restart is scheduled.
    pub(super) async fn terminate(
        &mut self,
        id: &str,
        signals: &mut ExitSignals,
    ) -> Result<Result<(), NotFound>, StopReason> {
        let Some(key) = self.children.key(id) else { return Ok(Err(NotFound)) };
        let child = &self.children[key];
        let is_starting = matches!(child.status, ChildStatus::Starting(_));
        // A call of `start_child` has added the child and waits for its delayed start.
        let is_new = matches!(child.waiting_call, Some((StartCause::Added, _)));
        self.stop_child(key, ChildStatus::Stopped, signals).await?;
        self.children[key].restart_backoff.iter_mut().for_each(RestartBackoff::start_over);
        // The restart of an earlier child must not start this child again.
        self.children.started_early.remove(&key);
        // A child that was starting is removed by the code that waits for its start, unless the start is delayed.
        if self.children[key].spec.restart == Restart::Temporary && !is_starting || is_new {
            self.children.remove(key);
        }
        Ok(Ok(()))
    }

    /// Like [`terminate`](TreeState::terminate), for a child whose exit may have arrived but is not
    /// handled yet, since another child is starting.
    pub(super) async fn terminate_during_start(
        &mut self,
        key: u64,
        signals: &mut ExitSignals,
    ) -> Result<Result<(), NotFound>, StopReason> {
        let child = &self.children[key];
        let (id, restart) = (child.spec.id.clone(), child.spec.restart);
        // If the start of the child is delayed, its exit is a failed start, to which the restart policy does not apply.
        let running = child.pid().filter(|_| !matches!(child.status, ChildStatus::Starting(_)));
        let exit = running.and_then(|_| self.exits.peek_of(key, child.incarnation));
        match exit.map(|exit| restart.decide(exit.is_abnormal())) {
            Some(RestartDecision::Remove) => Ok(Err(NotFound)),
            Some(RestartDecision::Keep) => {
                // As in `terminate`: the restart of an earlier child must not start this child again.
                self.children.started_early.remove(&key);
                Ok(Ok(()))
            }
            Some(RestartDecision::Restart) | None => self.terminate(&id, signals).await,
        }
    }

    /// Removes a child because of a call, if it has no process, or only an abandoned one.
    pub(super) fn delete(&mut self, id: &str) -> Result<(), DeleteError> {
        let key = self.children.key(id).ok_or(NotFound)?;
        match self.children[key].status {
            _ if self.children[key].is_restarting() => Err(DeleteError::Restarting),
            ChildStatus::Starting(_) | ChildStatus::Running(_) => Err(DeleteError::Running),
            ChildStatus::RestartAt(_) | ChildStatus::Stopped => {
                self.children.remove(key);
                Ok(())
            }
        }
    }

    /// Returns whether a child may be deleted now, while another child is starting: no earlier call
    /// about this child and no exit of it waits to be handled.
    pub(super) fn may_delete_during_start(&mut self, id: &str) -> bool {
        let is_settled = self.children.key(id).is_none_or(|key| {
            let child = &self.children[key];
            child.pid().is_none() || self.exits.peek_of(key, child.incarnation).is_none()
        });
        is_settled && !self.calls.has_waiting(id)
    }

    /// Stops all children one after another, in reverse start order, and removes them. If the supervisor is killed
    /// meanwhile, kills all remaining children at once. Returns the report of the stop.
    pub(super) async fn stop_all(&mut self, signals: &mut ExitSignals) -> StopReport {
        // The report does not list what was killed before the stop. Processes that were abandoned before it and are still stuck are
        // added at its end.
        discard(self.report.take());
        for key in self.children.keys() {
            self.children[key].after_exit = AfterExit::Removed;
            self.children.publish(key);
            // A call that waits for the delayed start of this child is refused, because its caller may be a child that does not stop while
            // it waits. The drop of the channel refuses the call, and runs the waker of the caller.
            let waiting_call = self.children[key].waiting_call.take();
            unwind::ignore_panic(|| drop(waiting_call));
        }
        let restarting: Vec<u64> = self.children.restarting().map(|(key, _)| key).collect();
        restarting.into_iter().for_each(|key| self.children.set_status(key, ChildStatus::Stopped));
        // A supervisor that was killed before the stop kills its children and does not report the kills, as with
        // `BrutalKill`. If a kill interrupts the stop, the remaining children are killed and reported, as with a grace
        // time of zero.
        let shutdown_after_kill =
            if signals.is_killed() { Shutdown::BrutalKill } else { Shutdown::After(Duration::ZERO) };
        for key in self.children.keys().into_iter().rev() {
            let Some((pid, shutdown)) = self.how_to_stop(key) else { continue };
            let Some(outcome) = signals.run_until_killed(stop_one(&self.runtime, pid, shutdown)).await else { break };
            self.add_to_report(key, outcome, signals.pid());
            self.forget_process(key, self.clock.now());
            self.children.publish(key);
        }
        let remaining: Vec<(u64, Pid)> =
            self.children.range(..).filter_map(|(key, child)| Some((key, child.pid()?))).collect();
        let kills = remaining.iter().map(|(_, pid)| stop_one(&self.runtime, *pid, shutdown_after_kill));
        let outcomes = join_all(kills).await;
        for ((key, _), outcome) in remaining.into_iter().zip(outcomes) {
            self.add_to_report(key, outcome, signals.pid());
            self.forget_process(key, self.clock.now());
        }
        // Adds the processes that were abandoned before the stop and have not exited. Those of the stop itself are listed once.
        let polls = Polls::now(&self.runtime);
        let abandoned = self.children.abandoned().filter_map(|pid| describe_one(&self.runtime, pid, &polls)).collect();
        self.report.add(StopReport { abandoned, ..StopReport::default() });
        self.children.keys().into_iter().for_each(|key| self.children.remove(key));
        self.report.take()
    }

    /// Returns the process of a child, if there is one, and how to stop it.
    fn how_to_stop(&self, key: u64) -> Option<(Pid, Shutdown)> {
        let child = &self.children[key];
        Some((child.pid()?, child.spec.shutdown))
    }

    /// Adds the outcome of a child's stop to the report, and emits `forced` if the process was killed or abandoned.
    /// Returns whether the process has exited; if not, it was abandoned.
    fn add_to_report(&mut self, key: u64, outcome: StopOutcome, supervisor: Pid) -> bool {
        let mut report = StopReport::default();
        let is_gone = match outcome {
            StopOutcome::AsRequested => true,
            StopOutcome::Killed(stopped) => {
                report.killed.push(stopped);
                true
            }
            StopOutcome::Abandoned(stopped) => {
                self.children[key].abandoned.push(stopped.pid);
                report.abandoned.push(stopped);
                false
            }
        };
        emit_forced(supervisor, &report);
        self.report.add(report);
        is_gone
    }
}

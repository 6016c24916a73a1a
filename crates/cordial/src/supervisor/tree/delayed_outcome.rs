//! Delays the start of a nested supervisor, and handles the success or the failure of a delayed start.

use futures_util::FutureExt;

use super::call::reply;
use super::child::{ChildStatus, RestartAttempt, StartCause};
use super::delayed_starts::{DelayedStart, DelayedStartInput};
use super::state::TreeState;
use crate::error::StartError;
use crate::pid::Pid;
use crate::supervisor::exit_signals::ExitSignals;
use crate::supervisor::start_watch::StartStep;
use crate::supervisor::stop_reason::StopReason;

/// The effect of an event on a delayed start.
#[must_use = "other children may have to be restarted"]
pub(super) enum DelayedStartStep {
    /// The child is still starting, or its start was forgotten, or its exit follows.
    GoesOn,
    Started,
    /// The start was ended because it took too long.
    Failed(StartError),
}

impl TreeState {
    /// Adds a start to the delayed ones, so that the supervisor does other work while the child is starting.
    pub(super) fn delay_start(&mut self, start: DelayedStart) {
        // Like a retry, this start does not delay queries, and queued calls are handled before it.
        self.children[start.key].attempt = RestartAttempt::Retry;
        self.children.publish(start.key);
        self.delayed_starts.add(start, &self.runtime, &self.clock);
    }

    /// Returns whether the start of this child is delayed.
    pub(super) fn is_start_delayed(&self, key: u64) -> bool {
        // A start that is not delayed ends before the supervisor does other work.
        self.children.get(key).is_some_and(|child| matches!(child.status, ChildStatus::Starting(_)))
    }

    /// Handles an input of a delayed start. If the start was ended because it took too long, the start is tried again, or the child is
    /// removed or kept without a process.
    pub(super) async fn handle_delayed_start(
        &mut self,
        start: DelayedStart,
        input: DelayedStartInput,
        signals: &mut ExitSignals,
    ) -> Result<(), StopReason> {
        let key = start.key;
        match self.advance_start(start, input, signals).await? {
            DelayedStartStep::GoesOn => Ok(()),
            DelayedStartStep::Started => self.restart_started_early(&[key], signals).await,
            DelayedStartStep::Failed(error) => self.delayed_start_failed(key, error, signals).await,
        }
    }

    /// Records the delayed starts that have succeeded, and returns the keys of their children. Must be called after an exit was read and
    /// before it is handled: the child may have started and then exited.
    #[must_use = "later siblings that a call has started early have to be restarted after these children"]
    pub(super) fn record_delayed_starts(&mut self) -> Vec<u64> {
        let (mut due, mut started) = (Vec::new(), Vec::new());
        while let Some((start, input)) = self.delayed_starts.next().now_or_never() {
            let DelayedStart { key, pid, .. } = start;
            match input {
                DelayedStartInput::Started => {
                    if self.children.get(key).is_some_and(|child| child.status == ChildStatus::Starting(pid)) {
                        self.child_started(key, pid);
                        started.push(key);
                    }
                }
                // The exit of the child follows, or was read before.
                DelayedStartInput::Failed => {}
                DelayedStartInput::WatchDue => due.push(start),
            }
        }
        for start in due {
            self.delayed_starts.add(start, &self.runtime, &self.clock);
        }
        started
    }

    /// Handles an input of a delayed start.
    pub(super) async fn advance_start(
        &mut self,
        mut start: DelayedStart,
        input: DelayedStartInput,
        signals: &mut ExitSignals,
    ) -> Result<DelayedStartStep, StopReason> {
        let DelayedStart { key, pid, .. } = start;
        if self.children.get(key).is_none_or(|child| child.status != ChildStatus::Starting(pid)) {
            // The child has been stopped or has exited, so its start is forgotten.
            return Ok(DelayedStartStep::GoesOn);
        }
        match input {
            DelayedStartInput::Started => {
                self.child_started(key, pid);
                return Ok(DelayedStartStep::Started);
            }
            // The exit of the child follows.
            DelayedStartInput::Failed => {}
            DelayedStartInput::WatchDue => match start.watch.step(self.clock.now()) {
                StartStep::Wait => self.delayed_starts.add(start, &self.runtime, &self.clock),
                StartStep::Report(lasted) => {
                    self.emit_slow_start(signals.pid(), key, pid, lasted);
                    self.delayed_starts.add(start, &self.runtime, &self.clock);
                }
                StartStep::End(timeout) => {
                    let error = StartError::TimedOut { id: self.children[key].spec.id.clone(), timeout };
                    self.end_start(key, pid, &error, signals).await?;
                    return Ok(DelayedStartStep::Failed(error));
                }
            },
        }
        Ok(DelayedStartStep::GoesOn)
    }

    /// Handles the failure of a delayed start. The child now has no process, or only an abandoned process.
    pub(super) async fn delayed_start_failed(
        &mut self,
        key: u64,
        error: StartError,
        signals: &mut ExitSignals,
    ) -> Result<(), StopReason> {
        let cause = self.children[key].start_cause();
        self.not_started(key, cause);
        match cause {
            StartCause::Restart => self.restart_failed(key, error, signals).await,
            StartCause::First | StartCause::Added | StartCause::Called => {
                self.reply_to_starter(key, Err(error));
                if cause == StartCause::Added {
                    self.children.remove(key);
                }
                Ok(())
            }
        }
    }

    /// Sends the result of a start to the caller that waits for it, if there is one.
    pub(super) fn reply_to_starter(&mut self, key: u64, result: Result<Pid, StartError>) {
        if let Some((_, pid_reply)) = self.children[key].waiting_call.take() {
            reply(pid_reply, result);
        }
    }
}

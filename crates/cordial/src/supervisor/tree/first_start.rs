//! The first starts of the children of a supervisor, in order.
//!
//! ```text
//!  start ─► child 1 ─► child 2 ─► … ─► all have started
//!             │  ▲
//!      fails  ▼  │ the delay is over        without a backoff: the supervisor does not start
//!           waits for its backoff           meanwhile: the children that have started are restarted as usual
//! ```

use std::pin::pin;
use std::sync::atomic::Ordering;

use futures_util::future::{Either, select};

use super::child::{ChildStatus, RestartAttempt, StartCause};
use super::delayed_outcome::DelayedStartStep;
use super::delayed_starts::{DelayedStart, DelayedStartInput};
use super::exits::ChildExit;
use super::restarts::{NextRestart, exit_of};
use super::start_child::StartOutcome;
use super::state::{EventIncarnation, TreeState};
use crate::error::StartError;
use crate::exit::Refusal;
use crate::pid::Pid;
use crate::process::discard;
use crate::supervisor::exit_signals::ExitSignals;
use crate::supervisor::restart::Restart;
use crate::supervisor::stop_reason::StopReason;
use crate::{telemetry, unwind};

/// Why a supervisor does not start: the reason for which it stops, and the error that the caller of `start` receives.
pub(super) type StartFailure = (StopReason, StartError);

/// Returns the failure of a start during which the supervisor has to stop.
fn stopped(reason: StopReason) -> StartFailure {
    let error = match &reason {
        StopReason::RestartLimit(exit) => StartError::GaveUp(exit.clone()),
        _ => StartError::Refused(Refusal::SupervisorStopped),
    };
    (reason, error)
}

/// What ended the wait for a child.
enum Waited {
    /// The child is to be started again.
    Due,
    /// The child has started, after a delay.
    Started,
    /// The start of the child, which was delayed, has failed.
    Failed(StartError),
    /// The child was stopped, and is not started again by this start of its supervisor.
    Stopped,
}

/// What ended the wait of a step.
enum FirstStartInput {
    Exit(ChildExit),
    RestartDue,
    Start(DelayedStart, DelayedStartInput),
}

impl TreeState {
    /// Starts all children in order, each after the previous one has started.
    pub(super) async fn start_all(&mut self, signals: &mut ExitSignals) -> Result<(), StartFailure> {
        for key in self.children.keys() {
            self.start_first(key, signals).await?;
        }
        Ok(())
    }

    /// Starts a child for the first time. A child with a backoff is tried again until it has started, or until
    /// [`schedule_next_attempt`](TreeState::schedule_next_attempt) schedules no further attempt.
    async fn start_first(&mut self, key: u64, signals: &mut ExitSignals) -> Result<(), StartFailure> {
        loop {
            let error = match self.start_child(key, StartCause::First, signals).await.map_err(stopped)? {
                StartOutcome::Started(_) => return Ok(()),
                // There is no handle yet that could terminate the child, but an inspector can restart it: that stops the child now,
                // and starts it after the other children.
                StartOutcome::Ignored | StartOutcome::Terminated => {
                    if self.children[key].spec.restart == Restart::Temporary {
                        self.children.remove(key);
                    }
                    return Ok(());
                }
                StartOutcome::Failed(error) => error,
                StartOutcome::Delayed => match self.wait_for_child(key, signals).await.map_err(stopped)? {
                    Waited::Started | Waited::Stopped => return Ok(()),
                    Waited::Failed(error) => error,
                    // The child was stopped together with a sibling.
                    Waited::Due => continue,
                },
            };
            self.emit_start_failed(signals.pid(), key, &error);
            if !self.schedule_next_attempt(key, &error, signals.pid()) {
                let text = unwind::catch_cold(|| format!("{error:#}"));
                let text =
                    text.unwrap_or_else(|_| "a child failed to start, and its error panics when formatted".to_owned());
                return Err((StopReason::StartFailed(text.into()), error));
            }
            discard(error);
            match self.wait_for_child(key, signals).await.map_err(stopped)? {
                Waited::Due => {}
                Waited::Stopped => return Ok(()),
                Waited::Started | Waited::Failed(_) => {
                    unreachable!("a child that waits for its backoff is not starting")
                }
            }
        }
    }

    /// Schedules the next attempt to start a child for the first time. Returns `false` if there is none.
    fn schedule_next_attempt(&mut self, key: u64, error: &StartError, supervisor: Pid) -> bool {
        let (now, seed) = (self.clock.now(), self.runtime.executor().random());
        // Any other error, such as a duplicate id in a nested supervisor, would occur again.
        let can_heal = matches!(error, StartError::Child { .. } | StartError::TimedOut { .. });
        let child = &mut self.children[key];
        let is_tried_again = can_heal && child.is_tried_again();
        let backoff = child.restart_backoff.as_mut().filter(|_| is_tried_again);
        let Some(Ok(delay)) = backoff.map(|backoff| backoff.failed(seed)) else { return false };
        self.shared.n_restarts.fetch_add(1, Ordering::Relaxed);
        let reason = exit_of(error.clone());
        let subject = self.subject(supervisor, &self.children[key], EventIncarnation::Next);
        unwind::ignore_panic(|| telemetry::restart(&subject, &reason, delay));
        discard(reason);
        self.children[key].attempt = RestartAttempt::Retry;
        self.children.set_status(key, ChildStatus::RestartAt(now.saturating_add(delay)));
        true
    }

    /// Waits for the child `key`, which has failed to start or whose start is delayed: until it is to be started again, until its
    /// delayed start has ended, or until it was stopped. Meanwhile the children that have started are restarted as usual.
    async fn wait_for_child(&mut self, key: u64, signals: &mut ExitSignals) -> Result<Waited, StopReason> {
        if let Some(start_is_delayed) = self.start_is_delayed.take() {
            unwind::ignore_panic(|| start_is_delayed.send(()));
        }
        loop {
            // The report is emptied, as after each step of the supervisor: it is for the stop, and there may be many failed attempts.
            discard(self.report.take());
            let exit = self.exits.try_next();
            // No child was started early, since calls wait until all children have started.
            let _ = self.record_delayed_starts();
            let ended = match self.children.get(key).map(|child| child.status) {
                Some(ChildStatus::Running(_)) => Some(Waited::Started),
                // A call of an inspector has stopped the child, or the child is temporary and was stopped together with a sibling.
                Some(ChildStatus::Stopped) | None => Some(Waited::Stopped),
                Some(ChildStatus::Starting(_) | ChildStatus::RestartAt(_)) => None,
            };
            if let Some(ended) = ended {
                // An exit that came after the start is handled as that of any child.
                exit.into_iter().for_each(|exit| self.exits.put_back(exit));
                return Ok(ended);
            }
            if let Some(exit) = exit {
                if let Some(error) = self.failed_start(key, &exit) {
                    discard(exit);
                    return Ok(Waited::Failed(error));
                }
                self.child_exited(exit, signals).await?;
                continue;
            }
            let wait = match self.next_restart() {
                NextRestart::Now(next, _) if next == key => return Ok(Waited::Due),
                NextRestart::Now(other, _) => {
                    self.restart_child(other, signals).await?;
                    continue;
                }
                NextRestart::After(wait) => wait,
            };
            let TreeState { exits, delayed_starts, runtime, .. } = self;
            let next = async {
                let (restart, start) = (pin!(wait.wait(runtime)), pin!(delayed_starts.next()));
                match select(pin!(exits.next()), select(restart, start)).await {
                    Either::Left((exit, _)) => FirstStartInput::Exit(exit),
                    Either::Right((Either::Left(((), _)), _)) => FirstStartInput::RestartDue,
                    Either::Right((Either::Right(((start, input), _)), _)) => FirstStartInput::Start(start, input),
                }
            };
            match signals.run_until_stopped(next).await? {
                FirstStartInput::Exit(exit) => self.exits.put_back(exit),
                FirstStartInput::RestartDue => {}
                FirstStartInput::Start(start, input) => {
                    let other = start.key;
                    match (self.advance_start(start, input, signals).await?, other == key) {
                        (DelayedStartStep::Failed(error), true) => {
                            self.not_started(key, StartCause::First);
                            return Ok(Waited::Failed(error));
                        }
                        (DelayedStartStep::Failed(error), false) => {
                            self.delayed_start_failed(other, error, signals).await?;
                        }
                        (DelayedStartStep::Started, true) => return Ok(Waited::Started),
                        (DelayedStartStep::Started | DelayedStartStep::GoesOn, _) => {}
                    }
                }
            }
        }
    }

    /// Returns the error of the delayed start of this child, if `exit` ends it.
    fn failed_start(&mut self, key: u64, exit: &ChildExit) -> Option<StartError> {
        let is_of_start = exit.key == key && exit.incarnation == self.children[key].incarnation;
        if !is_of_start || !self.is_start_delayed(key) {
            return None;
        }
        self.forget_process(key, exit.at);
        self.not_started(key, StartCause::First);
        Some(StartError::Child { id: self.children[key].spec.id.clone(), exit: exit.exit.clone() })
    }
}

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

use super::child::{Attempt, ChildStatus, StartCause};
use super::restarts::{NextRestart, exit_of};
use super::start_child::StartOutcome;
use super::state::{EventIncarnation, TreeState};
use crate::error::StartError;
use crate::exit::Refusal;
use crate::pid::Pid;
use crate::process::discard;
use crate::supervisor::exit_signals::ExitSignals;
use crate::supervisor::pace::Pace;
use crate::supervisor::restart::Restart;
use crate::supervisor::stop_reason::StopReason;
use crate::{telemetry, unwind};

/// Why a supervisor does not start: the reason for which it stops, and the error that the caller of `start` receives.
pub(super) type StartFailure = (StopReason, StartError);

/// The supervisor has to stop before its children have started.
fn stopped(reason: StopReason) -> StartFailure {
    (reason, StartError::Refused(Refusal::SupervisorStopped))
}

impl TreeState {
    /// Starts all children in order, each after the previous one has started.
    pub(super) async fn start_all(&mut self, signals: &mut ExitSignals) -> Result<(), StartFailure> {
        for key in self.children.keys() {
            self.start_first(key, signals).await?;
        }
        Ok(())
    }

    /// Starts a child for the first time. A child with a backoff is tried again until it has started.
    async fn start_first(&mut self, key: u32, signals: &mut ExitSignals) -> Result<(), StartFailure> {
        loop {
            let error = match self.start_child(key, StartCause::Added, signals).await.map_err(stopped)? {
                StartOutcome::Started(_) => return Ok(()),
                StartOutcome::Ignored => {
                    if self.children[key].spec.restart == Restart::Temporary {
                        self.children.remove(key);
                    }
                    return Ok(());
                }
                StartOutcome::Failed(error) => error,
                // Does not happen: there is no handle yet, so there are no calls.
                StartOutcome::Terminated => StartError::Refused(Refusal::SupervisorStopped),
            };
            self.emit_start_failed(signals.pid(), key, &error);
            if !self.schedule_next_attempt(key, &error, signals.pid()) {
                let text = unwind::catch(|| format!("{error:#}"));
                let text =
                    text.unwrap_or_else(|_| "a child failed to start, and its error panics when formatted".to_owned());
                return Err((StopReason::StartFailed(text.into()), error));
            }
            discard(error);
            self.wait_for_next_attempt(key, signals).await.map_err(stopped)?;
        }
    }

    /// Schedules the next attempt to start a child for the first time. Returns `false` if there is none.
    fn schedule_next_attempt(&mut self, key: u32, error: &StartError, supervisor: Pid) -> bool {
        let (now, seed) = (self.clock.now(), self.runtime.executor().random());
        // Another error, such as a duplicate id in a nested supervisor, is a mistake that time does not mend.
        let can_heal = matches!(error, StartError::Child { .. } | StartError::TimedOut { .. });
        let child = &mut self.children[key];
        let pace = child.pace.as_mut().filter(|_| can_heal && child.spec.restart != Restart::Temporary);
        let Some(Ok(delay)) = pace.map(|pace| Pace::failed(pace, seed)) else { return false };
        self.shared.n_restarts.fetch_add(1, Ordering::Relaxed);
        let reason = exit_of(error.clone());
        let subject = self.subject(supervisor, &self.children[key], EventIncarnation::Next);
        unwind::ignore_panic(|| telemetry::restart(&subject, &reason, delay));
        discard(reason);
        self.children[key].attempt = Attempt::Retry;
        self.children.set_status(key, ChildStatus::RestartAt(now.saturating_add(delay)));
        true
    }

    /// Waits until it is the turn of the child `key`, which has failed to start. Meanwhile the children that have started are
    /// restarted as usual.
    async fn wait_for_next_attempt(&mut self, key: u32, signals: &mut ExitSignals) -> Result<(), StopReason> {
        loop {
            if let Some(exit) = self.exits.try_next() {
                self.child_exited(exit, signals).await?;
                continue;
            }
            let wait = match self.next_restart() {
                NextRestart::Now(next, _) if next == key => return Ok(()),
                NextRestart::Now(other, _) => {
                    self.restart_child(other, signals).await?;
                    continue;
                }
                NextRestart::After(wait) => wait,
            };
            let exits = &mut self.exits;
            let exit =
                match signals.run_until_stopped(select(pin!(exits.next()), pin!(wait.wait(&self.runtime)))).await? {
                    Either::Left((exit, _)) => exit,
                    Either::Right(((), _)) => continue,
                };
            self.child_exited(exit, signals).await?;
        }
    }
}

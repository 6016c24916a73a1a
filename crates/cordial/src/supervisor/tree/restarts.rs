//! What follows the exit of a child: its restart, its removal, or the stop of the supervisor.

use std::pin::pin;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::select;
use futures_util::stream::FuturesUnordered;

use super::builder::AutoShutdown;
use super::child::{ChildStatus, RestartAttempt, StartCause};
use super::exits::ChildExit;
use super::start_child::StartOutcome;
use super::state::{EventIncarnation, TreeState};
use crate::error::StartError;
use crate::exit::Exit;
use crate::pid::Pid;
use crate::process::{RuntimeHandle, discard, monitor_on};
use crate::supervisor::events::gave_up;
use crate::supervisor::exit_signals::ExitSignals;
use crate::supervisor::restart::{Restart, RestartDecision};
use crate::supervisor::restart_backoff::next_restart;
use crate::supervisor::stop_reason::StopReason;
use crate::supervisor::strategy::{Strategy, plan};
use crate::{telemetry, unwind};

/// Whether a restart can take place now.
pub(super) enum NextRestart {
    /// Start the child with this key.
    Now(u64, RestartAttempt),
    After(RestartWait),
}

/// The conditions that the next restart waits for. Any one of them ends the wait.
#[derive(Default)]
pub(super) struct RestartWait {
    /// The shortest remaining delay of a restart, if there is one.
    delay: Option<Duration>,
    /// The abandoned processes that have to exit before their children can be started again.
    abandoned: Vec<Pid>,
}

impl RestartWait {
    /// Waits until one of the conditions holds. Never returns if there are no conditions. Cancel safe.
    pub(super) async fn wait(self, runtime: &RuntimeHandle) {
        let mut exits: FuturesUnordered<_> = self.abandoned.into_iter().map(|pid| monitor_on(runtime, pid)).collect();
        let exit = async {
            match exits.next().await {
                Some(exit) => discard(exit),
                None => std::future::pending().await,
            }
        };
        select(pin!(exit), pin!(runtime.sleep(self.delay.unwrap_or(Duration::MAX)))).await;
    }
}

impl TreeState {
    /// Handles the exit of a child's process.
    pub(super) async fn child_exited(&mut self, exit: ChildExit, signals: &mut ExitSignals) -> Result<(), StopReason> {
        let result = self.handle_exit(&exit, signals).await;
        discard(exit);
        result
    }

    async fn handle_exit(&mut self, exit: &ChildExit, signals: &mut ExitSignals) -> Result<(), StopReason> {
        let &ChildExit { key, incarnation, ref exit, at } = exit;
        // A process that was abandoned may exit after its child has been removed.
        let Some(child) = self.children.get(key) else { return Ok(()) };
        if child.incarnation != incarnation || child.pid().is_none() {
            // An abandoned process of this child has exited.
            self.children.publish(key);
            return Ok(());
        }
        let (restart, is_significant) = (child.spec.restart, child.spec.is_significant);
        let started = if self.is_start_delayed(key) { self.record_delayed_starts() } else { Vec::new() };
        let is_starting = self.is_start_delayed(key);
        self.forget_process(key, at);
        if is_starting {
            let error = StartError::Child { id: self.children[key].spec.id.clone(), exit: exit.clone() };
            self.delayed_start_failed(key, error, signals).await?;
            return self.restart_started_early(&started, signals).await;
        }
        match restart.decide(exit.is_abnormal()) {
            RestartDecision::Restart => {
                self.schedule_restart(key, exit, RestartAttempt::First, signals).await?;
                return self.restart_started_early(&started, signals).await;
            }
            RestartDecision::Keep => self.children.set_status(key, ChildStatus::Stopped),
            RestartDecision::Remove => self.children.remove(key),
        }
        if is_significant && self.shuts_down() {
            return Err(StopReason::AutoShutdown);
        }
        self.restart_started_early(&started, signals).await
    }

    /// Returns whether the exit of a significant child, which has just been handled, shuts down the supervisor.
    fn shuts_down(&self) -> bool {
        match self.auto_shutdown {
            AutoShutdown::Never => false,
            AutoShutdown::AnySignificant => true,
            // A child that has not started yet has not exited either.
            AutoShutdown::AllSignificant => !self.children.range(..).any(|(_, child)| {
                child.spec.is_significant && (child.status != ChildStatus::Stopped || child.incarnation == 0)
            }),
        }
    }

    /// Schedules the restart of a child that has exited or failed to start, and stops the siblings that the strategy
    /// restarts with it. Returns an error if the restart would exceed a limit.
    async fn schedule_restart(
        &mut self,
        key: u64,
        reason: &Exit,
        attempt: RestartAttempt,
        signals: &mut ExitSignals,
    ) -> Result<(), StopReason> {
        let (now, seed) = (self.clock.now(), self.runtime.executor().random());
        let delay = {
            let backoff = self.children[key].restart_backoff.as_mut();
            next_restart(backoff, &mut self.shared.intensity.lock(), now, seed)
        };
        let delay = match delay {
            Ok(delay) => delay,
            Err(limit) => {
                let child = self.subject(signals.pid(), &self.children[key], EventIncarnation::Present);
                let stop_reason = gave_up(&self.runtime, &child, reason, limit);
                self.children.set_status(key, ChildStatus::Stopped);
                return Err(stop_reason);
            }
        };
        self.shared.n_restarts.fetch_add(1, Ordering::Relaxed);
        let child = self.subject(signals.pid(), &self.children[key], EventIncarnation::Next);
        unwind::ignore_panic(|| telemetry::restart(&child, reason, delay));
        self.restart_group(key, now.saturating_add(delay), attempt, signals).await
    }

    /// Sets the time of the restart of a child and of the siblings that the strategy restarts with it, and stops these siblings.
    async fn restart_group(
        &mut self,
        key: u64,
        restart_at: Duration,
        attempt: RestartAttempt,
        signals: &mut ExitSignals,
    ) -> Result<(), StopReason> {
        self.children[key].attempt = attempt;
        self.children.set_status(key, ChildStatus::RestartAt(restart_at));
        // Collects only the children that the strategy can restart, since there may be many others. Siblings that have never
        // been started are left to the start of the supervisor, which is not over.
        let group = match self.shared.strategy {
            Strategy::OneForOne => key..=key,
            Strategy::OneForAll => 0..=u64::MAX,
            Strategy::RestForOne => key..=u64::MAX,
        };
        let (keys, restarts): (Vec<u64>, Vec<Restart>) = self
            .children
            .range(group)
            .filter(|(_, child)| child.incarnation > 0)
            .map(|(key, child)| (key, child.spec.restart))
            .unzip();
        let exited = keys.binary_search(&key).expect("the child itself is in the group of each strategy");
        let plan = plan(self.shared.strategy, &restarts, exited);
        for key in plan.stop.into_iter().map(|at| keys[at]) {
            self.stop_for_restart(key, restart_at, signals).await?;
        }
        for key in plan.start.into_iter().map(|at| keys[at]) {
            self.children[key].attempt = attempt;
            // A sibling that waits for its own backoff does not start earlier.
            let at = match self.children[key].status {
                ChildStatus::RestartAt(at) => at.max(restart_at),
                _ => restart_at,
            };
            self.children.set_status(key, ChildStatus::RestartAt(at));
            if let Some(abandoned) = self.children[key].abandoned_pid(&self.runtime) {
                let child = self.subject(signals.pid(), &self.children[key], EventIncarnation::Next);
                unwind::ignore_panic(|| telemetry::restart_waits(&child, abandoned));
            }
        }
        Ok(())
    }

    /// Stops a child, if it has a process, because it is to be started again together with a sibling. A temporary child is removed.
    async fn stop_for_restart(
        &mut self,
        key: u64,
        restart_at: Duration,
        signals: &mut ExitSignals,
    ) -> Result<(), StopReason> {
        if self.children[key].pid().is_some() {
            self.stop_child(key, ChildStatus::RestartAt(restart_at), signals).await?;
            if self.children[key].spec.restart == Restart::Temporary {
                self.children.remove(key);
            }
        }
        Ok(())
    }

    /// Does what [`stop_started_early`](TreeState::stop_started_early) does, after the delayed starts of these children have succeeded.
    pub(super) async fn restart_started_early(
        &mut self,
        started: &[u64],
        signals: &mut ExitSignals,
    ) -> Result<(), StopReason> {
        // A child that a call has started restarts no other one.
        let is_restart =
            |key: &u64| self.children.get(*key).is_some_and(|child| child.start_cause() == StartCause::Restart);
        match started.iter().copied().filter(is_restart).min() {
            Some(first) => self.stop_started_early(first, RestartAttempt::Retry, signals).await,
            None => Ok(()),
        }
    }

    /// Stops the children after `key` that calls have started while `key` waited for its restart. They are started again after `key`, even
    /// those that have ended by themselves. `attempt` is the priority of these starts.
    async fn stop_started_early(
        &mut self,
        key: u64,
        attempt: RestartAttempt,
        signals: &mut ExitSignals,
    ) -> Result<(), StopReason> {
        let mut early = std::mem::take(&mut self.children.started_early);
        early.retain(|early| {
            *early > key && self.children.get(*early).is_some_and(|child| child.restart_at().is_none())
        });
        let now = self.clock.now();
        for early in early.into_iter().rev() {
            self.children[early].attempt = attempt;
            if self.children[early].pid().is_some() {
                self.stop_for_restart(early, now, signals).await?;
            } else {
                self.children.set_status(early, ChildStatus::RestartAt(now));
            }
        }
        Ok(())
    }

    /// Returns the restart that is due now, or what the next restart waits for. With `OneForOne`, first attempts come before retries; with
    /// the other strategies, the children are restarted in start order.
    pub(super) fn next_restart(&self) -> NextRestart {
        let (now, mut wait) = (self.clock.now(), RestartWait::default());
        match self.shared.strategy {
            Strategy::OneForOne => {
                for attempt in [RestartAttempt::First, RestartAttempt::Retry] {
                    if let Some(key) = self.first_due(self.children.restarts(attempt), now, &mut wait) {
                        return NextRestart::Now(key, attempt);
                    }
                }
            }
            // The first child that waits for its restart is started before the later ones, and after an earlier child whose start is
            // delayed.
            Strategy::OneForAll | Strategy::RestForOne => {
                let first = self.children.first_restart();
                let first =
                    first.filter(|(_, key)| self.children.first_starting().is_none_or(|starting| starting > *key));
                if let Some(key) = self.first_due(first.into_iter(), now, &mut wait) {
                    return NextRestart::Now(key, self.children[key].attempt);
                }
            }
        }
        NextRestart::After(wait)
    }

    /// Returns the first child that can be started now. `restarts` are in the order of time. Without such a child, adds to the
    /// conditions of the wait.
    fn first_due(
        &self,
        restarts: impl Iterator<Item = (Duration, u64)>,
        now: Duration,
        wait: &mut RestartWait,
    ) -> Option<u64> {
        for (at, key) in restarts {
            if at > now {
                let delay = at - now;
                wait.delay = Some(wait.delay.map_or(delay, |shortest| shortest.min(delay)));
                break;
            }
            match self.children[key].abandoned_pid(&self.runtime) {
                Some(pid) => wait.abandoned.push(pid),
                None => return Some(key),
            }
        }
        None
    }

    /// Starts a child again. If it fails to start, schedules the next attempt.
    pub(super) async fn restart_child(&mut self, key: u64, signals: &mut ExitSignals) -> Result<(), StopReason> {
        let attempt = self.children[key].attempt;
        self.stop_started_early(key, attempt, signals).await?;
        match self.start_child(key, StartCause::Restart, signals).await? {
            StartOutcome::Failed(error) => self.restart_failed(key, error, signals).await,
            StartOutcome::Started(_) | StartOutcome::Terminated | StartOutcome::Ignored | StartOutcome::Delayed => {
                Ok(())
            }
        }
    }

    /// Schedules the next attempt to start a child that has failed to start again.
    pub(super) async fn restart_failed(
        &mut self,
        key: u64,
        error: StartError,
        signals: &mut ExitSignals,
    ) -> Result<(), StopReason> {
        self.emit_start_failed(signals.pid(), key, &error);
        let reason = exit_of(error);
        let scheduled = self.schedule_restart(key, &reason, RestartAttempt::Retry, signals).await;
        discard(reason);
        scheduled
    }
}

/// Returns the reason for which a child that has failed to start is started again.
pub(super) fn exit_of(error: StartError) -> Exit {
    match error {
        StartError::Child { exit, .. } => exit,
        StartError::Refused(refusal) => Exit::Refused(refusal),
        other => Exit::from(other),
    }
}

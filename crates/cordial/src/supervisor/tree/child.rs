//! The record of one child. Only the process of the supervisor uses it.

use std::time::Duration;

use super::call::PidReply;
use super::info::{ChildInfo, ChildKind, ChildState};
use crate::pid::Pid;
use crate::process::{ReportSlot, RuntimeHandle, StartReport, StopReport};
use crate::supervisor::restart::Restart;
use crate::supervisor::restart_backoff::RestartBackoff;
use crate::supervisor::spec::{ChildSpec, ChildStart};

/// One child of a supervisor.
pub(super) struct TreeChild {
    pub(super) spec: ChildSpec,
    pub(super) status: ChildStatus,
    pub(super) incarnation: u32,
    /// Why the present incarnation was started.
    start_cause: StartCause,
    /// The call of `start_child` or `restart_child` that awaits a reply, while the start is delayed: the cause of the start that it asked
    /// for, and the channel for the reply. A restart by the supervisor may meanwhile have changed `start_cause`.
    pub(super) waiting_call: Option<(StartCause, PidReply)>,
    /// The kind of the pending or current attempt to start the child.
    pub(super) attempt: RestartAttempt,
    /// What handles see once the process has exited.
    pub(super) after_exit: AfterExit,
    /// When the present incarnation finished starting, on the clock of the supervisor. `None` before that, and after its exit.
    started_at: Option<Duration>,
    /// The backoff of the restarts; `None` if they are counted instead.
    pub(super) restart_backoff: Option<RestartBackoff>,
    /// Where the present incarnation leaves the report of its stop, if it is a supervisor.
    pub(super) report: Option<ReportSlot>,
    /// The abandoned processes of the last incarnation, and of its own children if it was a supervisor. They may not have exited yet.
    pub(super) abandoned: Vec<Pid>,
}

/// Whether a child has a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChildStatus {
    Starting(Pid),
    Running(Pid),
    /// The child is to be started at this time or later.
    RestartAt(Duration),
    Stopped,
}

/// Why an incarnation of a child is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StartCause {
    /// The supervisor starts, and the child with it.
    First,
    /// A call of `start_child`.
    Added,
    /// A call of `restart_child`.
    Called,
    /// The supervisor restarts the child by itself.
    Restart,
}

/// The kind of an attempt to start a child, which decides whether queued calls wait for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RestartAttempt {
    /// The first attempt after an exit. It runs before queued calls.
    First,
    /// An attempt after a failed one, or a delayed start. It runs after queued calls.
    Retry,
}

/// What handles see of a child whose process has exited, before the supervisor has handled the exit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AfterExit {
    /// What the restart policy decides for the exit.
    ByPolicy,
    Restarting,
    Stopped,
    Removed,
}

impl TreeChild {
    pub(super) fn new(spec: ChildSpec) -> TreeChild {
        TreeChild {
            restart_backoff: spec.backoff.and_then(RestartBackoff::new),
            spec,
            status: ChildStatus::Stopped,
            incarnation: 0,
            start_cause: StartCause::First,
            waiting_call: None,
            attempt: RestartAttempt::First,
            after_exit: AfterExit::ByPolicy,
            started_at: None,
            report: None,
            abandoned: Vec::new(),
        }
    }

    /// Returns why the present incarnation was started.
    pub(super) fn start_cause(&self) -> StartCause {
        self.start_cause
    }

    /// Returns what reports the end of the present start, if it takes too long.
    pub(super) fn start_report(&self) -> StartReport {
        match self.start_cause {
            StartCause::First | StartCause::Restart => StartReport::Event,
            StartCause::Added | StartCause::Called => StartReport::Call,
        }
    }

    /// Prepares the next incarnation.
    pub(super) fn begin_start(&mut self, cause: StartCause) {
        self.incarnation = self.incarnation.saturating_add(1);
        self.started_at = None;
        self.start_cause = cause;
        self.after_exit = match cause {
            StartCause::First if self.is_tried_again() => AfterExit::Restarting,
            StartCause::First | StartCause::Added => AfterExit::Removed,
            StartCause::Called => AfterExit::Stopped,
            StartCause::Restart => AfterExit::Restarting,
        };
    }

    /// Returns whether a first start that fails while the supervisor starts is tried again.
    pub(super) fn is_tried_again(&self) -> bool {
        self.restart_backoff.is_some() && self.spec.restart != Restart::Temporary
    }

    /// Records that the process has finished starting.
    pub(super) fn started(&mut self, now: Duration) {
        self.started_at = Some(now);
        self.after_exit = AfterExit::ByPolicy;
    }

    /// Returns whether the supervisor is restarting the child by itself, or will do so.
    pub(super) fn is_restarting(&self) -> bool {
        match self.status {
            ChildStatus::RestartAt(_) => true,
            ChildStatus::Starting(_) => self.start_cause == StartCause::Restart,
            ChildStatus::Running(_) | ChildStatus::Stopped => false,
        }
    }

    /// Returns whether the first attempt of a restart is due or is being made.
    pub(super) fn is_restart_due(&self, now: Duration) -> bool {
        let is_delayed = matches!(self.status, ChildStatus::RestartAt(at) if at > now || !self.abandoned.is_empty());
        self.attempt == RestartAttempt::First && self.is_restarting() && !is_delayed
    }

    pub(super) fn pid(&self) -> Option<Pid> {
        match self.status {
            ChildStatus::Starting(pid) | ChildStatus::Running(pid) => Some(pid),
            ChildStatus::RestartAt(_) | ChildStatus::Stopped => None,
        }
    }

    /// Returns when the child is to be started again, on the clock of the supervisor.
    pub(super) fn restart_at(&self) -> Option<Duration> {
        match self.status {
            ChildStatus::RestartAt(at) => Some(at),
            ChildStatus::Starting(_) | ChildStatus::Running(_) | ChildStatus::Stopped => None,
        }
    }

    /// Returns an abandoned process of the last incarnation that has not exited yet. The child must not be started
    /// before that process has exited.
    pub(super) fn abandoned_pid(&self, runtime: &RuntimeHandle) -> Option<Pid> {
        self.abandoned.iter().copied().find(|pid| runtime.is_alive(*pid))
    }

    /// Forgets the abandoned processes that have exited.
    pub(super) fn prune_abandoned(&mut self, runtime: &RuntimeHandle) {
        self.abandoned.retain(|pid| runtime.is_alive(*pid));
    }

    /// Records that the child has had no process since the time `at`: its process has exited or was abandoned. Returns the report of
    /// the stop of that process, which is empty unless the child is a supervisor that has exited.
    pub(super) fn forget_process(&mut self, at: Duration) -> StopReport {
        self.status = ChildStatus::Stopped;
        if let (Some(started_at), Some(backoff)) = (self.started_at.take(), &mut self.restart_backoff) {
            backoff.record_run(at.saturating_sub(started_at));
        }
        let report = self.report.take().map(|report| report.get()).unwrap_or_default();
        self.abandoned.extend(report.abandoned.iter().map(|stopped| stopped.pid));
        report
    }

    pub(super) fn info(&self) -> ChildInfo {
        let (state, pid) = match self.status {
            // A restart that is under way may still fail.
            ChildStatus::Starting(_) if self.is_restarting() => (ChildState::Restarting, None),
            ChildStatus::Starting(pid) => (ChildState::Starting, Some(pid)),
            ChildStatus::Running(pid) => (ChildState::Running, Some(pid)),
            ChildStatus::RestartAt(_) => (ChildState::Restarting, self.abandoned.first().copied()),
            ChildStatus::Stopped => match self.abandoned.first() {
                Some(abandoned) => (ChildState::Abandoned, Some(*abandoned)),
                None => (ChildState::Stopped, None),
            },
        };
        ChildInfo {
            id: self.spec.id.clone(),
            pid,
            kind: match self.spec.start {
                ChildStart::Worker(_) => ChildKind::Worker,
                ChildStart::Supervisor(_) => ChildKind::Supervisor,
            },
            restart: self.spec.restart,
            shutdown: self.spec.shutdown,
            is_significant: self.spec.is_significant,
            state,
            incarnation: self.incarnation,
        }
    }
}

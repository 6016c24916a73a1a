//! One child of a supervisor, as its supervisor knows it.

use std::time::Duration;

use super::view::{ChildInfo, ChildKind, ChildState};
use crate::backoff::Waits;
use crate::pid::Pid;
use crate::process::{Handle, ReportSlot};
use crate::supervisor::spec::{ChildSpec, Kind};

/// One child, with what has happened to it.
pub(super) struct Child {
    pub(super) spec: ChildSpec,
    pub(super) state: State,
    pub(super) incarnation: u32,
    /// When the present incarnation had started, on the supervisor's clock. `None`: it has not.
    pub(super) started: Option<Duration>,
    /// The backoff that is under way.
    pub(super) waits: Option<Waits>,
    /// Of a supervisor: what it leaves behind when it ends.
    pub(super) report: Option<ReportSlot>,
    /// Processes of its last incarnation that were abandoned and may still be there.
    pub(super) leftovers: Vec<Pid>,
}

/// How it stands with a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Starting(Pid),
    Running(Pid),
    /// To be started, not before this time.
    Due(Duration),
    Stopped,
}

impl Child {
    pub(super) fn new(spec: ChildSpec) -> Child {
        Child {
            spec,
            state: State::Stopped,
            incarnation: 0,
            started: None,
            waits: None,
            report: None,
            leftovers: Vec::new(),
        }
    }

    pub(super) fn pid(&self) -> Option<Pid> {
        match self.state {
            State::Starting(pid) | State::Running(pid) => Some(pid),
            State::Due(_) | State::Stopped => None,
        }
    }

    /// Its process, or one that belonged to it, that is stuck in a poll and still there.
    pub(super) fn still_there(&mut self, runtime: &Handle) -> Option<Pid> {
        self.leftovers.retain(|pid| runtime.with(*pid, |_| ()).is_some());
        self.leftovers.first().copied()
    }

    /// How long the next restart waits. The backoff begins anew if the child has run for longer than `window`.
    pub(super) fn next_wait(&mut self, runtime: &Handle, now: Duration, window: Duration) -> Duration {
        if self.started.is_some_and(|started| now.saturating_sub(started) > window) {
            self.waits = None;
        }
        let Some(backoff) = self.spec.backoff else { return Duration::ZERO };
        let waits = self.waits.get_or_insert_with(|| backoff.waits(runtime.executor().random()));
        waits.next().unwrap_or_default()
    }

    pub(super) fn info(&self) -> ChildInfo {
        ChildInfo {
            id: self.spec.id.clone(),
            pid: self.pid().or_else(|| self.leftovers.first().copied()),
            kind: match self.spec.kind {
                Kind::Worker(_) => ChildKind::Worker,
                Kind::Supervisor(_) => ChildKind::Supervisor,
            },
            restart: self.spec.restart,
            state: match self.state {
                State::Starting(_) => ChildState::Starting,
                State::Running(_) => ChildState::Running,
                State::Due(_) => ChildState::Restarting,
                State::Stopped if self.leftovers.is_empty() => ChildState::Stopped,
                State::Stopped => ChildState::Abandoned,
            },
            incarnation: self.incarnation,
        }
    }
}

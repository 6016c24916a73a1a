//! The state of a supervisor's process. Only that process uses it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::builder::AutoShutdown;
use super::call::Calls;
use super::child::TreeChild;
use super::children::ChildTable;
use super::delayed_starts::DelayedStarts;
use super::exits::ChildExits;
use super::shared::TreeShared;
use crate::error::StartError;
use crate::pid::Pid;
use crate::process::{ReportBuilder, RuntimeHandle};
use crate::supervisor::clock::Clock;
use crate::{telemetry, unwind};

/// The state of a supervisor's process.
///
/// Its async methods, except `stop_all`, return an error with the `StopReason` if the supervisor has to stop before they are done.
pub(super) struct TreeState {
    pub(super) runtime: RuntimeHandle,
    pub(super) shared: Arc<TreeShared>,
    pub(super) clock: Clock,
    label: Option<Arc<str>>,
    pub(super) auto_shutdown: AutoShutdown,
    pub(super) children: ChildTable,
    pub(super) exits: ChildExits,
    pub(super) calls: Calls,
    pub(super) delayed_starts: DelayedStarts,
    /// Notifies the process that awaits the start of this supervisor that the start is delayed.
    pub(super) start_is_delayed: Option<oneshot::Sender<()>>,
    /// The processes that were killed or abandoned during the stop of the supervisor. What is added before the stop is discarded: after
    /// each step of `server.rs`, and when the stop begins.
    pub(super) report: ReportBuilder,
}

/// Which incarnation of a child an event is about.
#[derive(Clone, Copy)]
pub(super) enum EventIncarnation {
    /// The incarnation that is starting, has failed to start, or has exited.
    Present,
    /// The incarnation that will start.
    Next,
}

impl TreeState {
    pub(super) fn new(
        shared: Arc<TreeShared>,
        children: ChildTable,
        calls: Calls,
        label: Option<Arc<str>>,
        auto_shutdown: AutoShutdown,
    ) -> TreeState {
        let runtime = shared.incarnations.runtime().clone();
        TreeState {
            clock: shared.children.clock().clone(),
            runtime,
            shared,
            label,
            auto_shutdown,
            children,
            exits: ChildExits::new(),
            calls,
            delayed_starts: DelayedStarts::default(),
            start_is_delayed: None,
            report: ReportBuilder::default(),
        }
    }

    /// Returns the fields that all events about a child have.
    pub(super) fn subject<'a>(
        &'a self,
        supervisor: Pid,
        child: &'a TreeChild,
        incarnation: EventIncarnation,
    ) -> telemetry::Child<'a> {
        telemetry::Child {
            supervisor,
            label: self.label.as_deref(),
            child: &child.spec.id,
            spawned_at: child.spec.spawned_at,
            incarnation: match incarnation {
                EventIncarnation::Present => child.incarnation,
                EventIncarnation::Next => child.incarnation.saturating_add(1),
            },
        }
    }

    /// Emits the event of a child that failed to start.
    pub(super) fn emit_start_failed(&self, supervisor: Pid, key: u64, error: &StartError) {
        let subject = self.subject(supervisor, &self.children[key], EventIncarnation::Present);
        unwind::ignore_panic(|| telemetry::start_failed(&subject, error));
    }

    /// Emits the event that a child has been starting for the time `lasted`, and has not finished. `pid` is its process.
    pub(super) fn emit_slow_start(&self, supervisor: Pid, key: u64, pid: Pid, lasted: Duration) {
        let child = &self.children[key];
        let subject = self.subject(supervisor, child, EventIncarnation::Present);
        unwind::ignore_panic(|| telemetry::slow_start(&subject, pid, lasted, child.spec.start_timeout));
    }

    /// Records that a child has had no process since the time `at`, because its process has exited or was abandoned. Adds the report of
    /// the stop of that process to `report`.
    pub(super) fn forget_process(&mut self, key: u64, at: Duration) {
        self.report.add(self.children[key].forget_process(at));
    }
}

//! The `tracing` span in which a process is polled.
//!
//! ```text
//!  the user's span ──┬── child ──► span of task A ──┐
//!                    │                              │ follows from (A spawns B)
//!                    └── child ──► span of task B ◄─┘
//! ```
//!
//! A span is open until all its children are closed. So the span of a task that another task spawns is not a child of the
//! spawner's own span: a chain of tasks that each spawn the next one would keep all earlier spans open.

use std::cell::RefCell;
use std::panic::Location;
use std::sync::Arc;

use tracing::span::Id;
use tracing::{Level, Span};

use crate::pid::Pid;
use crate::{telemetry, unwind};

/// The span in which a process is polled: a span of its own if a subscriber has enabled that, or else the span that was current
/// when it was spawned.
pub(crate) struct TaskSpan {
    span: Span,
    /// `None` for a process without a span of its own.
    own: Option<Arc<OwnSpan>>,
}

/// The own span of a process, kept for the spans of the tasks that it spawns.
struct OwnSpan {
    id: Option<Id>,
    /// The span of the user that was current when the process was spawned. If the spawner's own span was current: the
    /// `of_user` of the spawner.
    of_user: Span,
}

// The own span of the process that the thread polls, if it has one.
thread_local!(static POLLED: RefCell<Option<Arc<OwnSpan>>> = const { RefCell::new(None) });

impl TaskSpan {
    /// Creates the span of a process that the running code is about to spawn. `span` takes the place of the current span. Returns `None`
    /// if there is neither a current span nor a span of the process itself, and if no subscriber takes errors.
    pub(super) fn new(
        pid: Pid,
        label: Option<&str>,
        spawned_at: &'static Location<'static>,
        span: Option<Span>,
    ) -> Option<Box<TaskSpan>> {
        if !telemetry::is_enabled(Level::ERROR) {
            return None;
        }
        let span = unwind::catch_cold(|| TaskSpan::in_span(span.unwrap_or_else(Span::current), pid, label, spawned_at))
            .ok()?;
        (!span.span.is_none()).then(|| Box::new(span))
    }

    fn in_span(current: Span, pid: Pid, label: Option<&str>, spawned_at: &'static Location<'static>) -> TaskSpan {
        let spawner = POLLED.try_with(|polled| polled.borrow().clone()).ok().flatten();
        let spawner = spawner.filter(|spawner| spawner.id.is_some() && spawner.id == current.id());
        let of_user = spawner.as_ref().map_or_else(|| current.clone(), |spawner| spawner.of_user.clone());
        let span = tracing::span!(target: "cordial::task", parent: of_user.id(), Level::TRACE, "task", %pid, label, %spawned_at);
        if span.is_disabled() {
            return TaskSpan { span: current, own: None };
        }
        if spawner.is_some() {
            span.follows_from(&current);
        }
        let own = Some(Arc::new(OwnSpan { id: span.id(), of_user }));
        TaskSpan { span, own }
    }

    /// Enters the span until the guard is dropped.
    pub(super) fn enter(&self) -> Entered<'_> {
        Entered { _span: self.span.enter(), outer: set_polled(self.own.clone()) }
    }
}

/// Leaves a span when it is dropped.
pub(super) struct Entered<'a> {
    _span: tracing::span::Entered<'a>,
    outer: Option<Arc<OwnSpan>>,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        set_polled(self.outer.take());
    }
}

/// Sets the own span of the polled process, and returns what was set before. On a thread that is ending, sets nothing.
fn set_polled(own: Option<Arc<OwnSpan>>) -> Option<Arc<OwnSpan>> {
    POLLED.try_with(|polled| polled.replace(own)).ok().flatten()
}

//! The options of a task supervisor.

use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use crate::process::Shutdown;
use crate::supervisor::intensity::RestartLimit;
use crate::supervisor::spawn::OwnedBy;

/// The options of a [`TaskSupervisor`](crate::TaskSupervisor). Created by
/// [`TaskSupervisor::builder`](crate::TaskSupervisor::builder).
#[must_use = "options do nothing before `start`"]
#[derive(Clone, Debug)]
pub struct TaskSupervisorBuilder {
    pub(super) label: Option<Arc<str>>,
    pub(super) max_children: Option<usize>,
    pub(super) limit: RestartLimit,
    pub(super) shutdown: Shutdown,
    pub(super) owned_by: OwnedBy,
    pub(super) spawned_at: &'static Location<'static>,
}

impl TaskSupervisorBuilder {
    pub(super) fn new(spawned_at: &'static Location<'static>) -> TaskSupervisorBuilder {
        TaskSupervisorBuilder {
            label: None,
            max_children: None,
            limit: RestartLimit::default(),
            shutdown: Shutdown::default(),
            owned_by: OwnedBy::Caller,
            spawned_at,
        }
    }

    /// Sets the label, which reports, events and snapshots show. Default: no label.
    pub fn label(self, label: impl Into<Arc<str>>) -> TaskSupervisorBuilder {
        TaskSupervisorBuilder { label: Some(label.into()), ..self }
    }

    /// Sets how many children may run at once. Default: no limit. With 0 every child is refused, and
    /// `start_child_when_room` and streams wait until the supervisor stops. A child that waits for its restart counts.
    pub fn max_children(self, n: usize) -> TaskSupervisorBuilder {
        TaskSupervisorBuilder { max_children: Some(n), ..self }
    }

    /// Sets the restart intensity: the supervisor gives up when its children would need more than `max_restarts`
    /// restarts within `window`. Default: 3 within 5 s. Restarts of children with a
    /// [`backoff`](crate::ChildSpec::backoff) are not counted. With 0, the first restart is already too many.
    ///
    /// # Panics
    ///
    /// If `window` is zero, since earlier restarts would never count.
    #[track_caller]
    pub fn max_restarts(self, max_restarts: usize, window: Duration) -> TaskSupervisorBuilder {
        TaskSupervisorBuilder { limit: RestartLimit::new(max_restarts, window), ..self }
    }

    /// Sets how the supervisor stops its tasks, except those started with a [`ChildSpec`](crate::ChildSpec), which has
    /// a setting of its own. Default: 5 s. The grace time is for tasks that have opted in to graceful
    /// shutdown, with [`shutdown_requested`](crate::shutdown_requested) or by trapping exits. Any other task ends at its current
    /// await.
    pub fn shutdown(self, shutdown: impl Into<Shutdown>) -> TaskSupervisorBuilder {
        TaskSupervisorBuilder { shutdown: shutdown.into(), ..self }
    }

    /// Makes the supervisor belong to the runtime instead of the process that starts it. The supervisor runs until it is stopped or
    /// gives up, or until the runtime shuts down.
    ///
    /// # Examples
    ///
    /// ```
    /// use cordial::TaskSupervisor;
    /// use std::sync::LazyLock;
    ///
    /// static EMAILS: LazyLock<TaskSupervisor> =
    ///     LazyLock::new(|| TaskSupervisor::builder().label("emails").unlinked().start());
    ///
    /// assert_eq!(EMAILS.spawn(async { 1 }).wait(), Ok(1));
    /// ```
    pub fn unlinked(self) -> TaskSupervisorBuilder {
        TaskSupervisorBuilder { owned_by: OwnedBy::Runtime, ..self }
    }
}

//! Options of a task supervisor.

use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use super::handle::TaskSupervisor;
use super::live::Live;
use crate::error::StartError;
use crate::process::{Shutdown, current_runtime};
use crate::supervisor::Belongs;
use crate::supervisor::intensity::Limits;
use crate::supervisor::nested::{ChildOf, Launched};
use crate::supervisor::startable::{Startable, sealed};

/// Options of a [`TaskSupervisor`]. Made by [`TaskSupervisor::builder`].
#[must_use = "options do nothing before `start`"]
#[derive(Clone, Debug)]
pub struct TaskSupervisorBuilder {
    pub(super) label: Option<Arc<str>>,
    pub(super) max_children: Option<usize>,
    pub(super) limits: Limits,
    pub(super) shutdown: Shutdown,
    pub(super) belongs: Belongs,
    pub(super) spawned_at: &'static Location<'static>,
}

impl TaskSupervisorBuilder {
    #[track_caller]
    pub(super) fn new() -> TaskSupervisorBuilder {
        TaskSupervisorBuilder {
            label: None,
            max_children: None,
            limits: Limits::default(),
            shutdown: Shutdown::default(),
            belongs: Belongs::ToStarter,
            spawned_at: Location::caller(),
        }
    }

    /// Gives it a label, which reports, events and snapshots show. Default: none.
    pub fn label(self, label: impl Into<Arc<str>>) -> TaskSupervisorBuilder {
        TaskSupervisorBuilder { label: Some(label.into()), ..self }
    }

    /// Sets how many children may run at once. Default: no limit. With 0 none ever runs. One that waits for a restart
    /// counts.
    pub fn max_children(self, n: usize) -> TaskSupervisorBuilder {
        TaskSupervisorBuilder { max_children: Some(n), ..self }
    }

    /// Sets how many restarts of its children, all together, are allowed within which time. With one more it gives up.
    /// Default: 3 within 5 s. With 0 the first restart is too many.
    ///
    /// # Panics
    ///
    /// If the window is zero: it would count nothing.
    #[track_caller]
    pub fn max_restarts(self, max_restarts: usize, window: Duration) -> TaskSupervisorBuilder {
        assert!(
            !window.is_zero(),
            "`max_restarts` with a window of zero counts nothing; use a longer one, such as 5 s"
        );
        TaskSupervisorBuilder { limits: Limits { max_restarts, window }, ..self }
    }

    /// Sets how its tasks are ended when it stops, but for those whose [`ChildSpec`](crate::ChildSpec) says otherwise.
    /// Default: 5 s. A task gets the time only if it has asked to be told; others end at once.
    pub fn shutdown(self, shutdown: impl Into<Shutdown>) -> TaskSupervisorBuilder {
        TaskSupervisorBuilder { shutdown: shutdown.into(), ..self }
    }

    /// Makes it belong to the runtime, and not to the process that starts it: it ends when it is stopped, or with the
    /// runtime.
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
        TaskSupervisorBuilder { belongs: Belongs::ToRuntime, ..self }
    }

    /// Starts it. It takes tasks when this returns.
    ///
    /// On a runtime that was shut down it refuses all of them.
    pub fn start(self) -> TaskSupervisor {
        let live = Live::new(current_runtime(), self);
        // Whoever uses the handle is told.
        let _ = live.start(None);
        TaskSupervisor::new(live)
    }
}

impl sealed::Sealed for TaskSupervisorBuilder {}

impl Startable for TaskSupervisorBuilder {
    fn launch(self, child_of: ChildOf) -> Result<Launched, StartError> {
        TaskSupervisor::new(Live::new(child_of.runtime.clone(), self)).become_child(child_of)
    }
}

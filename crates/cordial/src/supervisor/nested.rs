//! A supervisor as the child of another.

use std::fmt;
use std::sync::{Arc, Weak};

use tokio::sync::oneshot;

use super::startable::Startable;
use super::tasks::TaskSupervisor;
use crate::error::StartError;
use crate::pid::Pid;
use crate::process::{Handle, Place, ReportSlot};

/// How a supervisor comes to be the child of another.
pub(super) enum Nested {
    /// Each incarnation is built anew.
    Built(Box<dyn FnMut(ChildOf) -> Result<Launched, StartError> + Send>),
    /// The one that runs becomes the child; the next incarnations are started under the same handle.
    HandedOver(TaskSupervisor),
}

impl Nested {
    pub(super) fn built<F, S>(mut builder: F) -> Nested
    where
        F: FnMut() -> S + Send + 'static,
        S: Startable,
    {
        Nested::Built(Box::new(move |child_of| builder().launch(child_of)))
    }

    /// Starts the next incarnation. May panic: it runs code of the user's.
    pub(super) fn launch(&mut self, child_of: ChildOf) -> Result<Launched, StartError> {
        match self {
            Nested::Built(launch) => launch(child_of),
            Nested::HandedOver(tasks) => tasks.become_child(child_of),
        }
    }
}

/// What a supervisor expects of its children.
pub(super) trait Outlook: fmt::Debug + Send + Sync {
    /// Whether the child of this key, which ends or has ended, will be started again.
    fn starts_again(&self, key: u32) -> bool;
}

/// Where a supervisor stands as a child.
#[expect(unnameable_types, reason = "for a sealed trait")]
#[derive(Debug)]
pub struct ChildOf {
    pub(super) runtime: Handle,
    pub(super) id: Arc<str>,
    pub(super) place: Place,
    pub(super) outlook: Weak<dyn Outlook>,
}

/// A supervisor that has been started as a child.
#[expect(unnameable_types, reason = "for a sealed trait")]
pub struct Launched {
    pub(super) pid: Pid,
    /// Whether its own children have started. `None`: it has none to start.
    pub(super) is_ready: Option<oneshot::Receiver<Result<(), StartError>>>,
    /// What it leaves behind when it ends.
    pub(super) report: ReportSlot,
}

impl fmt::Debug for Launched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Launched").field("pid", &self.pid).finish_non_exhaustive()
    }
}

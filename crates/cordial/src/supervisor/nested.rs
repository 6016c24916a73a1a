//! A supervisor as the child of another.

use std::fmt;
use std::sync::{Arc, Weak};

use tokio::sync::oneshot;

use super::life::Fresh;
use super::startable::Startable;
use super::tasks::TaskSupervisor;
use crate::error::StartError;
use crate::pid::Pid;
use crate::process::{ChildSlot, Handle, ReportSlot};

/// How a supervisor comes to be the child of another.
pub(super) enum Nested {
    /// Each incarnation is built anew.
    Built(Box<dyn FnMut(ChildOf) -> Result<Launched, StartError> + Send>),
    /// The one that runs becomes the child; the next incarnations are started under the same handle.
    HandedOver(HandedOver),
}

/// A task supervisor that belongs to whoever has this, as long as it does.
pub(super) struct HandedOver {
    tasks: TaskSupervisor,
    to: Option<Pid>,
}

impl HandedOver {
    pub(super) fn new(tasks: TaskSupervisor) -> HandedOver {
        HandedOver { tasks, to: None }
    }
}

impl Drop for HandedOver {
    fn drop(&mut self) {
        if let Some(parent) = self.to {
            self.tasks.is_given_up_by(parent);
        }
    }
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
            Nested::HandedOver(handed_over) => {
                let parent = child_of.place.parent().pid;
                let launched = handed_over.tasks.become_child(child_of);
                if !matches!(launched, Err(StartError::AlreadySupervised(_))) {
                    handed_over.to = Some(parent);
                }
                launched
            }
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
    pub(super) place: ChildSlot,
    pub(super) outlook: Weak<dyn Outlook>,
}

/// A supervisor that has been started as a child.
#[expect(unnameable_types, reason = "for a sealed trait")]
pub struct Launched {
    pub(super) pid: Pid,
    /// Whether its own children have started. `None`: it has none to start.
    pub(super) is_ready: Option<oneshot::Receiver<Result<Fresh, StartError>>>,
    /// What it leaves behind when it ends.
    pub(super) report: ReportSlot,
}

impl fmt::Debug for Launched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Launched").field("pid", &self.pid).finish_non_exhaustive()
    }
}

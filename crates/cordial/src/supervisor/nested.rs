//! Supervisors as children of another supervisor: built for each incarnation, or handed over with their handles.

use super::factory::FactoryUse;
use super::startable::{ChildPosition, Startable, StartedSupervisor};
use crate::error::StartError;
use crate::pid::Pid;
use crate::process::HeldValue;

/// How the incarnations of a child that is a supervisor start.
pub(super) enum NestedSupervisor {
    /// A new supervisor is built for each incarnation. `None` after the only incarnation of a
    /// temporary child was built.
    Built(Option<BuildSupervisor>),
    /// A supervisor that has handles becomes the child: the incarnation that runs, or else a new one. The handles stay valid for later
    /// incarnations.
    HandedOver(HandedOver),
}

/// The user's function. A `HeldValue`, because a supervisor drops the functions of all its children together.
type BuildSupervisor = HeldValue<Box<dyn FnMut(ChildPosition) -> Result<StartedSupervisor, StartError> + Send>>;

/// A supervisor that can be handed over, even while it runs.
pub(super) trait Adoptable: Send {
    /// Makes the supervisor a child of the calling process. Starts an incarnation if none runs.
    fn adopt(&self, position: ChildPosition) -> Result<StartedSupervisor, StartError>;

    /// Ends the adoption by `parent`, so that another supervisor may adopt this one.
    fn release(&self, parent: Pid);
}

/// A supervisor that was handed over. Dropping this value releases the supervisor.
pub(super) struct HandedOver {
    supervisor: Box<dyn Adoptable>,
    /// The supervisor that has adopted it, if one has.
    parent: Option<Pid>,
}

impl HandedOver {
    pub(super) fn new(supervisor: impl Adoptable + 'static) -> HandedOver {
        HandedOver { supervisor: Box::new(supervisor), parent: None }
    }
}

impl Drop for HandedOver {
    fn drop(&mut self) {
        if let Some(parent) = self.parent {
            self.supervisor.release(parent);
        }
    }
}

impl NestedSupervisor {
    pub(super) fn built<F, S>(mut builder: F) -> NestedSupervisor
    where
        F: FnMut() -> S + Send + 'static,
        S: Startable,
    {
        NestedSupervisor::Built(Some(HeldValue::new(Box::new(move |position| builder().start_as_child(position)))))
    }

    /// Starts the next incarnation. Runs user code, which may panic.
    pub(super) fn start(
        &mut self,
        factory_use: FactoryUse,
        position: ChildPosition,
    ) -> Result<StartedSupervisor, StartError> {
        match self {
            NestedSupervisor::Built(build) => {
                let started = build.as_mut().expect("a temporary child is started once").get_mut()(position);
                if factory_use == FactoryUse::Once {
                    drop(build.take());
                }
                started
            }
            NestedSupervisor::HandedOver(HandedOver { supervisor, parent }) => {
                let new_parent = position.slot.parent().pid;
                let started = supervisor.adopt(position);
                if !matches!(started, Err(StartError::AlreadySupervised(_))) {
                    *parent = Some(new_parent);
                }
                started
            }
        }
    }
}

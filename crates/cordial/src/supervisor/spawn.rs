//! Starts the process of a supervisor. The process is a guardian. It belongs to its parent supervisor, to the process that starts it, or
//! to the runtime.

use std::panic::Location;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::incarnation::{Incarnation, Incarnations};
use crate::exit::{Exit, Refusal};
use crate::pid::Pid;
use crate::process::{
    Ancestry, ChildSlot, ExitReceiver, Guardian, InheritedScope, ReportSlot, Spawn, Supervise, attach_to_owner, current,
};

/// The owner of a supervisor that is not the child of another supervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OwnedBy {
    /// The process that starts the supervisor. The supervisor stops when this process exits. If the calling code is not a process of the
    /// same runtime, the runtime owns the supervisor.
    Caller,
    /// The runtime.
    Runtime,
}

/// What is needed to start the process of a supervisor.
pub(super) struct SpawnSupervisor<'a> {
    pub(super) incarnations: &'a Incarnations,
    /// The state of the supervisor, for snapshots, the inspector, and the check for starts that wait for each other.
    pub(super) supervisor: Arc<dyn Supervise>,
    /// The slot of the supervisor, if it is a child. `owned_by` then has no effect.
    pub(super) slot: Option<ChildSlot>,
    pub(super) owned_by: OwnedBy,
    pub(super) label: Option<Arc<str>>,
    pub(super) spawned_at: &'static Location<'static>,
}

/// A supervisor whose process has started.
pub(super) struct SpawnedSupervisor {
    pub(super) pid: Pid,
    pub(super) report: ReportSlot,
}

impl SpawnSupervisor<'_> {
    /// Starts the next incarnation. `serve` creates the future of its process.
    pub(super) fn start<F>(
        self,
        serve: impl FnOnce(Incarnation, ExitReceiver) -> F,
    ) -> Result<SpawnedSupervisor, Refusal>
    where
        F: Future<Output = Exit> + Send + 'static,
    {
        let SpawnSupervisor { incarnations, supervisor, slot, owned_by, label, spawned_at } = self;
        let runtime = incarnations.runtime();
        let is_child = slot.is_some();
        // A process of another runtime is not in the table, and cannot own this supervisor.
        let owner =
            current().filter(|_| !is_child && owned_by == OwnedBy::Caller).filter(|owner| runtime.is_alive(*owner));
        let incarnation = incarnations.next();
        let report = incarnation.report.clone();
        let (sender, exits) = mpsc::unbounded_channel();
        let guardian = Guardian {
            owner,
            number: runtime.next_guardian_number(),
            waits_for: None,
            is_killed: false,
            supervisor,
            report: report.clone(),
        };
        let mut spawn = Spawn::new(spawned_at);
        spawn.child_slot = slot;
        spawn.guardian = Some(Box::new((guardian, sender)));
        spawn.label = label;
        spawn.scope = match owned_by {
            OwnedBy::Runtime if !is_child => InheritedScope::Known(None),
            OwnedBy::Runtime | OwnedBy::Caller => InheritedScope::Values,
        };
        if owner.is_some() {
            spawn = spawn.linked();
        } else if !is_child {
            // A supervisor that belongs to the runtime records no ancestry: `process::callers` is empty, even if a process starts it.
            spawn.ancestry = Ancestry::Known(None);
        }
        let started = spawn.start(runtime, serve(incarnation.clone(), exits), Err::<(), Exit>);
        let pid = match started {
            Ok(started) => started.pid,
            Err(refusal) => {
                incarnations.start_refused(&incarnation, Exit::Refused(refusal.clone()));
                return Err(refusal);
            }
        };
        if let Some(owner) = owner {
            attach_to_owner(runtime, owner, pid);
        }
        incarnations.started(&incarnation, pid);
        Ok(SpawnedSupervisor { pid, report })
    }
}

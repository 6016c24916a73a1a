//! Starting one incarnation of a restartable child.

use std::convert::identity;
use std::panic::Location;
use std::sync::Arc;

use super::restartable::{RestartableChild, RestartableChildren};
use crate::exit::{Exit, Refusal};
use crate::pid::Pid;
use crate::process::{Ancestry, ChildSlot, Handle, Lineage, Parent, Shutdown, Spawn};
use crate::supervisor::factory::Factory;

/// What the start of one incarnation needs from the record of its child, copied so that the start runs without the
/// lock.
pub(super) struct RestartableStart {
    factory: Factory,
    id: Arc<str>,
    incarnation: u32,
    shutdown: Shutdown,
    spawned_at: &'static Location<'static>,
    lineage: Option<Arc<Lineage>>,
}

impl RestartableStart {
    pub(super) fn of(child: &RestartableChild) -> RestartableStart {
        RestartableStart {
            factory: child.factory.clone(),
            id: child.id.clone(),
            incarnation: child.incarnation,
            shutdown: child.shutdown,
            spawned_at: child.spawned_at,
            lineage: child.lineage.clone(),
        }
    }

    /// Starts the incarnation under `supervisor`, for the child at `index`.
    pub(super) fn start<F>(
        self,
        runtime: &Handle,
        children: &Arc<RestartableChildren>,
        supervisor: Pid,
        index: u32,
        future: impl FnOnce(Factory) -> F,
    ) -> Result<Pid, Refusal>
    where
        F: Future<Output = Result<(), Exit>> + Send + 'static,
    {
        let parent = Arc::new(Parent {
            pid: supervisor,
            id: Some(self.id.clone()),
            incarnation: self.incarnation,
            shutdown: self.shutdown,
            children: children.clone(),
        });
        let mut spawn = Spawn::new(self.spawned_at).child_slot(ChildSlot::new(parent, index));
        spawn.label = Some(self.id);
        // All incarnations have the same callers: those of the first start.
        spawn.ancestry = Ancestry::Known(self.lineage);
        spawn.start(runtime, future(self.factory), identity).map(|started| started.pid)
    }
}

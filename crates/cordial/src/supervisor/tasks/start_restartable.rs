//! Starting one incarnation of a restartable child.

use std::convert::identity;
use std::panic::Location;
use std::sync::Arc;

use super::restartable::{RestartableChild, RestartableChildren};
use crate::exit::Refusal;
use crate::pid::Pid;
use crate::process::{Ancestry, ChildSlot, Handle, Lineage, Parent, Shutdown, Spawn};
use crate::supervisor::factory::{Factory, FactoryUse, InitAck};

/// What the start of one incarnation needs from the record of its child, copied so that the start runs without the
/// lock.
pub(super) struct RestartableStart {
    factory: Factory,
    factory_use: FactoryUse,
    id: Arc<str>,
    incarnation: u32,
    shutdown: Shutdown,
    spawned_at: &'static Location<'static>,
    lineage: Option<Arc<Lineage>>,
}

/// The first call of a factory. If it panics, this is dropped, and the child is not started again: it was never started.
struct FirstStart(Option<(Arc<RestartableChildren>, u32)>);

impl FirstStart {
    fn succeeded(mut self) {
        self.0 = None;
    }
}

impl Drop for FirstStart {
    fn drop(&mut self) {
        if let Some((children, index)) = self.0.take() {
            children.not_started(index);
        }
    }
}

impl RestartableStart {
    pub(super) fn of(child: &RestartableChild) -> RestartableStart {
        RestartableStart {
            factory: child.factory.clone(),
            factory_use: FactoryUse::of(child.restart),
            id: child.id.clone(),
            incarnation: child.incarnation,
            shutdown: child.shutdown,
            spawned_at: child.spawned_at,
            lineage: child.lineage.clone(),
        }
    }

    /// Starts the incarnation under `supervisor`, for the child at `index`. The factory runs in the process of the child.
    pub(super) fn start(
        self,
        runtime: &Handle,
        children: &Arc<RestartableChildren>,
        supervisor: Pid,
        index: u32,
    ) -> Result<Pid, Refusal> {
        let acknowledge = {
            let children = children.clone();
            move |result| children.acknowledged(index, result)
        };
        let first_start_of = (self.incarnation == 1).then(|| (children.clone(), index));
        let (factory, factory_use) = (self.factory, self.factory_use);
        let future = async move {
            let first_start = FirstStart(first_start_of);
            let future = factory.create(factory_use, InitAck::new(acknowledge));
            // The future may run for long.
            drop(factory);
            first_start.succeeded();
            future.await
        };
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
        spawn.start(runtime, future, identity).map(|started| started.pid)
    }
}

//! Starting one incarnation of a restartable child.

use std::convert::identity;
use std::panic::Location;
use std::sync::Arc;

use super::restartable::{RestartableChild, RestartableChildren};
use crate::exit::Refusal;
use crate::pid::Pid;
use crate::process::{
    Ancestry, ChildSlot, InheritedScope, Lineage, Parent, RuntimeHandle, Scope, Shutdown, Spawn, is_ended_by_signal,
};
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
    scope: Option<Scope>,
}

/// The first start of a child. If its factory panics, its `init` fails, or one of them calls [`exit`](crate::exit), the child is
/// not restarted, unless it has a backoff. If a signal ends its process before the child has finished starting, the child is
/// restarted as its policy says.
struct FirstStart {
    children: Arc<RestartableChildren>,
    index: u64,
}

impl Drop for FirstStart {
    /// Prevents the restart if the child has not finished starting.
    fn drop(&mut self) {
        if !is_ended_by_signal() {
            self.children.not_started(self.index);
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
            scope: child.scope.clone(),
        }
    }

    /// Starts the incarnation under `supervisor`, for the child at `index`. The factory runs in the process of the child.
    pub(super) fn start(
        self,
        runtime: &RuntimeHandle,
        children: &Arc<RestartableChildren>,
        supervisor: Pid,
        index: u64,
    ) -> Result<Pid, Refusal> {
        let acknowledge = {
            let children = children.clone();
            move |result| children.acknowledged(index, result)
        };
        let first_start = (self.incarnation == 1).then(|| FirstStart { children: children.clone(), index });
        let incarnation = self.factory.run(self.factory_use, InitAck::new(acknowledge));
        let future = async move {
            // Dropped after the future, when its destructors have run, however it ends.
            let _first_start = first_start;
            incarnation.await
        };
        let parent = Arc::new(Parent {
            pid: supervisor,
            root: runtime.root_of(supervisor),
            id: Some(self.id.clone()),
            incarnation: self.incarnation,
            shutdown: self.shutdown,
            children: children.clone(),
        });
        let mut spawn = Spawn::new(self.spawned_at).child_slot(ChildSlot::new(parent, index));
        spawn.label = Some(self.id);
        // All incarnations have the same callers and the same scope: those of the first start.
        spawn.scope = InheritedScope::Known(self.scope);
        spawn.ancestry = Ancestry::Known(self.lineage);
        spawn.start(runtime, future, identity).map(|started| started.pid)
    }
}

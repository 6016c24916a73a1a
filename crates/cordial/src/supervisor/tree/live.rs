//! A supervisor behind its handles.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{mpsc, oneshot};

use super::builder::SupervisorBuilder;
use super::call::Call;
use super::serve::{Tree, serve};
use super::view::{ChildState, View};
use crate::error::StartError;
use crate::exit::{Exit, Refusal};
use crate::pid::Pid;
use crate::process::{
    Ancestry, ChildSlot, Guardian, Handle, ReportSlot, Spawn, Supervise, Supervision, attach_to_owner, current,
};
use crate::supervisor::Belongs;
use crate::supervisor::life::{Fresh, Life};
use crate::supervisor::nested::Outlook;
use crate::supervisor::order::Strategy;

/// What the handles share.
pub(super) struct Live {
    pub(super) strategy: Strategy,
    pub(super) life: Life,
    pub(super) view: View,
    pub(super) calls: mpsc::UnboundedSender<Call>,
    pub(super) restarts: AtomicU64,
}

/// A supervisor that was started; whether its children have is to be told.
pub(super) struct Started {
    pub(super) live: Arc<Live>,
    pub(super) pid: Pid,
    pub(super) report: ReportSlot,
    pub(super) is_ready: oneshot::Receiver<Result<Fresh, StartError>>,
}

impl Live {
    pub(super) fn start(
        runtime: &Handle,
        builder: SupervisorBuilder,
        place: Option<ChildSlot>,
    ) -> Result<Started, Refusal> {
        let is_child = place.is_some();
        let owner = current()
            .filter(|_| !is_child && builder.belongs == Belongs::ToStarter)
            .filter(|owner| runtime.with(*owner, |_| ()).is_some());
        let (calls, called) = mpsc::unbounded_channel();
        let live = Arc::new(Live {
            strategy: builder.strategy,
            life: Life::new(runtime.clone()),
            view: View::default(),
            calls,
            restarts: AtomicU64::new(0),
        });
        let incarnation = live.life.next();
        let report = incarnation.report.clone();
        let (told, exits) = mpsc::unbounded_channel();
        let (ready, is_ready) = oneshot::channel();
        let guardian = Guardian {
            owner,
            number: runtime.next_guardian_number(),
            after: None,
            is_killed: false,
            supervisor: live.clone(),
            report: report.clone(),
        };
        let mut spawn = Spawn::new(builder.spawned_at);
        spawn.child_slot = place;
        spawn.guardian = Some(Box::new((guardian, told)));
        spawn.label.clone_from(&builder.label);
        if owner.is_some() {
            spawn = spawn.linked();
        } else if !is_child {
            // It does not descend from whoever happens to start it.
            spawn.ancestry = Ancestry::Known(None);
        }
        let tree = Tree::new(live.clone(), builder, called);
        let served = serve(tree, incarnation.clone(), exits, ready);
        let started = spawn.start(runtime, Box::pin(served), Err::<(), Exit>)?;
        if let Some(owner) = owner {
            attach_to_owner(runtime, owner, started.pid);
        }
        live.life.started(&incarnation, started.pid);
        Ok(Started { live, pid: started.pid, report, is_ready })
    }
}

impl Outlook for Live {
    fn starts_again(&self, key: u32) -> bool {
        // A supervisor takes calls until it ends.
        !self.calls.is_closed() && self.view.starts_again(key)
    }
}

impl Supervise for Live {
    fn supervision(&self) -> Supervision {
        let children = self.view.children();
        let without = children.iter().filter(|child| child.pid.is_none());
        Supervision {
            strategy: self.strategy.name(),
            incarnation: self.life.current().number,
            restarts: self.restarts.load(Ordering::Relaxed),
            max_children: None,
            n_running: children.iter().filter(|child| child.pid.is_some()).count(),
            without_process: without.map(|child| (child.id.clone(), child.state == ChildState::Restarting)).collect(),
        }
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live").field("strategy", &self.strategy).field("life", &self.life).finish_non_exhaustive()
    }
}

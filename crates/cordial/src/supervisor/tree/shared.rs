//! The state that the handles and the process of a supervisor share.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc;

use super::call::Call;
use super::child_infos::ChildInfos;
use super::info::ChildState;
use crate::pid::Pid;
use crate::process::{Handle, InactiveChild, InactiveState, Supervise, Supervision};
use crate::supervisor::incarnation::Incarnations;
use crate::supervisor::startable::WillRestart;
use crate::supervisor::strategy::Strategy;

/// The shared state of one supervisor.
pub(super) struct TreeShared {
    pub(super) strategy: Strategy,
    pub(super) incarnations: Incarnations,
    pub(super) children: ChildInfos,
    pub(super) calls: mpsc::UnboundedSender<Call>,
    pub(super) n_restarts: AtomicU64,
}

impl TreeShared {
    pub(super) fn new(runtime: &Handle, strategy: Strategy, calls: mpsc::UnboundedSender<Call>) -> TreeShared {
        TreeShared {
            strategy,
            incarnations: Incarnations::new(runtime.clone()),
            children: ChildInfos::new(runtime),
            calls,
            n_restarts: AtomicU64::new(0),
        }
    }
}

impl WillRestart for TreeShared {
    fn will_restart(&self, key: u32) -> bool {
        // The channel is open until the supervisor begins to stop.
        !self.calls.is_closed() && self.children.will_restart(key)
    }
}

impl Supervise for TreeShared {
    fn is_starting(&self, child: Pid) -> bool {
        self.children.is_starting(child)
    }

    fn supervision(&self) -> Supervision {
        let without_process = self.children.without_process();
        let inactive = without_process.into_iter().map(|child| {
            let state = match child.state {
                ChildState::Restarting => InactiveState::Restarting,
                _ => InactiveState::Stopped,
            };
            InactiveChild::new(child.id, state)
        });
        Supervision {
            kind: self.strategy.kind(),
            incarnation: self.incarnations.number(),
            restarts: self.n_restarts.load(Ordering::Relaxed),
            max_children: None,
            n_running: self.children.processes().len(),
            inactive: inactive.collect(),
        }
    }
}

impl fmt::Debug for TreeShared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TreeShared")
            .field("strategy", &self.strategy)
            .field("incarnations", &self.incarnations)
            .finish_non_exhaustive()
    }
}

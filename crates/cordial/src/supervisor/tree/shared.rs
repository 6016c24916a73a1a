//! The state that the handles and the process of a supervisor share.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;

use super::call::Call;
use super::info::{ChildCounts, ChildInfo, ChildKind, ChildState};
use crate::process::{Handle, InactiveChild, InactiveState, Supervise, Supervision};
use crate::supervisor::incarnation::Incarnations;
use crate::supervisor::restart::Restart;
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

/// The children as handles see them. The process of the supervisor updates this with each change.
#[derive(Debug, Default)]
pub(super) struct ChildInfos(Mutex<BTreeMap<u32, ChildInfo>>);

impl TreeShared {
    pub(super) fn new(runtime: &Handle, strategy: Strategy, calls: mpsc::UnboundedSender<Call>) -> TreeShared {
        TreeShared {
            strategy,
            incarnations: Incarnations::new(runtime.clone()),
            children: ChildInfos::default(),
            calls,
            n_restarts: AtomicU64::new(0),
        }
    }
}

impl ChildInfos {
    pub(super) fn insert(&self, key: u32, child: ChildInfo) {
        self.lock().insert(key, child);
    }

    pub(super) fn remove(&self, key: u32) {
        self.lock().remove(&key);
    }

    /// Returns the children in start order.
    pub(super) fn all(&self) -> Vec<ChildInfo> {
        self.lock().values().cloned().collect()
    }

    pub(super) fn counts(&self) -> ChildCounts {
        let children = self.lock();
        let mut counts = ChildCounts { specs: children.len(), ..ChildCounts::default() };
        for child in children.values() {
            counts.active += usize::from(matches!(child.state, ChildState::Running | ChildState::Starting));
            match child.kind {
                ChildKind::Worker => counts.workers += 1,
                ChildKind::Supervisor => counts.supervisors += 1,
            }
        }
        counts
    }

    /// Returns whether a child that is exiting or has exited will be started again, whatever its exit is.
    fn will_restart(&self, key: u32) -> bool {
        self.lock().get(&key).is_some_and(|child| match child.state {
            ChildState::Restarting => true,
            ChildState::Starting | ChildState::Running => child.restart == Restart::Permanent,
            ChildState::Stopped | ChildState::Abandoned => false,
        })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u32, ChildInfo>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl WillRestart for TreeShared {
    fn will_restart(&self, key: u32) -> bool {
        // The channel is open until the supervisor begins to stop.
        !self.calls.is_closed() && self.children.will_restart(key)
    }
}

impl Supervise for TreeShared {
    fn supervision(&self) -> Supervision {
        let children = self.children.all();
        let inactive = children.iter().filter(|child| child.pid.is_none()).map(|child| {
            let state = match child.state {
                ChildState::Restarting => InactiveState::Restarting,
                _ => InactiveState::Stopped,
            };
            InactiveChild::new(child.id.clone(), state)
        });
        Supervision {
            kind: self.strategy.kind(),
            incarnation: self.incarnations.number(),
            restarts: self.n_restarts.load(Ordering::Relaxed),
            max_children: None,
            n_running: children.iter().filter(|child| child.pid.is_some()).count(),
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

//! What can be seen of the children of a supervisor.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::pid::Pid;
use crate::supervisor::spec::Restart;

/// A child of a supervisor, as it was when it was looked at.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct ChildInfo {
    /// Its id.
    pub id: Arc<str>,
    /// Its process, if it has one.
    pub pid: Option<Pid>,
    /// What it is.
    pub kind: ChildKind,
    /// Whether it is started again.
    pub restart: Restart,
    /// How it stands with it.
    pub state: ChildState,
    /// How many processes, the present one included, have been this child.
    pub incarnation: u32,
}

/// What a child of a supervisor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChildKind {
    /// A process that owns no others.
    Worker,
    /// A supervisor.
    Supervisor,
}

/// How it stands with a child of a supervisor.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChildState {
    /// Its process is there, and has not started to serve.
    Starting,
    /// It runs.
    Running,
    /// A restart is due: at once, after its backoff, or when something that is stuck in a poll has ended.
    Restarting,
    /// It was told to end, is stuck in a poll, and nobody waits for it; it is not to be started again.
    Abandoned,
    /// It has no process, because it has done what it was there for or was terminated.
    Stopped,
}

/// How many children a supervisor has.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Children, with a process or without.
    pub specs: usize,
    /// Those that run.
    pub active: usize,
    /// Those that are supervisors.
    pub supervisors: usize,
    /// Those that are not.
    pub workers: usize,
}

/// The children, in start order, for whoever wants to see them.
#[derive(Debug, Default)]
pub(super) struct View(Mutex<BTreeMap<u32, ChildInfo>>);

impl View {
    pub(super) fn put(&self, key: u32, child: ChildInfo) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key, child);
    }

    pub(super) fn remove(&self, key: u32) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
    }

    pub(super) fn children(&self) -> Vec<ChildInfo> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Whether a child that ends now, or has ended, will be started again, whatever its exit.
    pub(super) fn starts_again(&self, key: u32) -> bool {
        let children = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        children.get(&key).is_some_and(|child| match child.state {
            ChildState::Restarting => true,
            ChildState::Starting | ChildState::Running => child.restart == Restart::Permanent,
            ChildState::Stopped | ChildState::Abandoned => false,
        })
    }

    pub(super) fn counts(&self) -> Counts {
        let children = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut counts = Counts { specs: children.len(), ..Counts::default() };
        for child in children.values() {
            counts.active += usize::from(matches!(child.state, ChildState::Running | ChildState::Starting));
            match child.kind {
                ChildKind::Worker => counts.workers += 1,
                ChildKind::Supervisor => counts.supervisors += 1,
            }
        }
        counts
    }
}

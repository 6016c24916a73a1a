//! The table of a supervisor's children, in start order. Each change is published to the handles.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Index, IndexMut, RangeBounds};
use std::sync::Arc;
use std::time::Duration;

use super::child::{ChildStatus, RestartAttempt, TreeChild};
use super::shared::TreeShared;
use crate::pid::Pid;
use crate::process::discard;
use crate::sorted_map::SortedMap;
use crate::supervisor::due_children::DueChildren;
use crate::supervisor::spec::{ChildSpec, ChildStart};

/// The children of one supervisor. A key names one child from [`insert`](ChildTable::insert) to
/// [`remove`](ChildTable::remove), and none after that; later children have greater keys.
pub(super) struct ChildTable {
    shared: Arc<TreeShared>,
    children: SortedMap<u64, TreeChild>,
    /// The keys by id, which is unique.
    keys: BTreeMap<Arc<str>, u64>,
    next_key: u64,
    /// The children whose status is `Starting`, in start order.
    starting: DueChildren,
    /// The children whose status is `RestartAt`, in start order.
    restarting: DueChildren,
    /// The children of `restarting` whose next attempt is the first one, by the time of their restart.
    first_attempts: DueChildren,
    /// The children of `restarting` whose next attempt is a further one, by the time of their restart.
    retries: DueChildren,
    /// The children that calls have started while an earlier child waited for its restart, under a strategy that restarts them with it.
    pub(super) started_early: BTreeSet<u64>,
    /// Processes of removed children that were abandoned and may not have exited yet.
    abandoned: Vec<Pid>,
}

/// The time of every child in `starting` and `restarting`: at equal times, the order is that of the keys, which is the start order.
const ANY_TIME: Duration = Duration::ZERO;

/// Keys come from `insert`. An exit can have the key of a removed child, and is checked with `get` first.
const KEY_IS_VALID: &str = "a key is used only while its child is in the table";

impl ChildTable {
    pub(super) fn new(shared: Arc<TreeShared>, specs: Vec<ChildSpec>) -> ChildTable {
        let mut table = ChildTable {
            shared,
            children: SortedMap::default(),
            keys: BTreeMap::new(),
            next_key: 0,
            starting: DueChildren::default(),
            restarting: DueChildren::default(),
            first_attempts: DueChildren::default(),
            retries: DueChildren::default(),
            started_early: BTreeSet::new(),
            abandoned: Vec::new(),
        };
        for spec in specs {
            table.insert(spec);
        }
        table
    }

    /// Adds a child after all others, without a process, and returns its key.
    pub(super) fn insert(&mut self, spec: ChildSpec) -> u64 {
        let key = self.next_key;
        self.next_key += 1;
        self.keys.insert(spec.id.clone(), key);
        self.children.insert(key, TreeChild::new(spec));
        self.publish(key);
        key
    }

    /// Removes a child. Its abandoned processes that are still alive move to `self.abandoned`.
    pub(super) fn remove(&mut self, key: u64) {
        self.shared.children.remove(key);
        self.starting.remove(ANY_TIME, key);
        self.restarting.remove(ANY_TIME, key);
        self.started_early.remove(&key);
        let mut child = self.children.remove(key).expect(KEY_IS_VALID);
        if let ChildStatus::RestartAt(at) = child.status {
            self.forget_restart(at, key);
        }
        self.keys.remove(&child.spec.id);
        if !child.abandoned.is_empty() {
            let runtime = self.shared.incarnations.runtime();
            self.abandoned.append(&mut child.abandoned);
            self.abandoned.retain(|pid| runtime.is_alive(*pid));
        }
        self.give_up_servers(key, &child);
        discard(child);
    }

    /// Gives up the servers that are kept for a child, and the child itself if it is a server.
    fn give_up_servers(&self, key: u64, child: &TreeChild) {
        self.shared.give_up_servers_of(key);
        if let (Some(_), ChildStart::Worker(factory)) = (&child.spec.server, &child.spec.start) {
            self.shared.give_up_server(factory.clone());
        }
    }

    /// Returns the key of the child with this id.
    pub(super) fn key(&self, id: &str) -> Option<u64> {
        self.keys.get(id).copied()
    }

    /// Returns a child if it has not been removed.
    pub(super) fn get(&self, key: u64) -> Option<&TreeChild> {
        self.children.get(key)
    }

    /// Returns the keys of all children, in start order.
    pub(super) fn keys(&self) -> Vec<u64> {
        self.children.iter().map(|(key, _)| key).collect()
    }

    /// Returns the children with these keys, in start order.
    pub(super) fn range(&self, keys: impl RangeBounds<u64>) -> impl Iterator<Item = (u64, &TreeChild)> {
        self.children.range(keys)
    }

    /// Sets the status of a child, and publishes it.
    pub(super) fn set_status(&mut self, key: u64, status: ChildStatus) {
        if let ChildStatus::RestartAt(at) = std::mem::replace(&mut self[key].status, status) {
            self.forget_restart(at, key);
        }
        match status {
            ChildStatus::Starting(_) => _ = self.starting.insert(ANY_TIME, key),
            _ => self.starting.remove(ANY_TIME, key),
        }
        match status {
            ChildStatus::RestartAt(at) => {
                self.restarting.insert(ANY_TIME, key);
                let attempt = self[key].attempt;
                match attempt {
                    RestartAttempt::First => self.first_attempts.insert(at, key),
                    RestartAttempt::Retry => self.retries.insert(at, key),
                };
            }
            _ => self.restarting.remove(ANY_TIME, key),
        }
        if status == ChildStatus::Stopped
            && let Some(server) = &self[key].spec.server
            && !self.shared.is_rebuilt()
        {
            server.not_restarted();
        }
        if matches!(status, ChildStatus::Running(_) | ChildStatus::Stopped) {
            self.shared.give_up_servers_of(key);
        }
        self.publish(key);
    }

    /// Returns the children whose status is `RestartAt`, in start order.
    pub(super) fn restarting(&self) -> impl Iterator<Item = (u64, &TreeChild)> {
        self.restarting.iter().map(|(_, key, _)| (key, &self[key]))
    }

    /// Returns the first child whose status is `RestartAt`, and the time of its restart.
    pub(super) fn first_restart(&self) -> Option<(Duration, u64)> {
        let (key, child) = self.restarting().next()?;
        Some((child.restart_at().expect("the status of a child in `restarting` is `RestartAt`"), key))
    }

    /// Returns the first child whose status is `Starting`.
    pub(super) fn first_starting(&self) -> Option<u64> {
        self.starting.first().map(|(_, key, _)| key)
    }

    /// Returns whether a child before this one waits for its restart, or is starting again.
    pub(super) fn is_restarting_before(&self, key: u64) -> bool {
        let waits = self.restarting.first().is_some_and(|(_, first, _)| first < key);
        waits || self.starting.iter().any(|(_, starting, _)| starting < key && self[starting].is_restarting())
    }

    /// Returns the children whose status is `RestartAt` and whose next attempt is this one, in the order of the times of their
    /// restarts.
    pub(super) fn restarts(&self, attempt: RestartAttempt) -> impl Iterator<Item = (Duration, u64)> {
        let restarts = match attempt {
            RestartAttempt::First => &self.first_attempts,
            RestartAttempt::Retry => &self.retries,
        };
        restarts.iter().map(|(at, key, _)| (at, key))
    }

    /// Removes the time of a restart. The attempt of the child may have changed since that time was set.
    fn forget_restart(&mut self, at: Duration, key: u64) {
        self.first_attempts.remove(at, key);
        self.retries.remove(at, key);
    }

    /// Shows the present state of a child to the handles.
    pub(super) fn publish(&mut self, key: u64) {
        let ChildTable { shared, children, .. } = self;
        let child = children.get_mut(key).expect(KEY_IS_VALID);
        child.prune_abandoned(shared.incarnations.runtime());
        shared.children.publish(key, child);
    }

    /// Returns the processes that were abandoned and may not have exited yet, including those of removed children.
    pub(super) fn abandoned(&self) -> impl Iterator<Item = Pid> {
        self.children.values().flat_map(|child| &child.abandoned).chain(&self.abandoned).copied()
    }
}

/// Usually there are no children any more. If the future of the process was dropped before it had stopped its children, they are still
/// here.
impl Drop for ChildTable {
    fn drop(&mut self) {
        for (key, child) in self.children.iter() {
            self.give_up_servers(key, child);
        }
    }
}

impl Index<u64> for ChildTable {
    type Output = TreeChild;

    fn index(&self, key: u64) -> &TreeChild {
        self.children.get(key).expect(KEY_IS_VALID)
    }
}

impl IndexMut<u64> for ChildTable {
    fn index_mut(&mut self, key: u64) -> &mut TreeChild {
        self.children.get_mut(key).expect(KEY_IS_VALID)
    }
}

#[cfg(test)]
mod tests;

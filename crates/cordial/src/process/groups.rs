//! The streams and the task sets of a runtime that are in progress, for observers.
//!
//! A stream adds itself when it is first polled, and removes itself when it has ended or is dropped. A set adds itself when it
//! spawns its first task, and removes itself when it is dropped. The counters stay in the stream or the set, and are read only
//! when an observer asks.

use std::fmt;
use std::panic::Location;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use slab::Slab;

use crate::pid::Pid;

/// The kind of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GroupKind {
    Stream,
    TaskSet,
}

/// The streams, or the task sets, of one runtime.
#[derive(Debug, Default)]
pub(crate) struct Groups(Mutex<GroupsState>);

#[derive(Debug, Default)]
struct GroupsState {
    groups: Slab<Group>,
    n_added: u64,
}

/// A stream or a task set.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    /// Its number among the groups of this kind of its runtime, from 1. Set when it is added.
    pub(crate) number: u64,
    /// The process that first polled the stream, or that spawned the first task of the set, if a process did.
    pub(crate) owner: Option<Pid>,
    /// Where the stream was created, or where the first task of the set was spawned.
    pub(crate) created_at: &'static Location<'static>,
    /// When it was added, in milliseconds on the coarse clock. Set when it is added.
    pub(crate) since: u64,
    /// How many of its processes may run at once; `None` is no limit.
    pub(crate) max_concurrency: Option<usize>,
    /// How many items a stream has, if it is known.
    pub(crate) n_items: Option<usize>,
    pub(crate) counters: Arc<dyn GroupCounters>,
}

/// The counters of a stream or a task set.
pub(crate) trait GroupCounters: fmt::Debug + Send + Sync {
    /// Reads the counters. Called with no lock held, on any thread.
    fn counts(&self) -> GroupCounts;
}

/// What a stream or a task set has done so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct GroupCounts {
    pub(crate) started: usize,
    /// Running, or, in a stream, waiting for the next attempt.
    pub(crate) running: usize,
    pub(crate) succeeded: usize,
    pub(crate) failed: usize,
    /// How many attempts have exceeded the timeout of an item.
    pub(crate) timed_out: usize,
    pub(crate) retried: usize,
    pub(crate) abandoned: usize,
    /// Results that have arrived and were not taken. In a stream, as of the end of its last poll.
    pub(crate) buffered: usize,
}

/// Names a group of a runtime.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GroupKey {
    pub(crate) kind: GroupKind,
    pub(crate) index: usize,
}

impl Groups {
    /// Adds a group, and returns its index.
    pub(crate) fn add(&self, group: Group) -> usize {
        let mut state = self.lock();
        state.n_added += 1;
        let number = state.n_added;
        state.groups.insert(Group { number, ..group })
    }

    pub(crate) fn remove(&self, index: usize) {
        let removed = self.lock().groups.try_remove(index);
        // Dropped without the lock: the counters of a set hold results of users.
        drop(removed);
    }

    /// Returns all groups, the oldest first.
    pub(crate) fn all(&self) -> Vec<Group> {
        let mut groups: Vec<Group> = self.lock().groups.iter().map(|(_, group)| group.clone()).collect();
        groups.sort_unstable_by_key(|group| group.number);
        groups
    }

    fn lock(&self) -> MutexGuard<'_, GroupsState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! Where a process comes from: its callers, and the root process that it descends from.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::pid::Pid;

/// How many callers are recorded at most.
const MAX_CALLERS: usize = 32;

/// Where a process comes from. The processes that one process spawns share one value.
#[derive(Debug)]
pub(crate) struct Lineage {
    /// The root process, if the process descends from one.
    root: Option<Pid>,
    /// The spawner, the spawner's spawner, and so on.
    callers: Box<[Pid]>,
    /// Whether the spawner, or its supervisor, was put under another supervisor while it ran. The processes that the spawner spawns from then
    /// on may have another root. Relaxed, because a spawn at the same moment may still use this lineage.
    is_outdated: AtomicBool,
}

impl Lineage {
    /// Returns the lineage of the processes that `spawner` spawns. `lineage` is the lineage of `spawner` itself, and `root` the root
    /// process from which they descend.
    pub(crate) fn of_spawned(spawner: Pid, lineage: Option<&Lineage>, root: Option<Pid>) -> Arc<Lineage> {
        let callers = std::iter::once(spawner)
            .chain(lineage.iter().flat_map(|lineage| lineage.callers.iter().copied()))
            .take(MAX_CALLERS)
            .collect();
        Arc::new(Lineage { root, callers, is_outdated: AtomicBool::new(false) })
    }

    /// Records that the spawner, or its supervisor, was put under another supervisor. The processes that the spawner has already spawned keep
    /// this lineage.
    pub(crate) fn set_outdated(&self) {
        self.is_outdated.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_outdated(&self) -> bool {
        self.is_outdated.load(Ordering::Relaxed)
    }

    pub(crate) fn root(&self) -> Option<Pid> {
        self.root
    }

    pub(crate) fn callers(&self) -> &[Pid] {
        &self.callers
    }
}

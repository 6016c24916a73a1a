//! Where a process comes from: its callers, and the root process that it descends from.

use std::sync::Arc;

use crate::pid::Pid;

/// How many callers are recorded.
const MAX_CALLERS: usize = 32;

/// Where a process comes from. All processes that one process spawns share one value.
#[derive(Debug)]
pub(crate) struct Lineage {
    /// The root process, if the process descends from one.
    root: Option<Pid>,
    /// Nearest first.
    callers: Box<[Pid]>,
}

impl Lineage {
    /// Returns the lineage of the children of `parent`, whose own lineage is `lineage`. `is_root` says whether `parent` is
    /// a root process itself.
    pub(crate) fn of_children(parent: Pid, lineage: Option<&Lineage>, is_root: bool) -> Arc<Lineage> {
        let callers = std::iter::once(parent)
            .chain(lineage.iter().flat_map(|lineage| lineage.callers.iter().copied()))
            .take(MAX_CALLERS)
            .collect();
        let root = if is_root { Some(parent) } else { lineage.and_then(|lineage| lineage.root) };
        Arc::new(Lineage { root, callers })
    }

    pub(crate) fn root(&self) -> Option<Pid> {
        self.root
    }

    pub(crate) fn callers(&self) -> &[Pid] {
        &self.callers
    }
}

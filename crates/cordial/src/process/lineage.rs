//! Where a process comes from: its callers, and the root it belongs to.

use std::sync::Arc;

use crate::pid::Pid;

/// How many callers are remembered.
const REMEMBERED: usize = 32;

/// Where a process comes from. Shared by all that one process spawns.
#[derive(Debug)]
pub(crate) struct Lineage {
    /// The process that `run` started, if this one descends from it.
    root: Option<Pid>,
    /// Nearest first.
    callers: Box<[Pid]>,
}

impl Lineage {
    /// Of the children of `parent`, whose own lineage is `lineage`.
    pub(crate) fn of_children(parent: Pid, lineage: Option<&Lineage>, is_root: bool) -> Arc<Lineage> {
        let callers = std::iter::once(parent)
            .chain(lineage.iter().flat_map(|lineage| lineage.callers.iter().copied()))
            .take(REMEMBERED)
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

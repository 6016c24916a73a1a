//! The slot of a child in the registry of its parent. Most processes have no parent and so no slot.
//!
//! The parent, a supervisor, decides what a child is for and when it is restarted. This module holds only what the end of
//! a process needs: the slot is released before any other process is notified of the end.

use std::fmt;
use std::sync::Arc;

use super::serving::NextIncarnation;
use super::shutdown::Shutdown;
use crate::exit::Exit;
use crate::pid::Pid;

/// The parent of a child, and the settings of the child. Children with equal settings share one value.
#[derive(Clone, Debug)]
pub(crate) struct Parent {
    pub(crate) pid: Pid,
    /// The root process that the parent descends from, if it descends from one. It is also the root of the child and of the processes that
    /// the child spawns, even if a process of another root has started the child: the child ends with its supervisor.
    pub(crate) root: Option<Pid>,
    /// The id that the parent gave to the child, if it gave one.
    pub(crate) id: Option<Arc<str>>,
    /// The incarnation number of the child, from 1.
    pub(crate) incarnation: u32,
    /// How the parent stops the child.
    pub(crate) shutdown: Shutdown,
    pub(crate) children: Arc<dyn ChildRegistry>,
}

/// The registry in which a parent counts its children. Its functions are called with no lock held, on any thread that starts or
/// ends a child.
pub(crate) trait ChildRegistry: fmt::Debug + Send + Sync {
    /// Records that the child in slot `index` is in the process table from now on.
    fn registered(&self, index: u64, pid: Pid) -> Admission;

    /// Returns whether the parent was handed over, so that a child which has registered may descend from another root than its slot says.
    fn is_handed_over(&self) -> bool {
        false
    }

    /// Records that the child in slot `index` has ended. `exit` is `None` for a child that was never started.
    fn exited(&self, index: u64, exit: Option<&Exit>);

    /// Returns whether the child in slot `index`, whose end was recorded, is started again.
    fn next_incarnation(&self, index: u64) -> NextIncarnation;
}

/// Whether a parent admits new children.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    Open,
    /// The parent is stopping its children: a child that registers now is stopped as well.
    Closed,
    /// The parent was killed: a child that registers now is killed as well.
    Killed,
}

/// A child's slot in the registry of its parent. Dropping the slot releases it.
#[derive(Debug)]
pub(crate) struct ChildSlot {
    parent: Arc<Parent>,
    /// Twice the index, plus one while the slot is occupied: with a field of its own, that flag would take eight bytes in each entry.
    index_and_flag: u64,
}

impl ChildSlot {
    /// Creates the slot `index`, less than 2^63, which `parent` has reserved.
    pub(crate) fn new(parent: Arc<Parent>, index: u64) -> ChildSlot {
        ChildSlot { parent, index_and_flag: index << 1 | 1 }
    }

    pub(crate) fn parent(&self) -> &Arc<Parent> {
        &self.parent
    }

    pub(crate) fn index(&self) -> u64 {
        self.index_and_flag >> 1
    }

    /// Sets the root process that the parent descends from, because the parent was handed over.
    pub(crate) fn set_root(&mut self, root: Option<Pid>) {
        if self.parent.root != root {
            Arc::make_mut(&mut self.parent).root = root;
        }
    }

    /// Releases the slot: the child has ended with `exit`. Returns the parent and the index.
    pub(crate) fn release(mut self, exit: &Exit) -> (Arc<Parent>, u64) {
        self.index_and_flag &= !1;
        self.parent.children.exited(self.index(), Some(exit));
        (self.parent.clone(), self.index())
    }

    /// Gives up the slot without notifying the parent, which hands the child over to another parent. Returns the index.
    pub(crate) fn vacate(mut self) -> u64 {
        self.index_and_flag &= !1;
        self.index()
    }
}

impl Drop for ChildSlot {
    fn drop(&mut self) {
        if self.index_and_flag & 1 == 1 {
            self.parent.children.exited(self.index(), None);
        }
    }
}

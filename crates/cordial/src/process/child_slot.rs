//! Whose child a process is. Most have no parent; of those that have one, this is what the table remembers.
//!
//! The parent decides what a child is for and when it starts again. What is here is only what an end has to do: give up
//! its place, before anybody is told of the end.

use std::fmt;
use std::sync::Arc;

use super::stop::Shutdown;
use crate::exit::Exit;
use crate::pid::Pid;

/// What children that are alike have in common.
#[derive(Debug)]
pub(crate) struct Parent {
    pub(crate) pid: Pid,
    /// What the parent calls the child, if it has a name for it.
    pub(crate) id: Option<Arc<str>>,
    /// How many processes, this one included, have been this child. 1 for one that has no successors.
    pub(crate) incarnation: u32,
    /// How the parent ends it.
    pub(crate) shutdown: Shutdown,
    pub(crate) children: Arc<dyn ChildRegistry>,
}

/// Where a parent counts its children. Called with no lock held, from whatever thread starts or ends a child.
pub(crate) trait ChildRegistry: fmt::Debug + Send + Sync {
    /// The child in this place stands in the table now.
    fn registered(&self, index: u32, pid: Pid) -> Admission;

    /// The child in this place has ended, or, without an exit, was never started.
    fn exited(&self, index: u32, exit: Option<&Exit>);
}

/// Whether a parent takes children.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    Open,
    /// It ends all it has, so one that arrives has to end as well.
    Closed,
}

/// A child's place with its parent. Dropping it gives it up.
#[derive(Debug)]
pub(crate) struct ChildSlot {
    parent: Arc<Parent>,
    index: u32,
    is_occupied: bool,
}

impl ChildSlot {
    /// The place `index`, which `parent` keeps free for it.
    pub(crate) fn new(parent: Arc<Parent>, index: u32) -> ChildSlot {
        ChildSlot { parent, index, is_occupied: true }
    }

    pub(crate) fn parent(&self) -> &Arc<Parent> {
        &self.parent
    }

    pub(crate) fn index(&self) -> u32 {
        self.index
    }

    /// The child has ended.
    pub(crate) fn leave(mut self, exit: &Exit) {
        self.is_occupied = false;
        self.parent.children.exited(self.index, Some(exit));
    }
}

impl Drop for ChildSlot {
    fn drop(&mut self) {
        if self.is_occupied {
            self.parent.children.exited(self.index, None);
        }
    }
}

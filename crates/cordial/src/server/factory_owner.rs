//! Which supervisor starts the processes of a server: the owner of its factory.

use crate::pid::Pid;

/// Names one owner of the factory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct FactoryOwnerId(u64);

/// The present owner of the factory.
#[derive(Debug, Default)]
pub(super) struct FactoryOwner {
    last_id: u64,
    id: FactoryOwnerId,
    /// The supervisor of a tree, once the server is its child.
    parent: Option<Pid>,
    is_over: bool,
}

impl FactoryOwner {
    pub(super) fn next_id(&mut self) -> FactoryOwnerId {
        self.last_id += 1;
        FactoryOwnerId(self.last_id)
    }

    /// Makes `id` the owner.
    pub(super) fn begin(&mut self, id: FactoryOwnerId, parent: Option<Pid>) {
        *self = FactoryOwner { last_id: self.last_id, id, parent, is_over: false };
    }

    /// Ends the ownership of `id`. Returns whether the factory has no owner now.
    pub(super) fn end(&mut self, id: FactoryOwnerId) -> bool {
        if self.id == id {
            self.is_over = true;
        }
        self.is_over
    }

    pub(super) fn id(&self) -> FactoryOwnerId {
        self.id
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    /// Returns the supervisor to which the present owner belongs, if that owner is not `id`.
    pub(super) fn other_parent(&self, id: FactoryOwnerId) -> Option<Pid> {
        self.parent.filter(|_| self.id != id && !self.is_over)
    }
}

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
    /// The supervisor that has the server as a child, unless the owner is the supervisor that belongs to the server alone.
    parent: Option<Pid>,
    /// Whether this owner starts no further process.
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

    /// Makes `id`, which belongs to the supervisor `parent`, the owner, unless the result of [`other_parent`](FactoryOwner::other_parent)
    /// for `id` has changed since it was `other`. Returns whether `id` is the owner now.
    pub(super) fn begin_after(&mut self, other: Option<Pid>, id: FactoryOwnerId, parent: Pid) -> bool {
        let is_unchanged = self.other_parent(id) == other;
        if is_unchanged {
            self.begin(id, Some(parent));
        }
        is_unchanged
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

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    /// The bug was that two supervisors which started at the same time both got the server, and that two of its processes ran.
    #[test]
    fn an_owner_that_has_changed_since_it_was_checked_is_not_replaced() {
        let [first, second] = [1, 2].map(|index| Pid::new(NonZeroU32::MIN, index, 1));
        let mut owner = FactoryOwner::default();
        let own_supervisor = owner.next_id();
        owner.begin(own_supervisor, None);
        let (of_first, of_second) = (owner.next_id(), owner.next_id());
        let checked = owner.other_parent(of_second);
        assert!(owner.begin_after(None, of_first, first));
        assert!(!owner.begin_after(checked, of_second, second));
        assert_eq!((owner.id(), owner.other_parent(of_second)), (of_first, Some(first)));
        // Once the first supervisor has ended, the second one may get the server.
        assert!(owner.begin_after(Some(first), of_second, second));
    }
}

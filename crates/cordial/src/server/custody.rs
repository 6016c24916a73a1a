//! Who starts the processes of a server: the supervisor that holds its factory.

use crate::pid::Pid;

/// Names one holder of the factory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct CustodyId(u64);

/// Who holds the factory at present.
#[derive(Debug, Default)]
pub(super) struct Custody {
    last_id: u64,
    id: CustodyId,
    /// The supervisor, if the server was handed over to it.
    parent: Option<Pid>,
    is_over: bool,
}

impl Custody {
    pub(super) fn next_id(&mut self) -> CustodyId {
        self.last_id += 1;
        CustodyId(self.last_id)
    }

    /// Makes `id` the holder.
    pub(super) fn begin(&mut self, id: CustodyId, parent: Option<Pid>) {
        *self = Custody { last_id: self.last_id, id, parent, is_over: false };
    }

    /// Ends the custody of `id`. Returns whether the factory has no holder now.
    pub(super) fn end(&mut self, id: CustodyId) -> bool {
        if self.id == id {
            self.is_over = true;
        }
        self.is_over
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    /// Returns the supervisor that another holder belongs to.
    pub(super) fn other_parent(&self, id: CustodyId) -> Option<Pid> {
        self.parent.filter(|_| self.id != id && !self.is_over)
    }
}

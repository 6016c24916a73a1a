//! A task, for the layer above.

use std::fmt;
use std::sync::Arc;

use crate::table::Key;
use crate::task::alarm::Alarm;
use crate::task::header::Header;
use crate::task::runnable::Runnable;
use crate::task::schedule::{self, Placement};

/// A reference to a task, for the layer above.
///
/// After the task has ended, another task of the same executor may use its header. Then [`wake`](TaskRef::wake) is a
/// spurious wake-up of that other task, and the other methods are about that task, except those that take a key.
#[derive(Clone)]
pub struct TaskRef(Arc<Header<Runnable>>);

/// The result of [`TaskRef::take_woken`]. If that took the task out of its slot, the task is queued when this is dropped.
#[must_use = "dropping it under a lock keeps the lock longer"]
pub struct Woken(Option<Runnable>);

impl TaskRef {
    pub(crate) fn new(header: Arc<Header<Runnable>>) -> TaskRef {
        TaskRef(header)
    }

    pub(crate) fn alarm(&self) -> &Alarm {
        &self.0.alarm
    }

    /// Returns whether both refer to the same header.
    pub(crate) fn is_same(&self, other: &TaskRef) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Wakes the task: it is polled once more.
    pub fn wake(&self) {
        schedule::wake(&self.0);
    }

    /// Leaves this reference for the end of the task, which would otherwise count a new one. Must be called in the poll
    /// in which the task ends.
    #[inline]
    pub fn leave(self) {
        schedule::leave_reference(self.0);
    }

    /// Wakes the task in two steps. The first is this call, which is short and can be made under a lock. The second is to drop what it
    /// returns, which may wake a thread, and needs no reference to the task.
    #[inline]
    pub fn take_woken(&self) -> Woken {
        Woken(self.0.owner.take())
    }

    /// Marks that the task has to end, if it is the task of `key`: a task that uses the header
    /// later is not marked. The caller must then call [`wake`](TaskRef::wake); the next poll sees the mark.
    #[inline]
    pub fn mark_ending(&self, key: Key) {
        self.0.mark_ending(key);
    }

    /// Returns whether the task was marked by [`mark_ending`](TaskRef::mark_ending).
    #[inline]
    #[must_use]
    pub fn is_ending(&self) -> bool {
        self.0.is_ending()
    }

    /// Marks that sysmon has found the task in a poll, if it is the task of `key`.
    #[inline]
    pub fn mark_sampled(&self, key: Key) {
        self.0.mark_sampled(key);
    }

    /// Returns whether the task was marked by [`mark_sampled`](TaskRef::mark_sampled), and removes the mark. A hint: the mark may be set
    /// after the poll in which sysmon found the task.
    #[inline]
    #[must_use]
    pub fn take_sampled(&self) -> bool {
        self.0.take_sampled()
    }

    /// Returns the key of the task.
    ///
    /// # Panics
    ///
    /// Never: a header is given a key before there is a reference to it.
    #[inline]
    #[must_use]
    pub fn key(&self) -> Key {
        self.0.key()
    }

    /// Returns how many polls of the task have begun. Wraps.
    #[must_use]
    pub fn polls(&self) -> u32 {
        self.0.owner.n_polls()
    }

    /// Returns how many polls of the task have woken the task itself. Wraps.
    #[must_use]
    pub fn self_wakes(&self) -> u32 {
        self.0.join.n_self_wakes()
    }

    /// Returns whether the task waits to be woken: it is in no queue and in no poll, and has not ended. A hint: may be
    /// outdated at once, and is false while another thread uses the slot of the task.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.0.owner.is_waiting()
    }
}

impl fmt::Debug for TaskRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskRef").finish_non_exhaustive()
    }
}

impl Drop for Woken {
    #[inline]
    fn drop(&mut self) {
        if let Some(task) = self.0.take() {
            schedule::queue(task, Placement::Next);
        }
    }
}

impl fmt::Debug for Woken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Woken").finish_non_exhaustive()
    }
}

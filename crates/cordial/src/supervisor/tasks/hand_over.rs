//! Handing the only child of a task supervisor over to another supervisor, while the child runs or waits for its restart.

use super::handle::TaskSupervisor;
use crate::process::{Admission, ChildSlot};
use crate::supervisor::server_child::Adopted;

impl TaskSupervisor {
    /// Prevents the restart of the restartable child, and all other starts, so that another supervisor can start the child. Returns a
    /// function that drops the factory of the child, and stops this supervisor. Returns `None`, and does nothing, if the child is running
    /// or is being started.
    pub(crate) fn close_while_waiting(&self) -> Option<impl FnOnce() + use<>> {
        let (tasks, children) = (self.clone(), self.shared().children());
        let removed = match &children {
            Some(children) => children.restartable.close_while_waiting()?,
            None => Vec::new(),
        };
        Some(move || {
            if let Some(children) = children {
                children.restartable.release(removed);
            }
            tasks.request_stop();
        })
    }

    /// Moves the restartable child to the slot of another supervisor, and stops this supervisor. If no process of the child is
    /// running, the slot is returned, and no further process is started. A process that was abandoned does not count as running: it may
    /// never end its poll.
    pub(crate) fn hand_over_child(&self, slot: ChildSlot) -> Adopted {
        let shared = self.shared();
        let Some(children) = shared.children() else { return Adopted::NotRunning(slot) };
        children.close(Admission::Closed);
        // A thread that is starting a process needs only a few more steps to enter it into the table.
        while children.is_starting() {
            std::hint::spin_loop();
        }
        let mut slot = Some(slot);
        let mut adopted = None;
        for pid in children.pids() {
            let runtime = shared.runtime();
            // If the process has ended in the meantime, the slot is not taken.
            let left =
                runtime.with(pid, |entry| slot.take_if(|_| !entry.is_abandoned()).and_then(|slot| entry.move_to(slot)));
            if let Some(left) = left.flatten() {
                children.restartable.remove_handed_over(left.vacate());
                adopted = Some(Adopted::Running(pid));
            }
        }
        shared.incarnations.request_stop();
        adopted.or_else(|| slot.map(Adopted::NotRunning)).expect("if no process took the slot, it is left")
    }
}

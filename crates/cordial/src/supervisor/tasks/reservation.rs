//! A slot for one more child of a task supervisor: taken at once, or reserved after a wait.

use std::sync::Arc;

use super::child_limit::ChildPermit;
use super::children::TaskChildren;
use super::shared::TasksShared;
use crate::exit::Refusal;
use crate::process::ChildSlot;

/// The permit to start one temporary child under the incarnation for which it was reserved.
pub(crate) struct Reservation {
    children: Arc<TaskChildren>,
    permit: ChildPermit,
}

impl Reservation {
    /// Takes a slot for the child. Refused if the incarnation is stopping or has ended.
    pub(super) fn slot(self) -> Result<ChildSlot, Refusal> {
        let slot = self.children.slot()?;
        self.permit.forget();
        Ok(slot)
    }
}

impl TasksShared {
    /// Takes a slot for a temporary child, unless the supervisor is full, is stopping or has ended.
    pub(super) fn slot(&self) -> Result<ChildSlot, Refusal> {
        self.runtime().refuse_forked()?;
        let slot = self.with_children(|children| {
            let children = children.ok_or(Refusal::SupervisorStopped)?;
            let permit = children.limit.try_acquire()?;
            let slot = children.slot()?;
            permit.forget();
            Ok(slot)
        });
        slot.map_err(|refusal| self.refine_refusal(refusal))
    }

    /// Waits while the supervisor is full, and reserves room for one child.
    pub(super) async fn reserve(&self) -> Result<Reservation, Refusal> {
        self.runtime().refuse_forked()?;
        let refine = |refusal| self.refine_refusal(refusal);
        let children = self.children().ok_or(Refusal::SupervisorStopped).map_err(refine)?;
        let permit = children.limit.clone().acquire().await.map_err(refine)?;
        Ok(Reservation { children, permit })
    }
}

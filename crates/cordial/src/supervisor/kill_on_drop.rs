//! The last resort: kills the children of a supervisor whose future is dropped before it has stopped them, for example
//! because its own code panicked. Without it, the children would run on without a supervisor.

/// Calls a function when it is dropped, unless it was disarmed.
pub(super) struct KillOnDrop<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> KillOnDrop<F> {
    /// `kill_children` must neither wait nor panic: it may run while a panic unwinds.
    pub(super) fn new(kill_children: F) -> KillOnDrop<F> {
        KillOnDrop(Some(kill_children))
    }

    /// Drops the function without a call: the children have been stopped.
    pub(super) fn disarm(mut self) {
        self.0 = None;
    }
}

impl<F: FnOnce()> Drop for KillOnDrop<F> {
    fn drop(&mut self) {
        if let Some(kill_children) = self.0.take() {
            kill_children();
        }
    }
}

//! Whether a child is started again after it has exited. Pure.

/// Whether a child is started again after it has exited, unless its supervisor has stopped it.
///
/// # Elixir
///
/// The `restart` value of a child specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// Always.
    Permanent,
    /// After an abnormal exit: any but [`Exit::Normal`](crate::Exit::Normal) and
    /// [`Exit::Shutdown`](crate::Exit::Shutdown).
    Transient,
    /// Never. The supervisor removes the child when it has exited.
    Temporary,
}

/// What a supervisor does with a child that has exited, unless the supervisor has stopped it.
#[must_use = "the child is still in the table of its supervisor"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RestartDecision {
    /// Start it again.
    Restart,
    /// Keep its specification, without a process.
    Keep,
    /// Remove it.
    Remove,
}

impl Restart {
    /// Decides what happens to a child with this policy.
    pub(super) fn decide(self, is_abnormal: bool) -> RestartDecision {
        match self {
            Restart::Permanent => RestartDecision::Restart,
            Restart::Transient if is_abnormal => RestartDecision::Restart,
            Restart::Transient => RestartDecision::Keep,
            Restart::Temporary => RestartDecision::Remove,
        }
    }
}

#[cfg(test)]
mod tests;

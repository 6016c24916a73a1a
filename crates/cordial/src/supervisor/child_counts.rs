//! How many children a supervisor has.

/// How many children a supervisor has.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChildCounts {
    /// All children, with or without a process.
    pub specs: usize,
    /// The children that are running. A child that is restarting is not counted, nor, under a
    /// [`Supervisor`](crate::Supervisor), a child that is starting.
    pub active: usize,
    /// The children that are supervisors.
    pub supervisors: usize,
    /// The children that are not supervisors.
    pub workers: usize,
}

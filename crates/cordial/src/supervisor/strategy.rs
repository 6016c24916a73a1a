//! Which children a restart stops and starts, and in which order. Pure.
//!
//! ```text
//!  children in start order: A B C D. B has crashed:
//!
//!                  stops      starts
//!  one_for_one                B
//!  one_for_all     D, C, A    A, B, C, D
//!  rest_for_one    D, C       B, C, D
//! ```

use super::restart::Restart;
use crate::process::SupervisorKind;

/// Which children a supervisor restarts when one of them has to be started again. If the restart stops a temporary sibling of that
/// child, the sibling is removed and not started again.
///
/// # Elixir
///
/// The option `:strategy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// That child alone.
    OneForOne,
    /// All children: those that run are stopped in reverse start order, then all are started in
    /// start order.
    OneForAll,
    /// That child and all children after it: those that run are stopped in reverse start order,
    /// then all of them are started in start order.
    RestForOne,
}

impl Strategy {
    pub(super) fn kind(self) -> SupervisorKind {
        match self {
            Strategy::OneForOne => SupervisorKind::OneForOne,
            Strategy::OneForAll => SupervisorKind::OneForAll,
            Strategy::RestForOne => SupervisorKind::RestForOne,
        }
    }
}

/// The steps of one restart. Children are given by their index in start order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// The children to stop, in this order, if they are running. The temporary children among them
    /// are then removed.
    pub(super) stop: Vec<usize>,
    /// The children to start, in this order. They include those that had exited earlier or were terminated.
    pub(super) start: Vec<usize>,
}

/// Plans the restart of the child at index `exited`, which has exited or has failed to start. `children` are in start order.
pub(super) fn plan(strategy: Strategy, children: &[Restart], exited: usize) -> Plan {
    let group = match strategy {
        Strategy::OneForOne => exited..exited + 1,
        Strategy::OneForAll => 0..children.len(),
        Strategy::RestForOne => exited..children.len(),
    };
    Plan {
        stop: group.clone().rev().filter(|child| *child != exited).collect(),
        start: group.filter(|child| *child == exited || children[*child] != Restart::Temporary).collect(),
    }
}

#[cfg(test)]
mod tests;

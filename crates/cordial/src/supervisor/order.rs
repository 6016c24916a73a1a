//! Who is stopped and who is started when a child has to be started again, and in which order. Pure.
//!
//! ```text
//!                  A   B   C   D         B has crashed
//!  one_for_one         B
//!  one_for_all     D, C, A are stopped, then A, B, C, D started
//!  rest_for_one        D, C are stopped, then B, C, D started
//! ```

use super::spec::Restart;

/// Whom a supervisor starts again when a child has ended that has to run.
///
/// # Elixir
///
/// The option `:strategy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// That child.
    OneForOne,
    /// All children: those that run are stopped, in reverse start order, then all are started in order.
    OneForAll,
    /// That child and those after it: those that run are stopped, in reverse start order, then all of these are started in
    /// order.
    RestForOne,
}

impl Strategy {
    pub(super) fn name(self) -> &'static str {
        match self {
            Strategy::OneForOne => "one_for_one",
            Strategy::OneForAll => "one_for_all",
            Strategy::RestForOne => "rest_for_one",
        }
    }
}

/// When a child that has ended is started again.
#[must_use = "a child that has ended is started again or not"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is started again.
    Restarts,
    /// It has done what it was there for; its specification stays.
    Stays,
    /// It is forgotten.
    Forgotten,
}

/// What becomes of a child that has ended by itself.
pub(super) fn fate(restart: Restart, is_abnormal: bool) -> Fate {
    match restart {
        Restart::Permanent => Fate::Restarts,
        Restart::Transient if is_abnormal => Fate::Restarts,
        Restart::Transient => Fate::Stays,
        Restart::Temporary => Fate::Forgotten,
    }
}

/// What a restart takes. Children are named by their place in start order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// To be stopped, if they run, in this order. Temporary ones are forgotten then.
    pub(super) stop: Vec<usize>,
    /// To be started, in this order, also those that had ended before or were stopped by hand.
    pub(super) start: Vec<usize>,
}

/// The child `ended` has to be started again: what about `children`, which stand in start order?
pub(super) fn plan(strategy: Strategy, children: &[Restart], ended: usize) -> Plan {
    let group = match strategy {
        Strategy::OneForOne => ended..ended + 1,
        Strategy::OneForAll => 0..children.len(),
        Strategy::RestForOne => ended..children.len(),
    };
    Plan {
        stop: group.clone().rev().filter(|child| *child != ended).collect(),
        start: group.filter(|child| *child == ended || children[*child] != Restart::Temporary).collect(),
    }
}

#[cfg(test)]
mod tests;

//! What a process inherits from the code that spawns it: values by key, and a deadline.
//!
//! ```text
//!  Scope ──► values: innermost ─► … ─► outermost     each key at most once
//!      └──► deadline: the earliest of all scopes
//! ```
//!
//! A spawn copies the pointer to the open `Scope` into the new process. If no scope is open, the new process starts without a scope.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use cordial_sched::Instant;

use super::discard::discard_in_place;

/// The values and the deadline that the code in the scope can read.
#[derive(Clone, Debug)]
pub(crate) struct Scope(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    values: Option<Arc<ValueNode>>,
    deadline: Option<ScopeDeadline>,
}

/// The deadline of a scope, and the limit that set it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ScopeDeadline {
    pub(crate) at: Instant,
    pub(crate) limit: Duration,
}

/// Where a value can be read outside of the process that set it: only in processes that are spawned in its scope, or also in the handlers
/// of messages that are sent in its scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    Spawns,
    SpawnsAndCalls,
}

/// Any user value.
type Value = Arc<dyn Any + Send + Sync>;

#[derive(Debug)]
struct ValueNode {
    /// The address of the key.
    key: usize,
    /// `None` only while the node is dropped.
    value: Option<Value>,
    reach: Reach,
    outer: Option<Arc<ValueNode>>,
}

/// Catches a panic of the destructor of the value, because the last owner of the node may drop the node in code that must not unwind.
impl Drop for ValueNode {
    fn drop(&mut self) {
        discard_in_place(&mut self.value);
    }
}

impl ValueNode {
    /// Returns the list without the value of `key`, because a new value of this key is about to replace it. If replaced values stayed in
    /// the list, the list would grow with each task of a chain in which each task opens a scope and starts the next task in it.
    fn without(values: &Arc<ValueNode>, key: usize) -> Option<Arc<ValueNode>> {
        if values.key == key {
            return values.outer.clone();
        }
        if std::iter::successors(Some(values), |node| node.outer.as_ref()).all(|node| node.key != key) {
            return Some(values.clone());
        }
        let outer = values.outer.as_ref().and_then(|outer| ValueNode::without(outer, key));
        Some(Arc::new(ValueNode { key: values.key, value: values.value.clone(), reach: values.reach, outer }))
    }
}

impl Scope {
    fn new(values: Option<Arc<ValueNode>>, deadline: Option<ScopeDeadline>) -> Scope {
        Scope(Arc::new(Inner { values, deadline }))
    }

    /// Creates a scope within `outer`, with one more value.
    pub(crate) fn with_value(outer: Option<&Scope>, key: usize, value: Value, reach: Reach) -> Scope {
        let values = outer.and_then(|outer| outer.0.values.as_ref());
        let value = Some(value);
        let node = ValueNode { key, value, reach, outer: values.and_then(|values| ValueNode::without(values, key)) };
        Scope::new(Some(Arc::new(node)), outer.and_then(Scope::deadline))
    }

    /// Creates a scope within `outer`, with a deadline: `deadline`, or that of `outer` if it is not later.
    pub(crate) fn with_deadline(outer: Option<&Scope>, deadline: ScopeDeadline) -> Scope {
        let earlier = outer.and_then(Scope::deadline).filter(|outer| outer.at <= deadline.at);
        Scope::new(outer.and_then(|outer| outer.0.values.clone()), Some(earlier.unwrap_or(deadline)))
    }

    /// Returns a scope with the values of this scope but without its deadline, for a process that may outlive the code in this scope.
    /// `None` if there are no values.
    pub(crate) fn without_deadline(self) -> Option<Scope> {
        match (&self.0.values, self.0.deadline) {
            (None, _) => None,
            (Some(_), None) => Some(self),
            (Some(values), Some(_)) => Some(Scope::new(Some(values.clone()), None)),
        }
    }

    /// Returns the scope in which a server handles a message that was sent in this scope. It is within the scope of the server, and adds
    /// the values of this scope that messages carry. `None` if this scope has no such values.
    pub(crate) fn in_server(&self, server: Option<&Scope>) -> Option<Scope> {
        let nodes = std::iter::successors(self.0.values.as_ref(), |node| node.outer.as_ref());
        let carried: Vec<&Arc<ValueNode>> = nodes.filter(|node| node.reach == Reach::SpawnsAndCalls).collect();
        let (innermost, others) = carried.split_first()?;
        let open = |scope: Option<&Scope>, node: &ValueNode| {
            let value = node.value.clone().expect("the node is not dropped");
            Scope::with_value(scope, node.key, value, node.reach)
        };
        let mut scope = server.cloned();
        for node in others.iter().rev() {
            scope = Some(open(scope.as_ref(), node));
        }
        Some(open(scope.as_ref(), innermost))
    }

    /// Returns whether this scope has a value that messages carry.
    pub(crate) fn is_carried(&self) -> bool {
        let mut nodes = std::iter::successors(self.0.values.as_ref(), |node| node.outer.as_ref());
        nodes.any(|node| node.reach == Reach::SpawnsAndCalls)
    }

    pub(crate) fn deadline(&self) -> Option<ScopeDeadline> {
        self.0.deadline
    }

    /// Returns the innermost value of a key.
    pub(crate) fn value(&self, key: usize) -> Option<Value> {
        let mut nodes = std::iter::successors(self.0.values.as_ref(), |node| node.outer.as_ref());
        nodes.find(|node| node.key == key).and_then(|node| node.value.clone())
    }
}

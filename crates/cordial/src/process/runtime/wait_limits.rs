//! The limits of waits: each is capped by the deadline of the scope in which the running code is.

use std::time::Duration;

use super::context::{current_scope, is_in_scope, with_current_runtime};
use crate::exit::{LimitSource, NamedLimit};
use crate::process::scope::ScopeDeadline;
use crate::timeout::Timeout;

/// Returns a limit of a wait that begins now, capped by the deadline of the scope in which the running code is.
#[inline]
pub(crate) fn capped(limit: Timeout) -> Timeout {
    if is_in_scope() { capped_in_scope(limit) } else { limit }
}

#[cold]
fn capped_in_scope(limit: Timeout) -> Timeout {
    let Some(left) = left_of_scope().map(|(_, left)| left) else { return limit };
    match limit {
        Timeout::After(limit) => Timeout::After(limit.min(left)),
        Timeout::Infinity => Timeout::After(left),
    }
}

/// Returns the deadline of the scope in which the running code is, and the time that is left until the deadline.
fn left_of_scope() -> Option<(ScopeDeadline, Duration)> {
    let deadline = current_scope()?.deadline()?;
    let now = with_current_runtime(|runtime| runtime.executor().now());
    Some((deadline, deadline.at.saturating_duration_since(now)))
}

/// Returns the limit that the error of an elapsed wait names: the limit of the scope if the deadline of the scope has passed, or else
/// `limit`, the limit of the wait.
pub(crate) fn named_limit(limit: Timeout) -> NamedLimit {
    let of_wait = as_duration(limit);
    match left_of_scope() {
        Some((deadline, Duration::ZERO)) => NamedLimit::new(deadline.limit, LimitSource::Scope),
        _ => of_wait.into(),
    }
}

/// Returns two limits for a wait that begins now: `limit`, capped by the deadline of the scope, and the limit that the error of the wait
/// will name. The error names the limit of the scope if the deadline of the scope comes first, or else `limit`.
#[inline]
pub(crate) fn limits_of_new_wait(limit: Timeout) -> (Timeout, NamedLimit) {
    if is_in_scope() { limits_in_scope(limit) } else { (limit, as_duration(limit).into()) }
}

#[cold]
fn limits_in_scope(limit: Timeout) -> (Timeout, NamedLimit) {
    let of_wait = as_duration(limit);
    match left_of_scope() {
        Some((deadline, left)) if left < of_wait => {
            (Timeout::After(left), NamedLimit::new(deadline.limit, LimitSource::Scope))
        }
        _ => (limit, of_wait.into()),
    }
}

fn as_duration(limit: Timeout) -> Duration {
    match limit {
        Timeout::After(limit) => limit,
        Timeout::Infinity => Duration::MAX,
    }
}

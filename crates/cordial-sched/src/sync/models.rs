//! What the loom models of this crate have in common.

use std::sync::atomic::{AtomicUsize as Count, Ordering::Relaxed};

/// Runs a model in all interleavings with at most this many preemptions. Most models of three or more threads have too many
/// interleavings to run all of them.
pub(crate) fn check(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(model);
}

pub(crate) fn count(outcome: &Count) {
    outcome.fetch_add(1, Relaxed);
}

/// Panics if one of these outcomes was reached in no run of a model. Without this check, a model in which
/// no thread ever sleeps would pass without a test of a wake-up.
#[track_caller]
pub(crate) fn assert_reached<const N: usize>(outcomes: [(&str, &Count); N]) {
    for (name, outcome) in outcomes {
        assert!(outcome.load(Relaxed) > 0, "never reached: {name}");
    }
}

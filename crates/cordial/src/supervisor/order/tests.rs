use proptest::prelude::*;

use super::*;

fn a_restart() -> impl proptest::strategy::Strategy<Value = Restart> {
    prop_oneof![Just(Restart::Permanent), Just(Restart::Transient), Just(Restart::Temporary)]
}

fn a_strategy() -> impl proptest::strategy::Strategy<Value = super::Strategy> {
    prop_oneof![Just(super::Strategy::OneForOne), Just(super::Strategy::OneForAll), Just(super::Strategy::RestForOne)]
}

/// A supervisor as Elixir's documentation tells it: a list of children, one of which ends.
fn model(strategy: super::Strategy, children: &[Restart], ended: usize) -> (Vec<usize>, Vec<usize>) {
    let mut running: Vec<usize> = (0..children.len()).collect();
    running.retain(|child| *child != ended);
    let (mut stopped, mut started) = (vec![], vec![]);
    let is_concerned = |child: usize| match strategy {
        super::Strategy::OneForOne => child == ended,
        super::Strategy::OneForAll => true,
        super::Strategy::RestForOne => child >= ended,
    };
    while let Some(latest) = running.pop() {
        if is_concerned(latest) {
            stopped.push(latest);
        }
    }
    for (child, restart) in children.iter().enumerate() {
        if is_concerned(child) && (child == ended || *restart != Restart::Temporary) {
            started.push(child);
        }
    }
    (stopped, started)
}

proptest! {
    #[test]
    fn a_plan_is_that_of_the_model(
        strategy in a_strategy(),
        children in prop::collection::vec(a_restart(), 1..8),
        ended: prop::sample::Index,
    ) {
        let ended = ended.index(children.len());
        let Plan { stop, start } = plan(strategy, &children, ended);
        prop_assert_eq!((stop, start), model(strategy, &children, ended));
    }

    #[test]
    fn stops_go_backward_and_starts_forward(
        strategy in a_strategy(),
        children in prop::collection::vec(a_restart(), 1..8),
        ended: prop::sample::Index,
    ) {
        let plan = plan(strategy, &children, ended.index(children.len()));
        prop_assert!(plan.stop.is_sorted_by(|a, b| a > b));
        prop_assert!(plan.start.is_sorted_by(|a, b| a < b));
    }
}

#[test]
fn who_is_started_again() {
    for (restart, normal, abnormal) in [
        (Restart::Permanent, Fate::Restarts, Fate::Restarts),
        (Restart::Transient, Fate::Stays, Fate::Restarts),
        (Restart::Temporary, Fate::Forgotten, Fate::Forgotten),
    ] {
        assert_eq!((fate(restart, false), fate(restart, true)), (normal, abnormal), "{restart:?}");
    }
}

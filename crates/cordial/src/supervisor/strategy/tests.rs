use proptest::prelude::*;

use super::*;

fn any_restart() -> impl proptest::strategy::Strategy<Value = Restart> {
    prop_oneof![Just(Restart::Permanent), Just(Restart::Transient), Just(Restart::Temporary)]
}

fn any_strategy() -> impl proptest::strategy::Strategy<Value = super::Strategy> {
    prop_oneof![Just(super::Strategy::OneForOne), Just(super::Strategy::OneForAll), Just(super::Strategy::RestForOne)]
}

/// The strategies as Elixir's documentation describes them: a list of running children, one of which exits.
fn model(strategy: super::Strategy, children: &[Restart], exited: usize) -> (Vec<usize>, Vec<usize>) {
    let mut running: Vec<usize> = (0..children.len()).collect();
    running.retain(|child| *child != exited);
    let (mut stopped, mut started) = (vec![], vec![]);
    let is_in_group = |child: usize| match strategy {
        super::Strategy::OneForOne => child == exited,
        super::Strategy::OneForAll => true,
        super::Strategy::RestForOne => child >= exited,
    };
    while let Some(latest) = running.pop() {
        if is_in_group(latest) {
            stopped.push(latest);
        }
    }
    for (child, restart) in children.iter().enumerate() {
        if is_in_group(child) && (child == exited || *restart != Restart::Temporary) {
            started.push(child);
        }
    }
    (stopped, started)
}

proptest! {
    #[test]
    fn the_plan_equals_that_of_the_model(
        strategy in any_strategy(),
        children in prop::collection::vec(any_restart(), 1..8),
        exited: prop::sample::Index,
    ) {
        let exited = exited.index(children.len());
        let Plan { stop, start } = plan(strategy, &children, exited);
        prop_assert_eq!((stop, start), model(strategy, &children, exited));
    }

    #[test]
    fn stops_go_backward_and_starts_forward(
        strategy in any_strategy(),
        children in prop::collection::vec(any_restart(), 1..8),
        exited: prop::sample::Index,
    ) {
        let plan = plan(strategy, &children, exited.index(children.len()));
        prop_assert!(plan.stop.is_sorted_by(|a, b| a > b));
        prop_assert!(plan.start.is_sorted_by(|a, b| a < b));
    }
}

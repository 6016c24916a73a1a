use super::*;

const LOOK: Duration = Duration::from_millis(1);

/// How many looks it takes until a stand-in comes; `None` if none does in a hundred.
fn looks_until_a_stand_in(n_done_in_each: u64, n_waiting: usize, n_stuck: usize) -> Option<u32> {
    let mut shortage = StarvationDetector::none(4 * LOOK);
    (0..100).find(|&look| {
        let n_done = n_done_in_each;
        shortage.look(&Observation { now: LOOK * look, passed: LOOK, n_done, n_waiting, n_active: 2, n_stuck })
    })
}

#[test]
fn a_stand_in_comes_at_once_where_nobody_works() {
    assert_eq!(looks_until_a_stand_in(0, 1, 2), Some(0));
}

#[test]
fn where_somebody_works_it_comes_after_a_while() {
    for (n_done, n_waiting) in [(0, 1), (20, 10), (999, 1), (5000, 20_001)] {
        assert_eq!(looks_until_a_stand_in(n_done, n_waiting, 1), Some(4), "{n_done} done, {n_waiting} waiting");
    }
}

#[test]
fn none_comes_for_what_is_done_soon() {
    for (n_done, n_waiting) in [(5000, 1), (5000, 20_000)] {
        assert_eq!(looks_until_a_stand_in(n_done, n_waiting, 1), None, "{n_done} done, {n_waiting} waiting");
    }
}

#[test]
fn none_comes_where_nobody_is_stuck_or_nothing_waits() {
    assert_eq!(looks_until_a_stand_in(0, 1, 0), None);
    assert_eq!(looks_until_a_stand_in(0, 0, 2), None);
}

#[test]
fn the_wait_begins_anew_when_nothing_waits() {
    let mut shortage = StarvationDetector::none(4 * LOOK);
    let mut look = |look: u32, n_waiting| {
        shortage.look(&Observation { now: LOOK * look, passed: LOOK, n_done: 0, n_waiting, n_active: 2, n_stuck: 1 })
    };
    assert!((0..4).all(|at| !look(at, 1)));
    assert!(!look(4, 0));
    assert!((5..9).all(|at| !look(at, 1)));
    assert!(look(9, 1));
}

use super::*;

const ROUND: Duration = Duration::from_millis(1);

/// Returns after how many rounds a stand-in comes; `None` if none does in a hundred.
fn rounds_until_a_stand_in(n_finished: u64, n_waiting: usize, n_stuck: usize) -> Option<u32> {
    let mut detector = StarvationDetector::new(4 * ROUND);
    (0..100).find(|&round| {
        detector.observe(&Observation {
            now: ROUND * round,
            elapsed: ROUND,
            n_finished,
            n_waiting,
            n_active: 2,
            n_stuck,
        })
    })
}

#[test]
fn a_stand_in_comes_at_once_if_all_workers_are_stuck() {
    assert_eq!(rounds_until_a_stand_in(0, 1, 2), Some(0));
}

#[test]
fn a_stand_in_comes_after_stall_after_if_a_worker_makes_progress() {
    for (n_finished, n_waiting) in [(0, 1), (20, 10), (999, 1), (5000, 20_001)] {
        let rounds = rounds_until_a_stand_in(n_finished, n_waiting, 1);
        assert_eq!(rounds, Some(4), "{n_finished} finished, {n_waiting} waiting");
    }
}

#[test]
fn no_stand_in_comes_for_tasks_that_are_taken_soon() {
    for (n_finished, n_waiting) in [(5000, 1), (5000, 20_000)] {
        let rounds = rounds_until_a_stand_in(n_finished, n_waiting, 1);
        assert_eq!(rounds, None, "{n_finished} finished, {n_waiting} waiting");
    }
}

#[test]
fn no_stand_in_comes_if_no_worker_is_stuck_or_no_task_waits() {
    assert_eq!(rounds_until_a_stand_in(0, 1, 0), None);
    assert_eq!(rounds_until_a_stand_in(0, 0, 2), None);
}

#[test]
fn the_wait_starts_again_after_a_round_in_which_no_task_waits() {
    let mut detector = StarvationDetector::new(4 * ROUND);
    let mut observe = |round: u32, n_waiting| {
        let now = ROUND * round;
        detector.observe(&Observation { now, elapsed: ROUND, n_finished: 0, n_waiting, n_active: 2, n_stuck: 1 })
    };
    assert!((0..4).all(|round| !observe(round, 1)));
    assert!(!observe(4, 0));
    assert!((5..9).all(|round| !observe(round, 1)));
    assert!(observe(9, 1));
}

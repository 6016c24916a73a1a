use super::Rings;
use crate::view::Point;

fn point(second: u64, live: u64) -> Point {
    Point { at_ms: 1_000_000 + second * 1000, live, workers: vec![0.5], ..Point::default() }
}

#[test]
fn the_rings_keep_ten_minutes_and_six_hours() {
    let mut rings = Rings::new();
    (0..30_000).for_each(|second| rings.push(&point(second, second)));
    let history = rings.view();
    assert_eq!((history.seconds.live.len(), history.ten_seconds.live.len()), (600, 2160));
    assert_eq!(history.seconds.live.last(), Some(&Some(29_999.0)));
    assert_eq!(history.seconds.first_at_ms, 1_000_000 + (30_000 - 600) * 1000);
    assert_eq!(history.ten_seconds.live.last(), Some(&Some(29_995.0)), "the mean of the last ten, rounded");
    assert_eq!(rings.n_dropped(), 0);
    assert_eq!(rings.newest().unwrap().live, 29_999);
}

#[test]
fn a_second_that_was_missed_is_null_and_counted() {
    let mut rings = Rings::new();
    for second in [0, 1, 5, 6] {
        rings.push(&point(second, 1));
    }
    let seconds = rings.view().seconds;
    assert_eq!(seconds.live, [Some(1.0), Some(1.0), None, None, None, Some(1.0), Some(1.0)]);
    assert_eq!(seconds.workers, [[Some(0.5), Some(0.5), None, None, None, Some(0.5), Some(0.5)]]);
    assert_eq!((seconds.first_at_ms, rings.n_dropped()), (1_000_000, 3));
    assert_eq!(rings.newest_first().count(), 2, "up to the gap");
}

#[test]
fn a_tick_that_is_late_by_some_milliseconds_is_no_gap() {
    let mut rings = Rings::new();
    for at_ms in [1000, 2004, 2999, 4010] {
        rings.push(&Point { at_ms, ..Point::default() });
    }
    assert_eq!((rings.view().seconds.live.len(), rings.n_dropped()), (4, 0));
}

#[test]
fn late_ticks_move_no_point_and_are_no_gaps() {
    let mut rings = Rings::new();
    // Each third tick is late by 0.6 s, and the next one is on time.
    for second in 0..600 {
        let late_ms = if second % 3 == 1 { 600 } else { 0 };
        rings.push(&Point { at_ms: 1_000_000 + second * 1000 + late_ms, live: second, ..Point::default() });
    }
    let history = rings.view();
    assert_eq!((history.seconds.first_at_ms, history.seconds.live.len(), rings.n_dropped()), (1_000_000, 600, 0));
    assert_eq!(history.seconds.live.first(), Some(&Some(0.0)));
    assert_eq!((history.ten_seconds.first_at_ms, history.ten_seconds.live.len()), (1_009_000, 60));
}

#[test]
fn a_first_tick_that_is_late_moves_no_other_point() {
    for late_ms in [100, 400, 700, 990] {
        let mut rings = Rings::new();
        rings.push(&Point { at_ms: 1_000_000 + late_ms, ..Point::default() });
        (1..10).for_each(|second| rings.push(&point(second, second)));
        let seconds = rings.view().seconds;
        let last_at_ms = seconds.first_at_ms + (seconds.live.len() as u64 - 1) * 1000;
        assert_eq!((last_at_ms, rings.n_dropped()), (1_009_000, 0), "{late_ms}");
    }
}

#[test]
fn a_tick_that_is_late_by_nearly_a_second_moves_no_point() {
    let mut rings = Rings::new();
    for at_ms in [1000, 2990, 3000, 4000] {
        rings.push(&Point { at_ms, ..Point::default() });
    }
    let seconds = rings.view().seconds;
    assert_eq!((seconds.first_at_ms, seconds.live.len()), (1000, 4));
    assert_eq!((seconds.live.iter().flatten().count(), rings.n_dropped()), (4, 0), "no tick was lost");

    let mut rings = Rings::new();
    for at_ms in [1000, 2990, 3990, 4990] {
        rings.push(&Point { at_ms, ..Point::default() });
    }
    assert_eq!(rings.n_dropped(), 1, "the tick that was due at 2000 was lost");
}

#[test]
fn a_gap_of_a_day_fills_the_rings_with_nothing() {
    let mut rings = Rings::new();
    rings.push(&point(0, 1));
    rings.push(&point(86_400, 2));
    let history = rings.view();
    assert_eq!((history.seconds.live.len(), history.seconds.live.iter().flatten().count()), (600, 1));
    assert_eq!((history.ten_seconds.live.len(), history.ten_seconds.live.iter().flatten().count()), (2160, 0));
    assert_eq!(rings.n_dropped(), 86_399);
}

#[test]
fn an_hour_that_was_missed_is_an_hour_in_both_rings() {
    let mut rings = Rings::new();
    (0..20).for_each(|second| rings.push(&point(second, 1)));
    (3615..3620).for_each(|second| rings.push(&point(second, 2)));
    let ten_seconds = rings.view().ten_seconds;
    let measured: Vec<usize> = (0..ten_seconds.live.len()).filter(|index| ten_seconds.live[*index].is_some()).collect();
    assert_eq!((ten_seconds.live.len(), measured), (362, vec![0, 1, 361]));
    assert_eq!(ten_seconds.first_at_ms, 1_000_000 + 9 * 1000, "the end of the first 10 seconds");

    let mut rings = Rings::new();
    rings.push(&point(0, 1));
    rings.push(&point(15, 1));
    assert_eq!(rings.view().ten_seconds.first_at_ms, 1_000_000 + 9 * 1000, "they have ended 6 s ago");
}

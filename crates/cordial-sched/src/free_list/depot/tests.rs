use super::*;

/// Takes all idle values. Returns how many there were.
fn take_all_idle(depot: &mut Depot<u32>) -> usize {
    std::iter::from_fn(|| Some(depot.take_idle(7).len()).filter(|n_taken| *n_taken > 0)).sum()
}

fn depot_of_100() -> Depot<u32> {
    let mut depot = Depot::default();
    depot.put(0..100);
    depot
}

#[test]
fn values_that_are_taken_between_two_trims_stay() {
    let mut depot = depot_of_100();
    for _ in 0..3 {
        depot.begin_trim();
        assert_eq!(take_all_idle(&mut depot), 0);
        let taken: Vec<u32> = depot.take(100).collect();
        depot.put(taken);
    }
}

#[test]
fn values_that_are_not_taken_between_two_trims_are_idle() {
    let mut depot = depot_of_100();
    depot.begin_trim();
    let taken: Vec<u32> = depot.take(30).collect();
    assert_eq!(taken, (70..100).collect::<Vec<u32>>());
    depot.put(taken);
    depot.begin_trim();
    assert_eq!(take_all_idle(&mut depot), 70);
    assert_eq!(depot.len(), 30);
    depot.begin_trim();
    assert_eq!(take_all_idle(&mut depot), 30);
    assert_eq!(depot.len(), 0);
}

#[test]
fn values_that_are_put_after_a_trim_began_are_not_idle_at_the_next_trim() {
    let mut depot = depot_of_100();
    depot.begin_trim();
    depot.put(100..150);
    depot.begin_trim();
    assert_eq!(take_all_idle(&mut depot), 100);
    assert!(depot.take(1000).eq(100..150));
}

#[test]
fn values_that_are_taken_during_a_trim_are_not_idle() {
    let mut depot = depot_of_100();
    depot.begin_trim();
    depot.begin_trim();
    assert_eq!(depot.take_idle(40), (0..40).collect::<Vec<u32>>());
    assert_eq!(depot.take(1000).count(), 60);
    depot.put(0..100);
    assert_eq!(take_all_idle(&mut depot), 0);
}

#[test]
fn half_of_one_value_is_that_value() {
    let mut depot = Depot::default();
    assert!(depot.take_half().is_empty());
    depot.put([7]);
    assert_eq!(depot.take_half(), [7]);
}

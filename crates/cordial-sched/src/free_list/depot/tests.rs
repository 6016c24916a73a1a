use super::*;

/// Trims all idle values. Returns how many there were.
fn trim_all(depot: &mut Depot<u32>) -> usize {
    std::iter::from_fn(|| Some(depot.next_to_trim(7).len()).filter(|n_trimmed| *n_trimmed > 0)).sum()
}

fn depot_of_100() -> Depot<u32> {
    let mut depot = Depot::default();
    depot.put(0..100);
    depot
}

#[test]
fn values_that_are_taken_between_two_trims_are_not_trimmed() {
    let mut depot = depot_of_100();
    for _ in 0..3 {
        depot.begin_trim();
        assert_eq!(trim_all(&mut depot), 0);
        let taken = depot.take(100);
        depot.put(taken);
    }
}

#[test]
fn values_that_are_not_taken_between_two_trims_are_trimmed_once() {
    let mut depot = depot_of_100();
    depot.begin_trim();
    let taken = depot.take(30);
    assert_eq!(taken, (70..100).collect::<Vec<u32>>());
    depot.put(taken);
    depot.begin_trim();
    assert_eq!(trim_all(&mut depot), 70);
    depot.begin_trim();
    assert_eq!(trim_all(&mut depot), 30, "70 were trimmed before");
    depot.begin_trim();
    assert_eq!(trim_all(&mut depot), 0);
}

#[test]
fn a_value_that_was_taken_and_put_back_can_be_trimmed_again() {
    let mut depot = depot_of_100();
    depot.begin_trim();
    depot.begin_trim();
    assert_eq!(trim_all(&mut depot), 100);
    let taken = depot.take(60);
    depot.put(taken);
    depot.begin_trim();
    depot.begin_trim();
    assert_eq!(trim_all(&mut depot), 60);
}

#[test]
fn values_that_are_taken_during_a_trim_are_not_trimmed() {
    let mut depot = depot_of_100();
    depot.begin_trim();
    depot.begin_trim();
    assert_eq!(depot.next_to_trim(40).len(), 40);
    assert_eq!(depot.take(1000).len(), 100);
    depot.put(0..100);
    assert_eq!(trim_all(&mut depot), 0);
}

#[test]
fn half_of_one_value_is_that_value() {
    let mut depot = Depot::default();
    assert!(depot.take_half().is_empty());
    depot.put([7]);
    assert_eq!(depot.take_half(), [7]);
}

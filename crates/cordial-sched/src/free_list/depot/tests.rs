use super::*;

/// Strips all that is to be stripped, and says how many that were.
fn strip_all(shelf: &mut Depot<u32>) -> usize {
    std::iter::from_fn(|| Some(shelf.strip(7).len()).filter(|n_stripped| *n_stripped > 0)).sum()
}

#[test]
fn what_is_needed_between_two_quiets_is_kept() {
    let mut shelf = Depot::new();
    shelf.put(0..100);
    for _ in 0..3 {
        shelf.fall_quiet();
        assert_eq!(strip_all(&mut shelf), 0);
        let taken = shelf.take(100);
        shelf.put(taken);
    }
}

#[test]
fn what_nobody_has_needed_between_two_quiets_is_stripped_once() {
    let mut shelf = Depot::new();
    shelf.put(0..100);
    shelf.fall_quiet();
    let taken = shelf.take(30);
    assert_eq!(taken, (70..100).collect::<Vec<u32>>());
    shelf.put(taken);
    shelf.fall_quiet();
    assert_eq!(strip_all(&mut shelf), 70);
    shelf.fall_quiet();
    assert_eq!(strip_all(&mut shelf), 30, "the others are bare already");
    shelf.fall_quiet();
    assert_eq!(strip_all(&mut shelf), 0);
}

#[test]
fn what_was_taken_and_put_back_is_not_bare() {
    let mut shelf = Depot::new();
    shelf.put(0..100);
    shelf.fall_quiet();
    shelf.fall_quiet();
    assert_eq!(strip_all(&mut shelf), 100);
    let taken = shelf.take(60);
    shelf.put(taken);
    shelf.fall_quiet();
    shelf.fall_quiet();
    assert_eq!(strip_all(&mut shelf), 60);
}

#[test]
fn what_is_taken_meanwhile_is_left_alone() {
    let mut shelf = Depot::new();
    shelf.put(0..100);
    shelf.fall_quiet();
    shelf.fall_quiet();
    assert_eq!(shelf.strip(40).len(), 40);
    assert_eq!(shelf.take(1000).len(), 100);
    shelf.put(0..100);
    assert_eq!(strip_all(&mut shelf), 0);
}

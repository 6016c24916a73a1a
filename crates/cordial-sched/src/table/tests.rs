use super::*;

#[test]
fn a_key_leads_to_its_value_until_the_value_is_removed() {
    let table = Table::new(2);
    let key = table.reserve().unwrap();
    assert_eq!(table.with(key, |v: &mut i32| *v), None, "a reserved slot has no value yet");
    table.occupy(key, || 7);
    assert_eq!(table.with(key, |v| *v), Some(7));
    assert_eq!(table.remove(key), Some(7));
    assert_eq!(table.remove(key), None);
    assert!(table.is_empty());
}

#[test]
fn a_slot_is_used_again_but_its_key_is_not() {
    let table = Table::new(1);
    let first = table.reserve().unwrap();
    table.occupy(first, || "first");
    table.remove(first);
    let second = table.reserve().unwrap();
    table.occupy(second, || "second");
    assert_eq!(first.index(), second.index());
    assert_eq!(table.with(first, |v| *v), None);
    assert_eq!(table.with(second, |v| *v), Some("second"));
}

#[test]
fn a_slot_that_has_used_up_its_generations_is_retired() {
    let table = Table::new(1);
    let key = table.reserve().unwrap();
    table.occupy(key, || ());
    table.slot(key.index).unwrap().generation.store(u32::MAX, Ordering::Relaxed);
    table.remove(Key { index: key.index, generation: NonZeroU32::MAX });
    assert_ne!(table.reserve().unwrap().index(), key.index);
}

#[test]
fn with_both_gives_both_values_in_the_order_of_its_arguments() {
    let table = Table::new(1);
    let (a, b) = (table.reserve().unwrap(), table.reserve().unwrap());
    table.occupy(a, || 'a');
    table.occupy(b, || 'b');
    let pair = |x, y| table.with_both(Some(x), Some(y), |x, y| (x.copied(), y.copied()));
    assert_eq!(pair(a, b), (Some('a'), Some('b')));
    assert_eq!(pair(b, a), (Some('b'), Some('a')));
    table.remove(b);
    assert_eq!(pair(a, b), (Some('a'), None));
    let c = table.reserve().unwrap();
    table.occupy(c, || 'c');
    assert_eq!(b.index(), c.index());
    assert_eq!((pair(b, c), pair(c, b)), ((None, Some('c')), (Some('c'), None)), "one slot, two keys");
    assert_eq!(table.with_both(None, Some(a), |x, y| (x.copied(), y.copied())), (None, Some('a')));
}

#[test]
fn slots_that_another_thread_frees_are_used_again() {
    let table = Table::new(2);
    for _ in 0..100 {
        let keys: Vec<Key> = (0..SLOTS).map(|_| table.reserve().unwrap()).collect();
        keys.iter().for_each(|&key| table.occupy(key, || ()));
        std::thread::scope(|scope| {
            scope.spawn(|| keys.iter().for_each(|&key| assert!(table.remove(key).is_some())));
        });
    }
    assert!(table.n_pages.load(Ordering::Relaxed) < 8);
    assert!(table.is_empty());
}

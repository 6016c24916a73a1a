use super::*;

/// How many values the allocated pages have room for.
fn capacity<T>(slab: &PagedSlab<T>) -> usize {
    slab.pages.iter().map(Slab::capacity).sum()
}

#[test]
fn the_memory_of_a_burst_is_freed_in_whatever_order_its_values_go() {
    let n = 10 * PAGE;
    let shuffled = |key: usize| key * 7919 % n;
    let orders: [fn(usize, usize) -> usize; 2] = [|key, _| key, |key, n| n - 1 - key];
    for order in orders
        .iter()
        .map(|order| (0..n).map(|key| order(key, n)).collect())
        .chain([(0..n).map(shuffled).collect::<Vec<_>>()])
    {
        let mut slab = PagedSlab::default();
        let keys: Vec<_> = (0..n).map(|value| slab.insert(value)).collect();
        assert_eq!(capacity(&slab), n);
        for value in order {
            assert_eq!(slab.remove(keys[value]), Some(value));
        }
        assert_eq!(slab.iter().count(), 0);
        assert!(capacity(&slab) <= PAGE, "{}", capacity(&slab));
    }
}

#[test]
fn values_that_stay_keep_their_keys_and_their_pages_alone() {
    let mut slab = PagedSlab::default();
    let keys: Vec<_> = (0..10 * PAGE).map(|value| slab.insert(value)).collect();
    let stays = |value: usize| value == 3 * PAGE + 5 || value == 9 * PAGE;
    slab.retain(|value| stays(*value));
    assert_eq!(slab.iter().copied().collect::<Vec<_>>(), [3 * PAGE + 5, 9 * PAGE]);
    // Their pages, and the first page with room.
    assert!(capacity(&slab) <= 3 * PAGE, "{}", capacity(&slab));
    for (value, key) in keys.into_iter().enumerate() {
        assert_eq!(slab.get(key), stays(value).then_some(&value));
        assert_eq!(slab.remove(key), stays(value).then_some(value));
    }
    assert!(capacity(&slab) <= PAGE);
}

#[test]
fn the_room_of_low_pages_is_used_first() {
    let mut slab = PagedSlab::default();
    let keys: Vec<_> = (0..4 * PAGE).map(|value| slab.insert(value)).collect();
    for value in [3 * PAGE + 1, 2 * PAGE + 1, 1] {
        slab.remove(keys[value]);
    }
    assert_eq!([7, 8, 9, 10].map(|value| slab.insert(value)), [1, 2 * PAGE + 1, 3 * PAGE + 1, 4 * PAGE]);
}

#[test]
fn a_value_that_comes_and_goes_allocates_nothing() {
    let mut slab = PagedSlab::default();
    for value in 0..PAGE {
        slab.insert(value);
    }
    let key = slab.insert(0);
    for _ in 0..3 {
        slab.remove(key);
        assert_eq!(capacity(&slab), 2 * PAGE);
        assert_eq!(slab.insert(0), key);
    }
}

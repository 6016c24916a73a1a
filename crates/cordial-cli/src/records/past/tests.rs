use std::time::Duration;

use tokio::time::Instant;

use super::*;

fn record(number: u64, item: &str, is_success: bool) -> PastRecord {
    PastRecord { number, key: ItemKey::new(item.as_bytes()), is_success, command: None }
}

/// Returns, for each item of a run, the number of its record, negative if the item is run.
fn numbers(past: &mut PastRun, items: &[&str]) -> Vec<i64> {
    let number = |(n, item): (usize, &&str)| {
        let (index, key) = (n as u64 + 1, ItemKey::new(item.as_bytes()));
        match past.claim(index, key, false) {
            Some(record) => record.number as i64,
            None => -(past.new_number(index, key) as i64),
        }
    };
    items.iter().enumerate().map(number).collect()
}

#[test]
fn items_find_their_records_wherever_they_are_in_the_list() {
    for (records, items, expected, n_unclaimed) in [
        (&[][..], &["a", "b"][..], &[-1, -2][..], 0),
        (&[(1, "a"), (2, "b")], &["a", "b", "c"], &[1, 2, -3], 0),
        (&[(1, "a"), (3, "c")], &["a", "b", "c"], &[1, -2, 3], 0),
        // The order has changed.
        (&[(1, "a"), (2, "b")], &["b", "a"], &[2, 1], 0),
        // Items were inserted: 1 to 3 have records, and 4 is given to the first new item.
        (&[(1, "a"), (2, "b"), (3, "c")], &["x", "a", "b", "y", "c", "z"], &[-4, 1, 2, -5, 3, -6], 0),
        // Items were removed.
        (&[(1, "a"), (2, "b"), (3, "c")], &["b"], &[2], 2),
        (&[(1, "a"), (2, "b")], &["c", "d"], &[-3, -4], 2),
        // Of several records, each is kept for the item with its number, if there is one.
        (&[(2, "a"), (3, "a")], &["a", "a", "a"], &[-1, 2, 3], 0),
        (&[(1, "a"), (2, "b"), (3, "b")], &["b", "b"], &[2, 3], 1),
        // Each record counts once.
        (&[(2, "a")], &["a", "a", "a"], &[2, -1, -3], 0),
        (&[(1, "a"), (3, "a")], &["a", "b", "a", "a"], &[1, -2, 3, -4], 0),
        (&[(1, "a"), (2, "a"), (9, "a")], &["b", "a", "a", "a", "a"], &[-10, 2, 1, 9, -5], 0),
    ] {
        let records = records.iter().map(|(number, item)| record(*number, item, true)).collect();
        let mut past = PastRun::new(records);
        assert_eq!((numbers(&mut past, items).as_slice(), past.n_unclaimed()), (expected, n_unclaimed), "{items:?}");
    }
}

#[test]
fn numbers_are_never_given_twice() {
    fastrand::seed(7);
    for _ in 0..300 {
        let names = ["a", "b", "c", "d", "e"];
        let mut list: Vec<&str> = (0..fastrand::usize(0..12)).map(|_| names[fastrand::usize(0..5)]).collect();
        let mut log: Vec<PastRecord> = Vec::new();
        let mut latest: HashMap<u64, ItemKey> = HashMap::new();
        for _ in 0..4 {
            let mut past = PastRun::new(log.clone());
            for (n, number) in numbers(&mut past, &list).into_iter().enumerate() {
                // Half of the items end before the run is killed.
                if number < 0 && fastrand::bool() {
                    let new = record(number.unsigned_abs(), list[n], true);
                    assert_eq!(latest.insert(new.number, new.key), None, "{list:?} {log:?}");
                    log.push(new);
                }
            }
            fastrand::shuffle(&mut list);
            list.insert(fastrand::usize(0..=list.len()), names[fastrand::usize(0..5)]);
        }
    }
}

#[test]
fn a_later_record_replaces_an_earlier_one_with_the_same_number() {
    let mut past = PastRun::new(vec![record(2, "a", false), record(1, "b", true), record(2, "a", true)]);
    assert_eq!(past.claim(1, ItemKey::new(b"a"), false), Some(record(2, "a", true)));
    assert_eq!(past.claim(5, ItemKey::new(b"a"), false), None);
    assert_eq!(past.first_unclaimed(), Some(record(1, "b", true)));
}

#[test]
fn many_new_occurrences_of_a_recorded_item_do_not_search_all_its_records() {
    const RECORDS: u64 = 60_000;
    let mut past = PastRun::new((1..=RECORDS).map(|number| record(number, "a", true)).collect());
    let items = vec!["a"; 2 * RECORDS as usize];
    let started = Instant::now();
    let numbers = numbers(&mut past, &items);
    // The searches would take minutes.
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    assert_eq!((numbers[0], numbers[RECORDS as usize]), (1, -(RECORDS as i64) - 1));
    assert_eq!(past.n_unclaimed(), 0);
}

use std::cell::RefCell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::LocalKey;

use super::*;

/// A value that adds one to the count of its maker when it is disposed of.
struct Counted {
    n_disposed: Arc<AtomicUsize>,
    list: FreeListRef<Counted>,
}

impl Recycle for Counted {
    fn magazine() -> &'static LocalKey<RefCell<Magazine<Counted>>> {
        thread_local!(static MAGAZINE: RefCell<Magazine<Counted>> = const { RefCell::new(Magazine::new()) });
        &MAGAZINE
    }

    fn dispose(self) {
        self.n_disposed.fetch_add(1, Ordering::SeqCst);
    }
}

/// Makes batches, and counts the values made and disposed of.
#[derive(Default)]
struct Maker {
    n_made: AtomicUsize,
    n_disposed: Arc<AtomicUsize>,
}

impl Maker {
    fn take(&self, list: &FreeList<Counted>, n: usize) -> Vec<Counted> {
        let make = || {
            self.n_made.fetch_add(BATCH, Ordering::SeqCst);
            let value = || Counted { n_disposed: self.n_disposed.clone(), list: list.downgrade() };
            Some(std::iter::repeat_with(value).take(BATCH).collect())
        };
        (0..n).filter_map(|_| list.take(make)).collect()
    }
}

fn give(value: Counted) {
    FreeListRef::give(value, |value| &value.list);
}

#[test]
fn what_was_given_back_is_taken_before_new_values_are_made() {
    let (list, maker) = (FreeList::new(3), Maker::default());
    for n in [1, 31, 32, 33, 500] {
        let values = maker.take(&list, n);
        assert_eq!(values.len(), n);
        values.into_iter().for_each(|value| list.give(value));
    }
    assert_eq!(maker.n_made.load(Ordering::SeqCst), 512);
}

#[test]
fn values_that_are_taken_here_and_given_back_there_come_back() {
    let (list, maker) = (FreeList::new(2), Maker::default());
    for _ in 0..100 {
        let values = maker.take(&list, 256);
        std::thread::scope(|scope| {
            scope.spawn(|| values.into_iter().for_each(give));
        });
    }
    assert!(maker.n_made.load(Ordering::SeqCst) <= 1024);
}

#[test]
fn every_value_is_disposed_of_once_the_list_is_gone_wherever_it_was() {
    let (list, maker) = (FreeList::new(2), Maker::default());
    // In the magazine of this thread and in the depots, in use, and in the magazine of a thread that outlives the list.
    let mut values = maker.take(&list, 200);
    let in_use = values.split_off(150);
    values.into_iter().for_each(give);
    let elsewhere = maker.take(&list, 10);
    std::thread::scope(|scope| {
        let (begins, has_begun) = std::sync::mpsc::channel();
        let (ends, may_end) = std::sync::mpsc::channel::<()>();
        let thread = scope.spawn(move || {
            elsewhere.into_iter().for_each(give);
            begins.send(()).unwrap();
            let _ = may_end.recv();
        });
        has_begun.recv().unwrap();
        drop(list);
        drop(ends);
        // Unlike the end of the scope, this waits for the magazine of the thread.
        thread.join().unwrap();
    });
    in_use.into_iter().for_each(give);
    // The magazine of this thread serves the next list.
    let next = FreeList::new(1);
    drop(maker.take(&next, 1));
    drop(next);
    let n_made = maker.n_made.load(Ordering::SeqCst);
    // Of the batch of the next list, one value was dropped here, and the others are still in the magazine.
    assert_eq!(maker.n_disposed.load(Ordering::SeqCst), n_made - BATCH);
}

#[test]
fn a_thread_uses_the_depots_of_a_second_list() {
    let (first, second, maker) = (FreeList::new(1), FreeList::new(1), Maker::default());
    let of_first = maker.take(&first, 1);
    for _ in 0..100 {
        let of_second = maker.take(&second, 3);
        of_second.into_iter().for_each(|value| second.give(value));
    }
    drop(of_first);
    assert_eq!(maker.n_made.load(Ordering::SeqCst), 2 * BATCH);
    drop(second);
    assert_eq!(maker.n_disposed.load(Ordering::SeqCst), BATCH, "none of them is in a magazine");
}

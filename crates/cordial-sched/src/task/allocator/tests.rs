use std::num::NonZeroU32;
use std::task::Waker;

use super::*;
use crate::task::future::Delivery;

fn key() -> Key {
    Key::new(1, NonZeroU32::MIN)
}

/// Runs a task that finishes in its first poll. Returns the address of its header, and its waker.
fn run_task(tasks: &TaskAllocator) -> (usize, Waker) {
    let mut task = tasks.allocate(key());
    let address = std::ptr::from_ref(task.header()).addr();
    let (wakers, kept) = std::sync::mpsc::channel();
    let future = std::future::poll_fn(move |cx| {
        let _ = wakers.send(cx.waker().clone());
        std::task::Poll::Ready(())
    });
    task.fill(future, Delivery::Discard);
    assert!(task.poll().is_ready());
    task.finish(Delivery::Discard);
    (address, kept.recv().expect("sent by the poll"))
}

/// One test, because all tests of a program share the retired headers.
#[test]
fn a_header_is_given_to_another_executor_when_no_waker_to_it_is_left() {
    let first = TaskAllocator::new(HeaderReuse::Eager);
    let (address, waker) = run_task(&first);
    assert_eq!(run_task(&first).0, address, "the same executor uses it again at once");
    drop(first);

    let addresses_of = |tasks: &TaskAllocator, n_batches| {
        let taken: Vec<Runnable> = (0..n_batches * BATCH).map(|_| tasks.allocate(key())).collect();
        let addresses: Vec<usize> = taken.iter().map(|task| std::ptr::from_ref(task.header()).addr()).collect();
        taken.into_iter().for_each(Runnable::retire);
        addresses
    };
    let second = TaskAllocator::new(HeaderReuse::Eager);
    let addresses = addresses_of(&second, 10);
    assert!(!addresses.contains(&address), "a waker is left");
    drop(second);
    drop(waker);
    let third = TaskAllocator::new(HeaderReuse::Eager);
    let reused = addresses_of(&third, 20);
    assert!(reused.contains(&address), "no waker is left");
    assert!(addresses.iter().all(|address| reused.contains(address)), "nothing leaks");

    let exact = TaskAllocator::new(HeaderReuse::Exact);
    let (address, waker) = run_task(&exact);
    assert_ne!(run_task(&exact).0, address, "a waker is left");
    drop(waker);
    let task = exact.allocate(key());
    let address = std::ptr::from_ref(task.header()).addr();
    task.retire();
    assert_eq!(std::ptr::from_ref(exact.allocate(key()).header()).addr(), address, "no waker was left");
}

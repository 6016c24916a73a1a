use std::num::NonZeroU32;
use std::sync::{Arc, Weak};
use std::task::Waker;

use super::*;
use crate::task::future::OutputSink;
use crate::task::header::Header;

fn key() -> Key {
    Key::new(1, NonZeroU32::MIN)
}

/// Runs a task that finishes in its first poll. Returns the address of its header, and its waker.
fn run_task(tasks: &TaskAllocator) -> (usize, Waker) {
    let mut task = tasks.allocate(key());
    let address = address_of(&task);
    let (wakers, kept) = std::sync::mpsc::channel();
    let future = std::future::poll_fn(move |cx| {
        let _ = wakers.send(cx.waker().clone());
        std::task::Poll::Ready(())
    });
    task.fill(&mut Some(future), OutputSink::Discard);
    assert!(task.poll().is_ready());
    task.finish(OutputSink::Discard, None);
    (address, kept.recv().expect("sent by the poll"))
}

fn address_of(task: &Runnable) -> usize {
    std::ptr::from_ref::<Header<Runnable>>(task.header()).addr()
}

#[test]
fn a_header_is_used_again_by_the_same_executor_only() {
    let first = TaskAllocator::new(HeaderReuse::Eager);
    let (address, waker) = run_task(&first);
    assert_eq!(run_task(&first).0, address, "the same executor uses it again at once");
    drop(first);

    // The waker keeps the header, so that its address is not used again.
    let second = TaskAllocator::new(HeaderReuse::Eager);
    let tasks: Vec<Runnable> = (0..300).map(|_| second.allocate(key())).collect();
    assert!(!tasks.iter().any(|task| address_of(task) == address));
    tasks.into_iter().for_each(Runnable::retire);
    waker.wake();
}

#[test]
fn a_header_is_used_again_exactly_if_no_waker_to_it_is_left() {
    let tasks = TaskAllocator::new(HeaderReuse::Exact);
    let (address, waker) = run_task(&tasks);
    assert_ne!(run_task(&tasks).0, address, "a waker is left");
    drop(waker);
    let task = tasks.allocate(key());
    let address = address_of(&task);
    task.retire();
    assert_eq!(address_of(&tasks.allocate(key())), address, "no waker was left");
}

#[test]
fn tasks_that_are_not_used_for_long_are_freed() {
    let tasks = TaskAllocator::new(HeaderReuse::Eager);
    let in_use: Vec<Runnable> = (0..2 * FEW).map(|_| tasks.allocate(key())).collect();
    let headers: Vec<Weak<Header<Runnable>>> = in_use.iter().map(|task| Arc::downgrade(task.header())).collect();
    let n_kept = || headers.iter().filter(|header| header.strong_count() > 0).count();
    in_use.into_iter().for_each(Runnable::retire);

    let now = crate::timeout::Instant::now().into_std();
    assert_eq!(tasks.trim(now, || true), Some(KEPT_FOR));
    assert_eq!(tasks.trim(now + KEPT_FOR / 4, || true), Some(KEPT_FOR * 3 / 4), "not again so soon");
    assert_eq!(n_kept(), 2 * FEW);
    assert_eq!(tasks.trim(now + KEPT_FOR, || false), Some(KEPT_FOR));
    assert_eq!(n_kept(), 2 * FEW, "it is not quiet");
    assert_eq!(tasks.trim(now + 2 * KEPT_FOR, || true), None);
    assert!(n_kept() < 2 * BATCH, "the magazine of this thread keeps the others");
}

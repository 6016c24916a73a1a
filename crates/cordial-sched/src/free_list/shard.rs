//! Which of several shards a thread uses.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Returns which of `shards` shards the calling thread uses. Threads are numbered in the order of their first calls, and
/// spread over the shards by their numbers.
///
/// # Panics
///
/// If `shards` is zero.
pub fn shard_of_this_thread(shards: usize) -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local!(static NUMBER: Cell<Option<usize>> = const { Cell::new(None) });
    let number = NUMBER.get().unwrap_or_else(|| {
        // Relaxed: nothing else is published with the number.
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        NUMBER.set(Some(number));
        number
    });
    number % shards
}

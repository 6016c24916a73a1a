//! Which of several shards a thread uses.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Which of `shards` shards is that of the calling thread. Threads are numbered in the order in which they first ask, and
/// spread over the shards by their numbers.
///
/// # Panics
///
/// If `shards` is zero.
pub fn shard_of_this_thread(shards: usize) -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local!(static NUMBER: Cell<Option<usize>> = const { Cell::new(None) });
    let number = NUMBER.get().unwrap_or_else(|| {
        // Relaxed: only the number counts.
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        NUMBER.set(Some(number));
        number
    });
    number % shards
}

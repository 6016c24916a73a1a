//! The indexes that nobody has: a stock of each thread, and shards behind them.
//!
//! ```text
//!  take ◄── stock of the thread ◄── 32 at a time ── its shard ◄── half of another shard, or a new page
//!  give ──► stock of the thread ── 32, when it has 64 ──► its shard
//! ```
//!
//! So most tasks come and go without a lock. A thread has a stock of one table only, the first that it met and that is
//! still there; of others it uses the shards. When it ends, its stock goes back.

use std::cell::{Cell, RefCell};
use std::sync::{Arc, Weak};

use crossbeam_utils::CachePadded;

use crate::sync::{Mutex, Ordering};

/// How many change between a stock and a shard.
const BATCH: usize = 32;

thread_local!(static MAGAZINE: RefCell<Magazine> = const { RefCell::new(Magazine { of: Weak::new(), indexes: Vec::new() }) });

/// The free indexes of one table.
#[derive(Debug)]
pub(super) struct Free {
    shards: Arc<Shards>,
}

#[derive(Debug)]
struct Shards(Box<[CachePadded<Mutex<Vec<u32>>>]>);

/// The free indexes that only one thread can take.
struct Magazine {
    of: Weak<Shards>,
    indexes: Vec<u32>,
}

impl Free {
    pub(super) fn new(threads: usize) -> Free {
        Free { shards: Arc::new(Shards((0..threads.max(1)).map(|_| CachePadded::default()).collect())) }
    }

    /// An index for the caller alone. `new_page` makes more of them.
    pub(super) fn take(&self, new_page: impl Fn() -> Option<Vec<u32>>) -> Option<u32> {
        // Where the thread ends, its stock is gone before its last tasks are.
        let from_stock = MAGAZINE.try_with(|stock| {
            let mut stock = stock.borrow_mut();
            if !stock.serves(&self.shards) {
                return None;
            }
            if stock.indexes.is_empty() {
                stock.indexes = self.take_batch(&new_page)?;
            }
            stock.indexes.pop()
        });
        match from_stock {
            Ok(Some(index)) => Some(index),
            _ => {
                let mut batch = self.take_batch(&new_page)?;
                let index = batch.pop();
                self.shards.own().lock().extend(batch);
                index
            }
        }
    }

    /// Takes an index back.
    pub(super) fn give(&self, index: u32) {
        let to_stock = MAGAZINE.try_with(|stock| {
            let mut stock = stock.borrow_mut();
            if !stock.serves(&self.shards) {
                return false;
            }
            stock.indexes.push(index);
            if stock.indexes.len() >= 2 * BATCH {
                let surplus = stock.indexes.drain(..BATCH);
                self.shards.own().lock().extend(surplus);
            }
            true
        });
        if to_stock != Ok(true) {
            self.shards.own().lock().push(index);
        }
    }

    /// From the shard of this thread, else from a neighbor that has some, else from a new page.
    fn take_batch(&self, new_page: &impl Fn() -> Option<Vec<u32>>) -> Option<Vec<u32>> {
        let last = |free: &mut Vec<u32>| free.split_off(free.len().saturating_sub(BATCH));
        let own = last(&mut self.shards.own().lock());
        if !own.is_empty() {
            return Some(own);
        }
        let mut found = self.shards.half_of_a_neighbor().or_else(new_page)?;
        let batch = last(&mut found);
        self.shards.own().lock().extend(found);
        Some(batch)
    }
}

impl Shards {
    fn own(&self) -> &Mutex<Vec<u32>> {
        &self.0[shard_of_this_thread(self.0.len())]
    }

    /// Tasks that start on one thread and end on another would otherwise ask for new pages without end.
    fn half_of_a_neighbor(&self) -> Option<Vec<u32>> {
        let own = shard_of_this_thread(self.0.len());
        (1..self.0.len()).find_map(|step| {
            let mut neighbor = self.0[(own + step) % self.0.len()].lock();
            let rest = neighbor.len() / 2;
            let half = neighbor.split_off(rest);
            (!half.is_empty()).then_some(half)
        })
    }
}

impl Magazine {
    /// Whether this is a stock of these. One whose table is gone begins anew.
    fn serves(&mut self, shards: &Arc<Shards>) -> bool {
        if std::ptr::eq(self.of.as_ptr(), Arc::as_ptr(shards)) {
            return true;
        }
        if self.of.strong_count() > 0 {
            return false;
        }
        *self = Magazine { of: Arc::downgrade(shards), indexes: Vec::new() };
        true
    }
}

impl Drop for Magazine {
    fn drop(&mut self) {
        if let Some(shards) = self.of.upgrade() {
            shards.own().lock().append(&mut self.indexes);
        }
    }
}

/// Which of so many shards is that of the calling thread. Threads are numbered as they come and spread over the shards.
pub fn shard_of_this_thread(shards: usize) -> usize {
    static NUMBERED: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    thread_local!(static NUMBER: Cell<Option<usize>> = const { Cell::new(None) });
    let number = NUMBER.get().unwrap_or_else(|| {
        let number = NUMBERED.fetch_add(1, Ordering::Relaxed);
        NUMBER.set(Some(number));
        number
    });
    number % shards
}

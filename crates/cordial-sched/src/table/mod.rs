//! The table of live tasks: a key with a generation leads to what the layer above keeps for the task.
//!
//! Slots are in pages of fixed size that are made when they are first needed and never move, so a look-up takes no lock
//! but that of its slot. A key is never handed out twice: each slot counts its generations in 32
//! bits, and is retired after the last one.
//!
//! ```text
//!  index  ┌ 8 bits    ┬ 7 bits ┬ 11 bits ┐
//!         │ directory │  page  │  slot   │
//!         └───────────┴────────┴─────────┘
//! ```
//!
//! User code must not run under the lock of a slot. So the closures that are given to this module must only read, change and
//! move values; they must not drop user values or call wakers.

use std::cell::RefCell;
use std::cmp::Ordering::{Equal, Greater, Less};
use std::num::NonZeroU32;
use std::ops::{ControlFlow, DerefMut};
use std::sync::OnceLock;
use std::thread::LocalKey;

use crate::free_list::{FreeList, Magazine, Recycle};
use crate::sync::{AtomicU32, Ordering, SpinLock};

/// With this many slots, the allocator usually maps a page on its own, as it does from 128 KiB on.
/// Pages are freed with the table only, and small pages between the tasks of a burst would keep the
/// allocator from giving the memory of these tasks back to the system.
const SLOTS: u32 = 2048;
const PAGES: u32 = 128;
const DIRECTORIES: u32 = 256;

/// The name of one task in its table. Never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    index: u32,
    generation: NonZeroU32,
}

impl Key {
    /// Returns the key with these numbers, which need not have been handed out by any table.
    #[must_use]
    pub fn new(index: u32, generation: NonZeroU32) -> Key {
        Key { index, generation }
    }

    /// Returns the number of the slot.
    #[must_use]
    pub fn index(self) -> u32 {
        self.index
    }

    /// Returns how many keys of this slot had been handed out when this key was, this key included.
    #[must_use]
    pub fn generation(self) -> NonZeroU32 {
        self.generation
    }

    /// Both numbers in one word. No key is zero.
    pub(crate) fn to_bits(self) -> u64 {
        u64::from(self.generation.get()) << 32 | u64::from(self.index)
    }

    pub(crate) fn from_bits(bits: u64) -> Option<Key> {
        let generation = NonZeroU32::new((bits >> 32) as u32)?;
        Some(Key::new(bits as u32, generation))
    }
}

/// A look-up reads the generation and takes the lock, so the two are next to each other.
#[derive(Debug)]
#[repr(C)]
struct Slot<V> {
    /// The latest generation handed out. Written only by the thread that took the index out of the free list.
    generation: AtomicU32,
    value: SpinLock<Option<V>>,
}

type Page<V> = Box<[Slot<V>]>;
type PageDirectory<V> = Box<[OnceLock<Page<V>>]>;

/// The index of a slot that holds no value.
struct FreeIndex(u32);

impl Recycle for FreeIndex {
    fn magazine() -> &'static LocalKey<RefCell<Magazine<FreeIndex>>> {
        thread_local!(static MAGAZINE: RefCell<Magazine<FreeIndex>> = const { RefCell::new(Magazine::new()) });
        &MAGAZINE
    }

    fn dispose(self) {}
}

/// A table of live tasks.
pub struct Table<V> {
    directories: Box<[OnceLock<PageDirectory<V>>]>,
    free: FreeList<FreeIndex>,
    n_pages: AtomicU32,
}

impl<V> Table<V> {
    /// Returns an empty table. `threads` is how many threads are expected to reserve and remove
    /// keys at the same time; more threads contend for locks.
    pub fn new(threads: usize) -> Table<V> {
        Table {
            directories: (0..DIRECTORIES).map(|_| OnceLock::new()).collect(),
            free: FreeList::new(threads),
            n_pages: AtomicU32::new(0),
        }
    }

    /// Reserves a slot and returns its new key, for [`occupy`](Table::occupy). `None` if all of the 67 million slots are reserved, retired,
    /// or free in the magazines of other threads.
    ///
    /// # Panics
    ///
    /// Never: an index is free only after its page was made.
    pub fn reserve(&self) -> Option<Key> {
        loop {
            let FreeIndex(index) = self.free.take(|| self.new_page())?;
            let slot = self.slot(index).expect("a free index has a page");
            let latest = slot.generation.load(Ordering::Relaxed);
            if let Some(generation) = latest.checked_add(1).and_then(NonZeroU32::new) {
                slot.generation.store(generation.get(), Ordering::Relaxed);
                return Some(Key { index, generation });
            }
        }
    }

    /// Puts the value of a key that [`reserve`](Table::reserve) has returned into its slot.
    ///
    /// # Panics
    ///
    /// If the index of `key` is larger than any that this table has handed out.
    #[inline]
    pub fn occupy(&self, key: Key, value: impl FnOnce() -> V) {
        let slot = self.slot(key.index).expect("a reserved key has a page");
        // `value` makes the value in the slot, because a large value would be copied otherwise.
        slot.value.lock().get_or_insert_with(value);
    }

    /// Reads or changes the value of a key. `None` if the key has no value, or no longer has one.
    pub fn with<R>(&self, key: Key, f: impl FnOnce(&mut V) -> R) -> Option<R> {
        let slot = self.slot(key.index)?;
        let mut value = slot.value.lock();
        // Not `map`: if there is no value, `f` and what it holds are dropped after the lock is released.
        let value = slot.value_of(value.as_mut(), key)?;
        Some(f(value))
    }

    /// Reads or changes the values of two different keys under both locks. `f` gets `None` for a key that is `None`, and for
    /// a key without a value.
    pub fn with_both<R>(
        &self,
        a: Option<Key>,
        b: Option<Key>,
        f: impl FnOnce(Option<&mut V>, Option<&mut V>) -> R,
    ) -> R {
        let slot_of = |key: Option<Key>| key.and_then(|key| Some((self.slot(key.index)?, key)));
        let (a, b) = (slot_of(a), slot_of(b));
        let index = |of: &Option<(_, Key)>| of.as_ref().map(|(_, key)| key.index);
        // No deadlock: every thread that holds two slots has locked the lower index first.
        let (mut guard_a, mut guard_b) = match index(&a).cmp(&index(&b)) {
            Less => {
                let guard_a = lock(a);
                (guard_a, lock(b))
            }
            // Two keys of one slot: at most one of them has a value.
            Equal if a.is_some_and(|(_, key)| self.with(key, |_| ()).is_some()) => (lock(a), None),
            Equal => (None, lock(b)),
            Greater => {
                let guard_b = lock(b);
                (lock(a), guard_b)
            }
        };
        let value_a = a.zip(guard_a.as_mut()).and_then(|((slot, key), value)| slot.value_of(value.as_mut(), key));
        let value_b = b.zip(guard_b.as_mut()).and_then(|((slot, key), value)| slot.value_of(value.as_mut(), key));
        f(value_a, value_b)
    }

    /// Removes the value of a key and frees its slot. `None` if the key has no value, or no longer has one.
    pub fn remove(&self, key: Key) -> Option<V> {
        let slot = self.slot(key.index)?;
        let value = {
            let mut value = slot.value.lock();
            slot.value_of(value.as_mut(), key)?;
            value.take()
        };
        self.free.give(FreeIndex(key.index));
        value
    }

    /// Returns the keys of all values, ordered by index.
    pub fn keys(&self) -> Vec<Key> {
        let mut keys = Vec::new();
        self.for_each(|key, _| keys.push(key));
        keys
    }

    /// Calls `f` with every value, ordered by index. Each slot is locked during its own call only, so `f` may or may not be called with
    /// values that are added or removed meanwhile.
    ///
    /// # Panics
    ///
    /// Never: a slot with a value has a generation.
    pub fn for_each(&self, mut f: impl FnMut(Key, &V)) {
        self.scan(0, |key, value| {
            f(key, value);
            ControlFlow::Continue(())
        });
    }

    /// Calls `f` with every value from the index `from` on, ordered by index, until `f` returns `Break`. Returns the index after
    /// that of the last call, to continue from there, or `None` if `f` never returned `Break`. As `for_each`, locks one slot at a time.
    ///
    /// # Panics
    ///
    /// Never: a slot with a value has a generation.
    pub fn scan(&self, from: u32, mut f: impl FnMut(Key, &V) -> ControlFlow<()>) -> Option<u32> {
        // Relaxed: `OnceLock` orders the page itself, and a page that is counted and not made yet has no value.
        for index in from..self.n_pages.load(Ordering::Relaxed) * SLOTS {
            let Some(slot) = self.slot(index) else { continue };
            if let Some(value) = &*slot.value.lock() {
                let generation = NonZeroU32::new(slot.generation.load(Ordering::Relaxed));
                if f(Key { index, generation: generation.expect("a value has a key") }, value).is_break() {
                    return Some(index + 1);
                }
            }
        }
        None
    }

    /// Returns how many keys were handed out so far. Reads the generation of every slot.
    pub fn n_reserved(&self) -> u64 {
        let slots = (0..self.n_pages.load(Ordering::Relaxed) * SLOTS).filter_map(|index| self.slot(index));
        slots.map(|slot| u64::from(slot.generation.load(Ordering::Relaxed))).sum()
    }

    /// Returns how many values there are. Looks at every slot.
    pub fn len(&self) -> usize {
        let mut n_alive = 0;
        self.for_each(|_, _| n_alive += 1);
        n_alive
    }

    /// Returns whether there is no value. Looks at every slot.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn slot(&self, index: u32) -> Option<&Slot<V>> {
        let directory = self.directories.get((index / (SLOTS * PAGES)) as usize)?.get()?;
        let page = directory[(index / SLOTS % PAGES) as usize].get()?;
        Some(&page[(index % SLOTS) as usize])
    }

    fn new_page(&self) -> Option<Vec<FreeIndex>> {
        let number = self
            .n_pages
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n_pages| {
                (n_pages < DIRECTORIES * PAGES).then_some(n_pages + 1)
            })
            .ok()?;
        let directory =
            self.directories[(number / PAGES) as usize].get_or_init(|| (0..PAGES).map(|_| OnceLock::new()).collect());
        directory[(number % PAGES) as usize]
            .get_or_init(|| std::iter::repeat_with(Slot::empty).take(SLOTS as usize).collect());
        self.free.reserve((number + 1) as usize * SLOTS as usize);
        Some((number * SLOTS..(number + 1) * SLOTS).rev().map(FreeIndex).collect())
    }
}

impl<V> std::fmt::Debug for Table<V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Table").field("n_pages", &self.n_pages).finish_non_exhaustive()
    }
}

fn lock<V>(of: Option<(&Slot<V>, Key)>) -> Option<impl DerefMut<Target = Option<V>>> {
    of.map(|(slot, _)| slot.value.lock())
}

impl<V> Slot<V> {
    fn empty() -> Slot<V> {
        Slot { generation: AtomicU32::new(0), value: SpinLock::new(None) }
    }

    /// Returns the value if it belongs to `key`. The caller holds the lock of the slot, so the generation belongs to the value.
    fn value_of<'a>(&self, value: Option<&'a mut V>, key: Key) -> Option<&'a mut V> {
        value.filter(|_| self.generation.load(Ordering::Relaxed) == key.generation.get())
    }
}

#[cfg(all(test, not(cordial_loom)))]
mod tests;

//! The one table of live tasks: a key with a generation leads to what the layer above knows of the task.
//!
//! Slots stand in fixed pages that are made when first needed and never move, so a look-up takes no lock but that of
//! the slot. A key is never handed out twice: each slot counts its generations, and one that has used all 32 bits is
//! retired.
//!
//! ```text
//!  index  ┌ 10 bits ┬ 8 bits ┬ 8 bits ┐
//!         │ chapter │  page  │  slot  │
//!         └─────────┴────────┴────────┘
//! ```
//!
//! Nothing of the user's may run under a slot's lock: closures given to this module move values in and out, they drop
//! nothing and wake nobody.

use std::cmp::Ordering::{Equal, Greater, Less};
use std::num::NonZeroU32;
use std::sync::OnceLock;

use self::free::Free;
pub use self::free::shard_of_this_thread;
use crate::sync::{AtomicU32, Mutex, MutexGuard, Ordering};

mod free;

const SLOTS: u32 = 256;
const PAGES: u32 = 256;
const CHAPTERS: u32 = 1024;

/// The name of one task in its table. Never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    index: u32,
    generation: NonZeroU32,
}

impl Key {
    /// The key of these two numbers, which need not have been handed out.
    #[must_use]
    pub fn new(index: u32, generation: NonZeroU32) -> Key {
        Key { index, generation }
    }

    /// The slot.
    #[must_use]
    pub fn index(self) -> u32 {
        self.index
    }

    /// How many tasks, this one included, have had the slot.
    #[must_use]
    pub fn generation(self) -> NonZeroU32 {
        self.generation
    }

    /// Both numbers in one word.
    pub(crate) fn to_bits(self) -> u64 {
        u64::from(self.generation.get()) << 32 | u64::from(self.index)
    }

    pub(crate) fn from_bits(bits: u64) -> Option<Key> {
        let generation = NonZeroU32::new((bits >> 32) as u32)?;
        Some(Key::new(bits as u32, generation))
    }
}

/// The generation and the lock are asked first, so they stand side by side.
#[derive(Debug)]
#[repr(C)]
struct Slot<V> {
    /// The latest generation handed out. Written only by whoever took the index out of a free list.
    generation: AtomicU32,
    value: Mutex<Option<V>>,
}

type Page<V> = Box<[Slot<V>]>;
type Chapter<V> = Box<[OnceLock<Page<V>>]>;

/// A table of live tasks.
#[derive(Debug)]
pub struct Table<V> {
    chapters: Box<[OnceLock<Chapter<V>>]>,
    free: Free,
    pages_made: AtomicU32,
}

impl<V> Table<V> {
    /// An empty table for about as many threads as given.
    pub fn new(threads: usize) -> Table<V> {
        Table {
            chapters: (0..CHAPTERS).map(|_| OnceLock::new()).collect(),
            free: Free::new(threads),
            pages_made: AtomicU32::new(0),
        }
    }

    /// A new key, to be given to [`occupy`](Table::occupy) or [`remove`](Table::remove). `None` when 67 million tasks
    /// are alive.
    pub fn reserve(&self) -> Option<Key> {
        loop {
            let index = self.free.take(|| self.new_page())?;
            let slot = self.slot(index)?;
            let latest = slot.generation.load(Ordering::Relaxed);
            if let Some(generation) = latest.checked_add(1).and_then(NonZeroU32::new) {
                slot.generation.store(generation.get(), Ordering::Relaxed);
                return Some(Key { index, generation });
            }
        }
    }

    /// Puts the value of a reserved key in its place.
    pub fn occupy(&self, key: Key, value: impl FnOnce() -> V) {
        let Some(slot) = self.slot(key.index) else { return };
        // Made in its place: it is too large to be carried around.
        slot.value.lock().get_or_insert_with(value);
    }

    /// Reads or changes the value of a key. `None` when the task has ended or never was.
    pub fn with<R>(&self, key: Key, f: impl FnOnce(&mut V) -> R) -> Option<R> {
        let slot = self.slot(key.index)?;
        let mut value = slot.value.lock();
        // Not `map`: without a value, what `f` holds is dropped after the lock is released.
        let value = slot.value_of(value.as_mut(), key)?;
        Some(f(value))
    }

    /// Reads or changes the values of two different keys at one moment. `None` stands for a key of another table.
    pub fn with_both<R>(
        &self,
        a: Option<Key>,
        b: Option<Key>,
        f: impl FnOnce(Option<&mut V>, Option<&mut V>) -> R,
    ) -> R {
        let slot_of = |key: Option<Key>| key.and_then(|key| Some((self.slot(key.index)?, key)));
        let (a, b) = (slot_of(a), slot_of(b));
        let index = |of: &Option<(_, Key)>| of.as_ref().map(|(_, key)| key.index);
        // Every thread that holds two slots took the lower index first.
        let (mut guard_a, mut guard_b) = match index(&a).cmp(&index(&b)) {
            Less => {
                let guard_a = lock(a);
                (guard_a, lock(b))
            }
            // One slot, so at most one of the two is alive.
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

    /// Takes the value out and gives the slot back. `None` when that was done before.
    pub fn remove(&self, key: Key) -> Option<V> {
        let slot = self.slot(key.index)?;
        let value = {
            let mut value = slot.value.lock();
            slot.value_of(value.as_mut(), key)?;
            value.take()
        };
        self.free.give(key.index);
        value
    }

    /// The keys of all live tasks, by index.
    pub fn keys(&self) -> Vec<Key> {
        let mut keys = Vec::new();
        self.for_each(|key, _| keys.push(key));
        keys
    }

    /// Shows every live task to `f`, by index. Each is seen at a moment of its own.
    pub fn for_each(&self, mut f: impl FnMut(Key, &V)) {
        // Relaxed: a page brings itself (`OnceLock`), and one that is counted but not there yet has no task.
        for index in 0..self.pages_made.load(Ordering::Relaxed) * SLOTS {
            let Some(slot) = self.slot(index) else { continue };
            if let Some(value) = &*slot.value.lock()
                && let Some(generation) = NonZeroU32::new(slot.generation.load(Ordering::Relaxed))
            {
                f(Key { index, generation }, value);
            }
        }
    }

    /// How many tasks are alive. Counts them.
    pub fn len(&self) -> usize {
        let mut n_alive = 0;
        self.for_each(|_, _| n_alive += 1);
        n_alive
    }

    /// Whether no task is alive.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn slot(&self, index: u32) -> Option<&Slot<V>> {
        let chapter = self.chapters.get((index / (SLOTS * PAGES)) as usize)?.get()?;
        let page = chapter[(index / SLOTS % PAGES) as usize].get()?;
        Some(&page[(index % SLOTS) as usize])
    }

    fn new_page(&self) -> Option<Vec<u32>> {
        let number = self
            .pages_made
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |made| (made < CHAPTERS * PAGES).then_some(made + 1))
            .ok()?;
        let chapter =
            self.chapters[(number / PAGES) as usize].get_or_init(|| (0..PAGES).map(|_| OnceLock::new()).collect());
        chapter[(number % PAGES) as usize]
            .get_or_init(|| std::iter::repeat_with(Slot::empty).take(SLOTS as usize).collect());
        Some((number * SLOTS..(number + 1) * SLOTS).rev().collect())
    }
}

fn lock<V>(of: Option<(&Slot<V>, Key)>) -> Option<MutexGuard<'_, Option<V>>> {
    of.map(|(slot, _)| slot.value.lock())
}

impl<V> Slot<V> {
    fn empty() -> Slot<V> {
        Slot { generation: AtomicU32::new(0), value: Mutex::new(None) }
    }

    /// The value, if it is that of the key. It is under the lock, so the generation belongs to it.
    fn value_of<'a>(&self, value: Option<&'a mut V>, key: Key) -> Option<&'a mut V> {
        value.filter(|_| self.generation.load(Ordering::Relaxed) == key.generation.get())
    }
}

#[cfg(all(test, not(cordial_loom)))]
mod tests;

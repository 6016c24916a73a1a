//! The one table of live tasks: a key with a generation leads to what the layer above knows of the task.
//!
//! Slots stand in fixed pages that are made when first needed and never move, so a look-up takes no lock but that of
//! the slot. A key is never handed out twice: each slot counts its generations, and one that has used all 32 bits is
//! retired.
//!
//! ```text
//!  index  ┌ 10 bits ┬ 8 bits ┬ 8 bits ┐
//!         │ chapter │  page  │  slot  │     free indexes: one list per shard, a thread sticks to its shard
//!         └─────────┴────────┴────────┘
//! ```
//!
//! Nothing of the user's may run under a slot's lock: closures given to this module move values in and out, they drop
//! nothing and wake nobody.

use std::cell::Cell;
use std::cmp::Ordering::{Equal, Greater, Less};
use std::num::NonZeroU32;
use std::sync::OnceLock;

use crossbeam_utils::CachePadded;

use crate::sync::{AtomicU32, Mutex, Ordering};

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

#[derive(Debug)]
struct Slot<V> {
    /// The latest generation handed out.
    generation: u32,
    value: Option<V>,
}

type Page<V> = Box<[Mutex<Slot<V>>]>;
type Chapter<V> = Box<[OnceLock<Page<V>>]>;

#[derive(Debug, Default)]
struct Shard {
    free: Vec<u32>,
    /// Keys handed out here less those given back here. Only the sum over all shards means anything.
    taken: isize,
}

/// A table of live tasks.
#[derive(Debug)]
pub struct Table<V> {
    chapters: Box<[OnceLock<Chapter<V>>]>,
    shards: Box<[CachePadded<Mutex<Shard>>]>,
    pages_made: AtomicU32,
}

impl<V> Table<V> {
    /// An empty table for about as many threads as given.
    pub fn new(threads: usize) -> Table<V> {
        Table {
            chapters: (0..CHAPTERS).map(|_| OnceLock::new()).collect(),
            shards: (0..threads.max(1)).map(|_| CachePadded::default()).collect(),
            pages_made: AtomicU32::new(0),
        }
    }

    /// A new key, to be given to [`occupy`](Table::occupy) or [`remove`](Table::remove). `None` when 67 million tasks
    /// are alive.
    pub fn reserve(&self) -> Option<Key> {
        loop {
            let index = self.free_index()?;
            let mut slot = self.slot(index)?.lock();
            if let Some(generation) = slot.generation.checked_add(1).and_then(NonZeroU32::new) {
                slot.generation = generation.get();
                return Some(Key { index, generation });
            }
        }
    }

    /// Puts the value of a reserved key in its place.
    pub fn occupy(&self, key: Key, value: V) {
        let Some(slot) = self.slot(key.index) else { return };
        slot.lock().value = Some(value);
    }

    /// Reads or changes the value of a key. `None` when the task has ended or never was.
    pub fn with<R>(&self, key: Key, f: impl FnOnce(&mut V) -> R) -> Option<R> {
        let mut slot = self.slot(key.index)?.lock();
        // Not `map`: without a value, what `f` holds is dropped after the lock is released.
        let value = value_of(Some(&mut slot), Some(key))?;
        Some(f(value))
    }

    /// Reads or changes the values of two different keys at one moment. `None` stands for a key of another table.
    pub fn with_both<R>(
        &self,
        a: Option<Key>,
        b: Option<Key>,
        f: impl FnOnce(Option<&mut V>, Option<&mut V>) -> R,
    ) -> R {
        let (slot_a, slot_b) = (a.and_then(|a| self.slot(a.index)), b.and_then(|b| self.slot(b.index)));
        let lock = |slot: Option<_>| slot.map(Mutex::lock);
        // Every thread that holds two slots took the lower index first.
        let (mut slot_a, mut slot_b) = match a.map(|a| a.index).cmp(&b.map(|b| b.index)) {
            Less => {
                let slot_a = lock(slot_a);
                (slot_a, lock(slot_b))
            }
            // One slot, so at most one of the two is alive.
            Equal if a.is_some_and(|a| self.with(a, |_| ()).is_some()) => (lock(slot_a), None),
            Equal => (None, lock(slot_b)),
            Greater => {
                let slot_b = lock(slot_b);
                (lock(slot_a), slot_b)
            }
        };
        f(value_of(slot_a.as_deref_mut(), a), value_of(slot_b.as_deref_mut(), b))
    }

    /// Takes the value out and gives the slot back. `None` when that was done before.
    pub fn remove(&self, key: Key) -> Option<V> {
        let value = {
            let mut slot = self.slot(key.index)?.lock();
            if slot.generation != key.generation.get() {
                return None;
            }
            slot.value.take()?
        };
        self.give_back(key.index);
        Some(value)
    }

    /// The keys of all live tasks, by index.
    pub fn keys(&self) -> Vec<Key> {
        let mut keys = Vec::new();
        self.for_each(|key, _| keys.push(key));
        keys
    }

    /// Shows every live task to `f`, by index. Each is seen at a moment of its own.
    pub fn for_each(&self, mut f: impl FnMut(Key, &V)) {
        for index in 0..self.pages_made.load(Ordering::Acquire) * SLOTS {
            let Some(slot) = self.slot(index) else { continue };
            let slot = slot.lock();
            if let (Some(generation), Some(value)) = (NonZeroU32::new(slot.generation), &slot.value) {
                f(Key { index, generation }, value);
            }
        }
    }

    /// How many tasks are alive.
    pub fn len(&self) -> usize {
        let taken: isize = self.shards.iter().map(|shard| shard.lock().taken).sum();
        usize::try_from(taken).unwrap_or(0)
    }

    /// Whether no task is alive.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn slot(&self, index: u32) -> Option<&Mutex<Slot<V>>> {
        let chapter = self.chapters.get((index / (SLOTS * PAGES)) as usize)?.get()?;
        let page = chapter[(index / SLOTS % PAGES) as usize].get()?;
        Some(&page[(index % SLOTS) as usize])
    }

    /// An index from this thread's shard, else from a neighbor that has some, else from a new page.
    fn free_index(&self) -> Option<u32> {
        let own = shard_of_this_thread(self.shards.len());
        {
            let mut shard = self.shards[own].lock();
            if let Some(index) = shard.free.pop() {
                shard.taken += 1;
                return Some(index);
            }
        }
        let found = self.take_half_of_a_neighbor(own).or_else(|| self.new_page())?;
        let mut shard = self.shards[own].lock();
        shard.free.extend(found);
        let index = shard.free.pop()?;
        shard.taken += 1;
        Some(index)
    }

    /// Tasks that start on one thread and end on another would otherwise ask for new pages without end.
    fn take_half_of_a_neighbor(&self, own: usize) -> Option<Vec<u32>> {
        (1..self.shards.len()).find_map(|step| {
            let mut neighbor = self.shards[(own + step) % self.shards.len()].lock();
            let rest = neighbor.free.len() / 2;
            let half = neighbor.free.split_off(rest);
            (!half.is_empty()).then_some(half)
        })
    }

    fn new_page(&self) -> Option<Vec<u32>> {
        let number = self
            .pages_made
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |made| (made < CHAPTERS * PAGES).then_some(made + 1))
            .ok()?;
        let chapter =
            self.chapters[(number / PAGES) as usize].get_or_init(|| (0..PAGES).map(|_| OnceLock::new()).collect());
        chapter[(number % PAGES) as usize]
            .get_or_init(|| (0..SLOTS).map(|_| Mutex::new(Slot { generation: 0, value: None })).collect());
        Some((number * SLOTS..(number + 1) * SLOTS).rev().collect())
    }

    fn give_back(&self, index: u32) {
        let mut shard = self.shards[shard_of_this_thread(self.shards.len())].lock();
        shard.free.push(index);
        shard.taken -= 1;
    }
}

fn value_of<V>(slot: Option<&mut Slot<V>>, key: Option<Key>) -> Option<&mut V> {
    let (slot, key) = (slot?, key?);
    if slot.generation == key.generation.get() { slot.value.as_mut() } else { None }
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

#[cfg(all(test, not(cordial_loom)))]
mod tests;

//! A slab that frees its memory: values are in pages, and a page without values is freed. New values come into the lowest page with room,
//! so that the higher pages get empty once a burst is over, even if some values stay for long.

use std::collections::BTreeSet;

use slab::Slab;

/// How many values a page has room for.
const PAGE: usize = 1024;

#[derive(Debug)]
pub(super) struct PagedSlab<T> {
    pages: Vec<Slab<T>>,
    /// The pages that are not full. Only the first of them may be empty and not freed, so that a value which comes and goes
    /// allocates nothing.
    with_room: BTreeSet<usize>,
}

impl<T> Default for PagedSlab<T> {
    fn default() -> PagedSlab<T> {
        PagedSlab { pages: Vec::new(), with_room: BTreeSet::new() }
    }
}

impl<T> PagedSlab<T> {
    /// Inserts a value. Returns its key.
    pub(super) fn insert(&mut self, value: T) -> usize {
        let index = self.with_room.first().copied().unwrap_or_else(|| {
            self.pages.push(Slab::new());
            self.with_room.insert(self.pages.len() - 1);
            self.pages.len() - 1
        });
        let page = &mut self.pages[index];
        // The first page grows with the program.
        if index > 0 && page.capacity() == 0 {
            page.reserve_exact(PAGE);
        }
        let key = page.insert(value);
        if page.len() == PAGE {
            self.with_room.remove(&index);
        }
        index * PAGE + key
    }

    pub(super) fn get(&self, key: usize) -> Option<&T> {
        self.pages.get(key / PAGE)?.get(key % PAGE)
    }

    pub(super) fn get_mut(&mut self, key: usize) -> Option<&mut T> {
        self.pages.get_mut(key / PAGE)?.get_mut(key % PAGE)
    }

    /// Removes the value of a key, if it has one.
    pub(super) fn remove(&mut self, key: usize) -> Option<T> {
        let index = key / PAGE;
        let page = self.pages.get_mut(index)?;
        let was_full = page.len() == PAGE;
        let removed = page.try_remove(key % PAGE)?;
        if was_full || page.is_empty() {
            self.made_room(index);
        }
        Some(removed)
    }

    /// Removes the values for which `keep` returns false.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&mut T) -> bool) {
        for index in 0..self.pages.len() {
            let page = &mut self.pages[index];
            let before = page.len();
            page.retain(|_, value| keep(value));
            if page.len() < before {
                self.made_room(index);
            }
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.pages.iter().flatten().map(|(_, value)| value)
    }

    /// Frees a page that is empty, unless it is the first with room.
    fn made_room(&mut self, index: usize) {
        let first = self.with_room.first().copied().filter(|&first| first != index);
        self.with_room.insert(index);
        let free = first.map_or(index, |first| first.max(index));
        if first.is_some() && self.pages[free].is_empty() {
            self.pages[free] = Slab::new();
        }
    }
}

#[cfg(all(test, not(cordial_loom)))]
mod tests;

//! One row of the tree for many processes that look the same: they were spawned at one place, and have no label and no children.

use std::collections::HashMap;

use crate::source::{PlaceId, Scan};
use crate::view::Alike;

/// Up to this many processes that look the same have a row each; more of them share one row.
const MAX_ROWS: usize = 4;

/// Which row of the tree to show.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shown {
    Process(u32),
    /// The first of the processes that share the row, and how many there are.
    Alike {
        first: u32,
        count: usize,
    },
}

/// Folds processes that look the same into one row. Keeps the order; the folded row takes the position of its first process.
pub(super) fn fold(scan: &Scan, nodes: impl Iterator<Item = u32> + Clone) -> Vec<Shown> {
    let mut counts: HashMap<PlaceId, usize> = HashMap::new();
    for index in nodes.clone().filter(|index| is_alike(scan, *index)) {
        *counts.entry(place(scan, index)).or_default() += 1;
    }
    counts.retain(|_, count| *count > MAX_ROWS);
    let fold = |index: u32| match is_alike(scan, index).then(|| place(scan, index)) {
        // The first process of the place takes the count, so the others get no row.
        Some(place) if counts.contains_key(&place) => {
            let count = std::mem::take(counts.get_mut(&place)?);
            (count > 0).then_some(Shown::Alike { first: index, count })
        }
        _ => Some(Shown::Process(index)),
    };
    nodes.filter_map(fold).collect()
}

/// Returns the processes of a place that look the same. If there are more than `MAX_ROWS`, `fold` shows them as one row.
pub(super) fn of_place(scan: &Scan, nodes: &[u32], place_text: &str) -> Vec<u32> {
    let is_meant = |index: &u32| is_alike(scan, *index) && scan.places.text(place(scan, *index)) == place_text;
    nodes.iter().copied().filter(is_meant).collect()
}

/// Returns the contents of a folded row.
pub(super) fn alike(scan: &Scan, first: u32, count: usize) -> Alike {
    let row = &scan.rows()[first as usize];
    Alike { place: scan.places.text(row.place).to_owned(), kind: row.kind, count }
}

/// Returns whether the process may share a row.
fn is_alike(scan: &Scan, index: u32) -> bool {
    let row = &scan.rows()[index as usize];
    row.label.is_none() && scan.n_below(index as usize) == 0 && scan.supervision(row.pid).is_none()
}

fn place(scan: &Scan, index: u32) -> PlaceId {
    scan.rows()[index as usize].place
}

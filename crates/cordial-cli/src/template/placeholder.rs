//! Placeholders, and what replaces them.

use std::borrow::Cow;

use super::path_part::Part;

/// What a placeholder stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placeholder {
    /// `{}`, `{.}` and so on: every value of the item.
    Values(Part),
    /// `{1}`, `{-1.}` and so on: one value of the item, or nothing if the item has fewer.
    Value(Position, Part),
    /// `{#}`: the number of the item, from 1.
    Index,
    /// `{%}`: the number of the slot, from 1.
    Slot,
}

/// The position of a value in an item. It is never 0: it is counted from 1, or from -1 for the last value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position(pub(super) i32);

/// What an item inserts into a command.
pub(super) struct Insertion<'v> {
    pub(super) values: Vec<&'v [u8]>,
    pub(super) index: u64,
    pub(super) slot: usize,
}

impl Position {
    /// Returns the position of the value whose name has this index.
    pub(super) fn of_name(index: usize) -> Position {
        Position(i32::try_from(index + 1).unwrap_or(i32::MAX))
    }

    /// Returns the value at this position, or an empty one if the item has fewer.
    pub(super) fn of<'v>(self, values: &[&'v [u8]]) -> &'v [u8] {
        self.index(values.len()).and_then(|at| values.get(at)).copied().unwrap_or_default()
    }

    /// Returns the index of the value at this position, which may be beyond the last one. `None` if it is before the first one.
    pub(super) fn index(self, n_values: usize) -> Option<usize> {
        let distance = self.0.unsigned_abs() as usize;
        if self.0 > 0 { distance.checked_sub(1) } else { n_values.checked_sub(distance) }
    }

    /// Returns whether an item with this many values has a value at this position.
    pub(super) fn is_within(self, n_values: usize) -> bool {
        self.0.unsigned_abs() as usize <= n_values
    }
}

impl Placeholder {
    /// Returns whether the placeholder stands for all values, of which there may be several.
    pub(super) fn is_for_all(self) -> bool {
        matches!(self, Placeholder::Values(_))
    }

    /// Returns whether the placeholder stands for the value with this index, or for a part of it.
    pub(super) fn uses(self, index: usize, n_values: usize) -> bool {
        match self {
            Placeholder::Values(_) => true,
            Placeholder::Value(position, _) => position.index(n_values) == Some(index),
            Placeholder::Index | Placeholder::Slot => false,
        }
    }

    /// Returns whether the placeholder stands for a number of its own, and not for a value.
    pub(super) fn is_number(self) -> bool {
        matches!(self, Placeholder::Index | Placeholder::Slot)
    }

    /// Returns whether the placeholder stands for a value that the item does not have.
    pub(super) fn is_missing(self, insertion: &Insertion<'_>) -> bool {
        matches!(self, Placeholder::Value(position, _) if !position.is_within(insertion.values.len()))
    }

    /// Returns the text that replaces the placeholder, as one text: several values are joined with spaces.
    pub(super) fn text<'v>(self, insertion: &Insertion<'v>) -> Cow<'v, [u8]> {
        match self {
            Placeholder::Values(part) => match insertion.values[..] {
                [only] => Cow::Borrowed(part.of(only)),
                _ => Cow::Owned(insertion.values.iter().map(|value| part.of(value)).collect::<Vec<_>>().join(&b' ')),
            },
            Placeholder::Value(position, part) => Cow::Borrowed(part.of(position.of(&insertion.values))),
            Placeholder::Index => Cow::Owned(insertion.index.to_string().into_bytes()),
            Placeholder::Slot => Cow::Owned(insertion.slot.to_string().into_bytes()),
        }
    }
}

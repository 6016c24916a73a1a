//! The forms in which outputs are printed.

mod copy;
mod json;
mod live;

pub(crate) use copy::{CopyError, copy, copy_tagged};
pub(crate) use json::print as print_json;
pub(crate) use live::{Lines, Live, LiveLines, Which};

/// What is printed of an item that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// What it wrote.
    Plain,
    /// Each line with the item before it.
    Tagged,
    /// One object.
    Json,
}

/// What a tag shows of an item: its values, and a tab.
pub(crate) fn tag(item: &crate::item::Item) -> Vec<u8> {
    let mut tag = item.text();
    tag.push(b'\t');
    tag
}

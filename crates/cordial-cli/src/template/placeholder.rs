//! Placeholders: where they stand in a word, and what takes their place.

use std::borrow::Cow;

use crate::text::shell_quote;

/// A part of a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Text(Vec<u8>),
    Hole(Hole),
}

/// What takes the place of a placeholder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hole {
    /// `{}`
    Item,
    /// `{.}`: the item without its extension.
    Stem,
    /// `{/}`: what follows the last slash.
    Name,
    /// `{//}`: the directory.
    Parent,
    /// `{/.}`
    NameStem,
    /// `{#}`: the number of the command, from 1.
    Index,
    /// `{%}`: the number of the slot, from 1.
    Slot,
}

const NAMES: [(&[u8], Hole); 6] = [
    (b"{.}", Hole::Stem),
    (b"{/}", Hole::Name),
    (b"{//}", Hole::Parent),
    (b"{/.}", Hole::NameStem),
    (b"{#}", Hole::Index),
    (b"{%}", Hole::Slot),
];

impl Piece {
    pub(super) fn text(&self) -> Option<&[u8]> {
        match self {
            Piece::Text(text) => Some(text),
            Piece::Hole(_) => None,
        }
    }

    pub(super) fn hole(&self) -> Option<Hole> {
        match self {
            Piece::Text(_) => None,
            Piece::Hole(hole) => Some(*hole),
        }
    }
}

/// The placeholder that a text begins with, and its length.
pub(super) fn at_start(text: &[u8], placeholder: &[u8]) -> Option<(Hole, usize)> {
    if text.starts_with(placeholder) {
        return Some((Hole::Item, placeholder.len()));
    }
    NAMES.iter().find(|(name, _)| text.starts_with(name)).map(|(name, hole)| (*hole, name.len()))
}

/// The pieces of a word: one text if it has no placeholder, and never an empty text beside a hole.
pub(super) fn split(word: &[u8], placeholder: &[u8]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut text = Vec::new();
    let mut at = 0;
    while at < word.len() {
        match at_start(&word[at..], placeholder) {
            Some((hole, length)) => {
                push(&mut pieces, &mut text, hole);
                at += length;
            }
            None => {
                text.push(word[at]);
                at += 1;
            }
        }
    }
    if !text.is_empty() || pieces.is_empty() {
        pieces.push(Piece::Text(text));
    }
    pieces
}

/// Ends a text, if there is one, with a hole.
pub(super) fn push(pieces: &mut Vec<Piece>, text: &mut Vec<u8>, hole: Hole) {
    if !text.is_empty() {
        pieces.push(Piece::Text(std::mem::take(text)));
    }
    pieces.push(Piece::Hole(hole));
}

impl Hole {
    pub(super) fn of<'v>(self, value: &'v [u8], index: u64, slot: usize) -> Cow<'v, [u8]> {
        match self {
            Hole::Item => Cow::Borrowed(value),
            Hole::Stem => Cow::Borrowed(stem(value)),
            Hole::Name => Cow::Borrowed(name(value)),
            Hole::Parent => Cow::Borrowed(parent(value)),
            Hole::NameStem => Cow::Borrowed(stem(name(value))),
            Hole::Index => Cow::Owned(index.to_string().into_bytes()),
            Hole::Slot => Cow::Owned(slot.to_string().into_bytes()),
        }
    }

    fn is_of_the_value(self) -> bool {
        !matches!(self, Hole::Index | Hole::Slot)
    }
}

fn name(value: &[u8]) -> &[u8] {
    value.iter().rposition(|&byte| byte == b'/').map_or(value, |at| &value[at + 1..])
}

fn stem(value: &[u8]) -> &[u8] {
    match value.iter().rposition(|&byte| byte == b'.' || byte == b'/') {
        Some(at) if value[at] == b'.' => &value[..at],
        _ => value,
    }
}

/// As `dirname`.
fn parent(value: &[u8]) -> &[u8] {
    let without_slashes = |text: &[u8]| text.iter().rposition(|&byte| byte != b'/').map_or(0, |at| at + 1);
    let end = without_slashes(value);
    match value[..end].iter().rposition(|&byte| byte == b'/') {
        _ if end == 0 && !value.is_empty() => b"/",
        None => b".",
        Some(at) => match without_slashes(&value[..at]) {
            0 => b"/",
            end => &value[..end],
        },
    }
}

/// The words that a word becomes: one for each value if the value is in it, else one.
pub(super) fn fill(pieces: &[Piece], values: &[&[u8]], index: u64, slot: usize) -> Vec<Vec<u8>> {
    let fill_one = |value: &[u8]| {
        let mut word = Vec::new();
        for piece in pieces {
            match piece {
                Piece::Text(text) => word.extend_from_slice(text),
                Piece::Hole(hole) => word.extend_from_slice(&hole.of(value, index, slot)),
            }
        }
        word
    };
    if pieces.iter().filter_map(Piece::hole).any(Hole::is_of_the_value) {
        values.iter().map(|value| fill_one(value)).collect()
    } else {
        vec![fill_one(b"")]
    }
}

/// The same words, each as a shell would read it. Pieces are quoted one by one, so that the texts look the same for every item.
pub(super) fn show(pieces: &[Piece], values: &[&[u8]], index: u64, slot: usize) -> Vec<u8> {
    let show_one = |value: &[u8]| {
        let quoted = pieces.iter().map(|piece| match piece {
            Piece::Text(text) => shell_quote::word(text).into_owned(),
            Piece::Hole(hole) => shell_quote::word(&hole.of(value, index, slot)).into_owned(),
        });
        quoted.collect::<Vec<_>>().concat()
    };
    if pieces.iter().filter_map(Piece::hole).any(Hole::is_of_the_value) {
        values.iter().map(|value| show_one(value)).collect::<Vec<_>>().join(&b' ')
    } else {
        show_one(b"")
    }
}

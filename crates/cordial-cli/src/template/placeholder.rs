//! Placeholders: where they are in a word, and what replaces them.

use std::borrow::Cow;

use crate::text::shell_quote;

/// A part of a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Text(Vec<u8>),
    Placeholder(Placeholder),
}

/// What a placeholder stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placeholder {
    /// `{}`, or the text of `-I`: the item.
    Item,
    /// `{.}`: the item without its extension.
    Stem,
    /// `{/}`: the part after the last slash.
    Name,
    /// `{//}`: the directory.
    Parent,
    /// `{/.}`: the part after the last slash without its extension.
    NameStem,
    /// `{#}`: the number of the command, from 1.
    Index,
    /// `{%}`: the number of the slot, from 1.
    Slot,
}

const OTHER_PLACEHOLDERS: [(&[u8], Placeholder); 6] = [
    (b"{.}", Placeholder::Stem),
    (b"{/}", Placeholder::Name),
    (b"{//}", Placeholder::Parent),
    (b"{/.}", Placeholder::NameStem),
    (b"{#}", Placeholder::Index),
    (b"{%}", Placeholder::Slot),
];

impl Piece {
    pub(super) fn text(&self) -> Option<&[u8]> {
        match self {
            Piece::Text(text) => Some(text),
            Piece::Placeholder(_) => None,
        }
    }

    pub(super) fn placeholder(&self) -> Option<Placeholder> {
        match self {
            Piece::Text(_) => None,
            Piece::Placeholder(placeholder) => Some(*placeholder),
        }
    }
}

/// Returns the placeholder at the start of a text, and its length. `item_placeholder` is `{}` or the text of `-I`.
pub(super) fn parse_prefix(text: &[u8], item_placeholder: &[u8]) -> Option<(Placeholder, usize)> {
    if text.starts_with(item_placeholder) {
        return Some((Placeholder::Item, item_placeholder.len()));
    }
    let found = OTHER_PLACEHOLDERS.iter().find(|(written, _)| text.starts_with(written));
    found.map(|(written, placeholder)| (*placeholder, written.len()))
}

/// Splits a word into pieces. A word without a placeholder is one text; a text beside a placeholder is never empty.
pub(super) fn split(word: &[u8], item_placeholder: &[u8]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut text = Vec::new();
    let mut at = 0;
    while at < word.len() {
        match parse_prefix(&word[at..], item_placeholder) {
            Some((placeholder, length)) => {
                push(&mut pieces, &mut text, placeholder);
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

/// Appends the text before a placeholder, if it is not empty, and the placeholder. Leaves `text` empty.
pub(super) fn push(pieces: &mut Vec<Piece>, text: &mut Vec<u8>, placeholder: Placeholder) {
    if !text.is_empty() {
        pieces.push(Piece::Text(std::mem::take(text)));
    }
    pieces.push(Piece::Placeholder(placeholder));
}

impl Placeholder {
    /// Returns what replaces the placeholder.
    pub(super) fn expand<'v>(self, value: &'v [u8], index: u64, slot: usize) -> Cow<'v, [u8]> {
        match self {
            Placeholder::Item => Cow::Borrowed(value),
            Placeholder::Stem => Cow::Borrowed(stem(value)),
            Placeholder::Name => Cow::Borrowed(name(value)),
            Placeholder::Parent => Cow::Borrowed(parent(value)),
            Placeholder::NameStem => Cow::Borrowed(stem(name(value))),
            Placeholder::Index => Cow::Owned(index.to_string().into_bytes()),
            Placeholder::Slot => Cow::Owned(slot.to_string().into_bytes()),
        }
    }

    fn depends_on_value(self) -> bool {
        !matches!(self, Placeholder::Index | Placeholder::Slot)
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

/// Returns what `dirname` prints.
fn parent(value: &[u8]) -> &[u8] {
    let length_without_slashes = |text: &[u8]| text.iter().rposition(|&byte| byte != b'/').map_or(0, |at| at + 1);
    let end = length_without_slashes(value);
    match value[..end].iter().rposition(|&byte| byte == b'/') {
        _ if end == 0 && !value.is_empty() => b"/",
        None => b".",
        Some(at) => match length_without_slashes(&value[..at]) {
            0 => b"/",
            end => &value[..end],
        },
    }
}

/// Fills the placeholders of a word. Returns one word per value if a placeholder depends on the value, otherwise one
/// word.
pub(super) fn fill(pieces: &[Piece], values: &[&[u8]], index: u64, slot: usize) -> Vec<Vec<u8>> {
    let fill_one = |value: &[u8]| {
        let mut word = Vec::new();
        for piece in pieces {
            match piece {
                Piece::Text(text) => word.extend_from_slice(text),
                Piece::Placeholder(placeholder) => word.extend_from_slice(&placeholder.expand(value, index, slot)),
            }
        }
        word
    };
    if pieces.iter().filter_map(Piece::placeholder).any(Placeholder::depends_on_value) {
        values.iter().map(|value| fill_one(value)).collect()
    } else {
        vec![fill_one(b"")]
    }
}

/// Returns the words of `fill`, quoted for a shell and separated by blanks. Each piece is quoted on
/// its own, so that `CommandTemplate::may_render` can find the quoted texts in a line.
pub(super) fn render(pieces: &[Piece], values: &[&[u8]], index: u64, slot: usize) -> Vec<u8> {
    let render_one = |value: &[u8]| {
        let quoted = pieces.iter().map(|piece| match piece {
            Piece::Text(text) => shell_quote::quote(text).into_owned(),
            Piece::Placeholder(placeholder) => shell_quote::quote(&placeholder.expand(value, index, slot)).into_owned(),
        });
        quoted.collect::<Vec<_>>().concat()
    };
    if pieces.iter().filter_map(Piece::placeholder).any(Placeholder::depends_on_value) {
        values.iter().map(|value| render_one(value)).collect::<Vec<_>>().join(&b' ')
    } else {
        render_one(b"")
    }
}

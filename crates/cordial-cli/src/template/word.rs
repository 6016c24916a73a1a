//! One word of a command: texts and placeholders, filled with an item.

use super::placeholder::{Insertion, Placeholder};
use super::syntax::{BesideText, Syntax};
use crate::text::shell_quote::Quoting;

/// A part of a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Text(Vec<u8>),
    Placeholder(Placeholder),
}

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

/// Splits a word into pieces. A word without a placeholder is one text; a text beside a placeholder is never empty.
///
/// # Errors
///
/// A message, when the word contains a placeholder that is not supported, or stands for no value.
pub(super) fn split(word: &[u8], syntax: &Syntax) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut text = Vec::new();
    let mut at = 0;
    while at < word.len() {
        match syntax.parse_prefix(&word[at..])? {
            Some((placeholder, length)) => {
                if !text.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut text)));
                }
                pieces.push(Piece::Placeholder(placeholder));
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
    Ok(pieces)
}

/// Returns whether a placeholder for all values is beside other text.
pub(super) fn is_beside_text(pieces: &[Piece]) -> bool {
    pieces.len() > 1 && pieces.iter().filter_map(Piece::placeholder).any(Placeholder::is_for_all)
}

/// Calls `add` for each text that fills the word, and for each end of a word (`None`). A word that consists of placeholders for
/// values that the item does not have is left out, as a shell leaves out an empty text without quotes.
fn expand(pieces: &[Piece], insertion: &Insertion<'_>, beside_text: BesideText, mut add: impl FnMut(Option<&[u8]>)) {
    let mut expand_one = |values: &[&[u8]]| {
        for piece in pieces {
            match piece {
                Piece::Text(text) => add(Some(text)),
                Piece::Placeholder(Placeholder::Values(part)) => {
                    for (n, value) in values.iter().enumerate() {
                        if n > 0 {
                            add(None);
                        }
                        add(Some(part.of(value)));
                    }
                }
                Piece::Placeholder(placeholder) => add(Some(&placeholder.text(insertion))),
            }
        }
        add(None);
    };
    let is_missing = |piece: &Piece| piece.placeholder().is_some_and(|placeholder| placeholder.is_missing(insertion));
    if pieces.iter().filter_map(Piece::placeholder).any(Placeholder::is_for_all) {
        match beside_text {
            BesideText::Repeated => insertion.values.iter().for_each(|value| expand_one(&[value])),
            BesideText::Once | BesideText::Refused => expand_one(&insertion.values),
        }
    } else if !pieces.iter().all(is_missing) {
        expand_one(&[]);
    }
}

/// Appends the filled word, or the words that it becomes.
pub(super) fn fill(pieces: &[Piece], insertion: &Insertion<'_>, beside_text: BesideText, words: &mut Vec<Vec<u8>>) {
    let mut word = Vec::new();
    expand(pieces, insertion, beside_text, |text| match text {
        Some(text) => word.extend_from_slice(text),
        None => words.push(std::mem::take(&mut word)),
    });
}

/// Returns the words of `fill`, quoted for a shell, with a space between two of them; `None` if there are none. Each piece is
/// quoted on its own, so that `CommandTemplate::may_render` can find the quoted texts in a line.
pub(super) fn render(
    pieces: &[Piece],
    insertion: &Insertion<'_>,
    beside_text: BesideText,
    quoting: Quoting,
) -> Option<Vec<u8>> {
    let mut words: Vec<Vec<u8>> = Vec::new();
    let mut word = Vec::new();
    expand(pieces, insertion, beside_text, |text| match text {
        // Beside other text, an empty piece needs no quotes.
        Some(b"") => {}
        Some(text) => word.extend_from_slice(&quoting.quote(text)),
        None if word.is_empty() => words.push(quoting.quote(b"").into_owned()),
        None => words.push(std::mem::take(&mut word)),
    });
    (!words.is_empty()).then(|| words.join(&b' '))
}

//! The command to run: a template with placeholders, and what comes of it for one item.
//!
//! ```text
//! words of the command line ──► pieces of text and holes ──► the words of a process
//!                                                       └──► one line, as a shell would read it
//! ```

use std::ffi::OsString;

use super::placeholder::{self, Hole, Piece};
use super::shell::{self, Line};

use crate::item_failure::Failure;
use crate::item::{Item, Value};
use crate::text::shell_quote;
use crate::system;

/// A command in which the item is still missing.
#[derive(Debug)]
pub(crate) enum Template {
    Words(Vec<Vec<Piece>>),
    Shell(Line),
}

/// A command ready to run: the program, then its arguments.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CommandLine {
    pub(crate) words: Vec<OsString>,
    /// What a shell line finds in its environment.
    pub(crate) environment: Vec<(&'static str, OsString)>,
}

impl Template {
    /// The words of a command, the program first. Without a placeholder in any of them the item will come last.
    pub(crate) fn words(words: &[Vec<u8>], placeholder: &[u8]) -> Self {
        let mut words: Vec<Vec<Piece>> = words.iter().map(|word| placeholder::split(word, placeholder)).collect();
        if words.iter().all(|pieces| pieces.iter().all(|piece| piece.hole().is_none())) {
            words.push(vec![Piece::Hole(Hole::Item)]);
        }
        Template::Words(words)
    }

    /// A line for a shell, or a sentence about a placeholder that cannot stand where it stands.
    pub(crate) fn shell(line: &[u8], placeholder: &[u8]) -> Result<Self, String> {
        Line::new(line, placeholder).map(Template::Shell)
    }

    /// The command for one item, or why the system cannot take this item as an argument.
    pub(crate) fn fill(&self, item: &Item, slot: usize) -> Result<CommandLine, Failure> {
        let values = item.values.iter().map(argument).collect::<Result<Vec<&[u8]>, Failure>>()?;
        let command = match self {
            Template::Words(words) => {
                let mut filled = Vec::with_capacity(words.len());
                for pieces in words {
                    for word in placeholder::fill(pieces, &values, item.index, slot) {
                        filled.push(system::word(word)?);
                    }
                }
                CommandLine { words: filled, environment: Vec::new() }
            }
            Template::Shell(line) => line.fill(&values, item.index, slot)?,
        };
        // The item alone fits, but perhaps not with the text around it.
        let environment = command.environment.iter().map(|(name, value)| name.len() + 1 + value.len());
        let mut lengths = command.words.iter().map(|word| word.len()).chain(environment);
        match lengths.find(|&length| length > system::LONGEST_ARGUMENT) {
            Some(length) => Err(Failure::TooLongInside { length: length as u64 }),
            None => Ok(command),
        }
    }

    /// The command for one item as a line that a shell would read. An item that cannot be an argument is shown as far as it goes.
    pub(crate) fn show(&self, item: &Item, slot: usize) -> Vec<u8> {
        let values: Vec<&[u8]> = item.values.iter().map(Value::bytes).collect();
        match self {
            Template::Words(words) => {
                let quoted = words.iter().map(|pieces| placeholder::show(pieces, &values, item.index, slot));
                quoted.collect::<Vec<_>>().join(&b' ')
            }
            Template::Shell(line) => line.show(&values, item.index, slot),
        }
    }

    /// Whether `show` gives this line for some item. It may say so in error, but never deny in error.
    pub(crate) fn could_show(&self, line: &[u8]) -> bool {
        let mut fixed: Vec<Vec<u8>> = vec![Vec::new()];
        let mut add = |piece: Option<&[u8]>| match (piece, fixed.last_mut()) {
            (Some(text), Some(last)) => last.extend_from_slice(text),
            _ => fixed.push(Vec::new()),
        };
        match self {
            Template::Words(words) => {
                for (n, pieces) in words.iter().enumerate() {
                    if n > 0 {
                        add(Some(b" "));
                    }
                    for piece in pieces {
                        add(piece.text().map(shell_quote::word).as_deref());
                    }
                }
            }
            Template::Shell(line) => line.pieces().iter().for_each(|piece| add(piece.text())),
        }
        are_in(&fixed, line)
    }

    /// Whether the same item gives another command in another slot.
    pub(crate) fn knows_its_slot(&self) -> bool {
        let is_slot = |piece: &Piece| piece.hole() == Some(Hole::Slot);
        match self {
            Template::Words(words) => words.iter().flatten().any(is_slot),
            Template::Shell(line) => line.pieces().iter().any(is_slot),
        }
    }

    /// The only word, up to its first blank, if an item stands behind that: a line for a shell, by mistake.
    pub(crate) fn line_in_quotes(&self) -> Option<&[u8]> {
        let Template::Words(words) = self else { return None };
        // An item that is not named stands in a word of its own.
        let only = match &words[..] {
            [only] => only,
            _ => return None,
        };
        let [Piece::Text(first), _, ..] = &only[..] else { return None };
        let blank = first.iter().position(|&byte| byte == b' ')?;
        Some(&first[..blank])
    }

    /// The program, where it is the same for all items.
    pub(crate) fn program(&self) -> Option<&[u8]> {
        match self {
            Template::Words(words) => match &words.first()?[..] {
                [Piece::Text(program)] => Some(program),
                _ => None,
            },
            Template::Shell(_) => Some(shell::SHELL),
        }
    }
}

/// Whether the texts stand in the line in this order, the first at its start and the last at its end.
fn are_in(texts: &[Vec<u8>], line: &[u8]) -> bool {
    let [first, middle @ .., last] = texts else { return texts.first().is_none_or(|only| only == line) };
    let Some(mut rest) = line.strip_prefix(&first[..]).and_then(|rest| rest.strip_suffix(&last[..])) else {
        return false;
    };
    for text in middle.iter().filter(|text| !text.is_empty()) {
        match rest.windows(text.len()).position(|part| part == text) {
            Some(at) => rest = &rest[at + text.len()..],
            None => return false,
        }
    }
    true
}

/// A value that can be an argument.
fn argument(value: &Value) -> Result<&[u8], Failure> {
    match value {
        Value::TooLong { length, .. } => Err(Failure::TooLong { length: *length }),
        Value::Whole(bytes) => match bytes.iter().position(|&byte| byte == 0) {
            Some(at) => Err(Failure::Nul { position: at + 1 }),
            None => Ok(bytes),
        },
    }
}

#[cfg(test)]
mod tests;

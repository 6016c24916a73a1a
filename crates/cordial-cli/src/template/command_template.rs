//! A command with placeholders.

use super::command_line::CommandLine;
use super::placeholder::{self, Piece, Placeholder};
use super::shell::Shell;
use super::shell_line::ShellLine;
use crate::item::{Item, Value};
use crate::item_failure::ItemFailure;
use crate::system::{self, NotUnicode};
use crate::text::shell_quote;

/// A command with placeholders for the item.
#[derive(Debug)]
pub(crate) enum CommandTemplate {
    Words(Vec<Vec<Piece>>),
    Shell(ShellLine),
    /// Each item is a line for this shell.
    ItemIsLine(Shell),
}

impl CommandTemplate {
    /// Parses the words of a command, the program first. Without a placeholder in any word, the item becomes the last
    /// argument.
    pub(crate) fn words(words: &[Vec<u8>], item_placeholder: &[u8]) -> Self {
        let mut words: Vec<Vec<Piece>> = words.iter().map(|word| placeholder::split(word, item_placeholder)).collect();
        if words.iter().all(|pieces| pieces.iter().all(|piece| piece.placeholder().is_none())) {
            words.push(vec![Piece::Placeholder(Placeholder::Item)]);
        }
        CommandTemplate::Words(words)
    }

    /// Parses a line for a shell.
    ///
    /// # Errors
    ///
    /// A message, when a placeholder is inside quotes.
    pub(crate) fn shell(shell: Shell, line: &[u8], item_placeholder: &[u8]) -> Result<Self, String> {
        ShellLine::new(shell, line, item_placeholder).map(CommandTemplate::Shell)
    }

    /// Returns the command for one item.
    ///
    /// # Errors
    ///
    /// When the system does not accept the item as an argument.
    pub(crate) fn fill(&self, item: &Item, slot: usize) -> Result<CommandLine, ItemFailure> {
        let values = item.values.iter().map(argument).collect::<Result<Vec<&[u8]>, ItemFailure>>()?;
        let command = match self {
            CommandTemplate::Words(words) => {
                let mut filled = Vec::with_capacity(words.len());
                for pieces in words {
                    for word in placeholder::fill(pieces, &values, item.index, slot) {
                        filled.push(system::os_string(word).map_err(|NotUnicode| ItemFailure::NotUnicode)?);
                    }
                }
                CommandLine { words: filled, environment: Vec::new() }
            }
            CommandTemplate::Shell(line) => line.fill(&values, item.index, slot)?,
            CommandTemplate::ItemIsLine(shell) => {
                let words = [shell.program(), b"-c", &values.join(&b' '), shell.name()].map(<[u8]>::to_vec);
                let words = words.into_iter().map(system::os_string).collect::<Result<_, NotUnicode>>();
                CommandLine { words: words.map_err(|NotUnicode| ItemFailure::NotUnicode)?, environment: Vec::new() }
            }
        };
        // An item that fits alone may not fit together with the text around its placeholder.
        let environment = command.environment.iter().map(|(name, value)| name.len() + 1 + value.len());
        let mut lengths = command.words.iter().map(|word| word.len()).chain(environment);
        match lengths.find(|&length| length > system::MAX_ARGUMENT_BYTES) {
            Some(length) => Err(ItemFailure::ArgumentTooLong { length: length as u64 }),
            None => Ok(command),
        }
    }

    /// Returns the command for one item as a line that a shell can read. Of an item that is too long, the line contains
    /// only the start.
    pub(crate) fn render(&self, item: &Item, slot: usize) -> Vec<u8> {
        let values: Vec<&[u8]> = item.values.iter().map(Value::bytes).collect();
        match self {
            CommandTemplate::Words(words) => {
                let quoted = words.iter().map(|pieces| placeholder::render(pieces, &values, item.index, slot));
                quoted.collect::<Vec<_>>().join(&b' ')
            }
            CommandTemplate::Shell(line) => line.render(&values, item.index, slot),
            CommandTemplate::ItemIsLine(shell) => {
                let line = values.join(&b' ');
                // A record is one line.
                match line.contains(&b'\n') {
                    true => [shell.program(), b" -c ", &shell_quote::quote(&line)].concat(),
                    false => line,
                }
            }
        }
    }

    /// Returns whether `render` may return this line for some item. False positives are possible, false negatives are
    /// not.
    pub(crate) fn may_render(&self, line: &[u8]) -> bool {
        let mut texts: Vec<Vec<u8>> = vec![Vec::new()];
        let mut add = |piece: Option<&[u8]>| match (piece, texts.last_mut()) {
            (Some(text), Some(last)) => last.extend_from_slice(text),
            _ => texts.push(Vec::new()),
        };
        match self {
            CommandTemplate::Words(words) => {
                for (n, pieces) in words.iter().enumerate() {
                    if n > 0 {
                        add(Some(b" "));
                    }
                    for piece in pieces {
                        add(piece.text().map(shell_quote::quote).as_deref());
                    }
                }
            }
            CommandTemplate::Shell(line) => line.pieces().iter().for_each(|piece| add(piece.text())),
            CommandTemplate::ItemIsLine(_) => return true,
        }
        contains_in_order(line, &texts)
    }

    /// Returns whether the command of an item depends on the slot in which it runs.
    pub(crate) fn uses_slot(&self) -> bool {
        let is_slot = |piece: &Piece| piece.placeholder() == Some(Placeholder::Slot);
        match self {
            CommandTemplate::Words(words) => words.iter().flatten().any(is_slot),
            CommandTemplate::Shell(line) => line.pieces().iter().any(is_slot),
            CommandTemplate::ItemIsLine(_) => false,
        }
    }

    /// Returns the program if it is the same for all items.
    pub(crate) fn program(&self) -> Option<&[u8]> {
        match self {
            CommandTemplate::Words(words) => match &words.first()?[..] {
                [Piece::Text(program)] => Some(program),
                _ => None,
            },
            CommandTemplate::Shell(line) => Some(line.shell().program()),
            CommandTemplate::ItemIsLine(shell) => Some(shell.program()),
        }
    }
}

/// Returns whether the line contains the texts in this order, the first at its start and the last at its end.
fn contains_in_order(line: &[u8], texts: &[Vec<u8>]) -> bool {
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

/// Returns the bytes of a value that can be an argument.
fn argument(value: &Value) -> Result<&[u8], ItemFailure> {
    match value {
        Value::TooLong { length, .. } => Err(ItemFailure::ItemTooLong { length: *length }),
        Value::Whole(bytes) => match bytes.iter().position(|&byte| byte == 0) {
            Some(at) => Err(ItemFailure::NulByte { position: at + 1 }),
            None => Ok(bytes),
        },
    }
}

#[cfg(test)]
mod tests;

//! A command with placeholders.

use super::command_line::CommandLine;
use super::path_part::Part;
use super::placeholder::{Insertion, Placeholder};
use super::shell::Shell;
use super::shell_line::ShellLine;
use super::syntax::{BesideText, Syntax};
use super::word::{self, Piece};
use crate::command_size::CommandSize;
use crate::item::{Item, Value};
use crate::item_failure::ItemFailure;
use crate::system::{self, NotUnicode};
use crate::text::display;
use crate::text::shell_quote::Quoting;

/// The variable in which a command finds the number of its item.
const INDEX_VARIABLE: &[u8] = b"CORDIAL_INDEX";

/// A command with placeholders for the item.
#[derive(Debug)]
pub(crate) enum CommandTemplate {
    Words(Words),
    Shell(ShellLine),
    /// Each item is a line for this shell.
    ItemIsLine(Shell),
}

/// The words of a command.
#[derive(Debug)]
pub(crate) struct Words {
    words: Vec<Vec<Piece>>,
    beside_text: BesideText,
}

impl CommandTemplate {
    /// Parses the words of a command, the program first. Without a placeholder in any word, the item becomes the last
    /// argument, unless `-I` is given.
    ///
    /// # Errors
    ///
    /// A message, when a placeholder is not supported, stands for no value, or cannot be beside other text.
    pub(crate) fn words(words: &[Vec<u8>], syntax: &Syntax) -> Result<Self, String> {
        Syntax::check_computed(words)?;
        let given = words;
        let mut words = given.iter().map(|word| word::split(word, syntax)).collect::<Result<Vec<_>, String>>()?;
        if syntax.beside_text() == BesideText::Refused
            && let Some(at) = words.iter().position(|pieces| word::is_beside_text(pieces))
        {
            return Err(format!(
                "the placeholder in {} is beside other text, which GNU parallel would insert only once for several items: -N N \
                 or -X repeats the word for each item",
                display::quoted(&given[at]),
            ));
        }
        let has_placeholder = words.iter().flatten().any(|piece| piece.placeholder().is_some());
        if !has_placeholder && syntax.appends_item() {
            words.push(vec![Piece::Placeholder(Placeholder::Values(Part::Whole))]);
        }
        Ok(CommandTemplate::Words(Words { words, beside_text: syntax.beside_text() }))
    }

    /// Parses the name of a file. Without a placeholder, the name is the same for all items.
    ///
    /// # Errors
    ///
    /// A message, when a placeholder is not supported, or stands for no value.
    pub(crate) fn name(name: &[u8], syntax: &Syntax) -> Result<Self, String> {
        let words = vec![word::split(name, syntax)?];
        Ok(CommandTemplate::Words(Words { words, beside_text: syntax.beside_text() }))
    }

    /// Parses a line for a shell.
    ///
    /// # Errors
    ///
    /// A message, when a placeholder is not supported, or stands where it cannot be replaced, for example inside quotes.
    pub(crate) fn shell(shell: Shell, line: &[u8], syntax: &Syntax) -> Result<Self, String> {
        ShellLine::new(shell, line, syntax).map(CommandTemplate::Shell)
    }

    /// Returns the command for one item.
    ///
    /// # Errors
    ///
    /// When the system does not accept the arguments of the command, when the shell would evaluate the item, when the item is a line
    /// that needs bash, or when it has no value for any word.
    pub(crate) fn fill(&self, item: &Item, slot: usize) -> Result<CommandLine<'_>, ItemFailure> {
        let values = item.arguments();
        let argument = |(index, value)| match argument(value) {
            // A column that the command does not use may be anything.
            Err(_) if !self.uses_value(index, values.len()) => Ok(&b""[..]),
            bytes => bytes,
        };
        let values = values.iter().enumerate().map(argument).collect::<Result<Vec<&[u8]>, ItemFailure>>()?;
        let insertion = Insertion { values, index: item.index, slot };
        let command = match self {
            CommandTemplate::Words(Words { words, beside_text }) => {
                let mut filled = Vec::with_capacity(words.len());
                words.iter().for_each(|pieces| word::fill(pieces, &insertion, *beside_text, &mut filled));
                let filled = filled.into_iter().map(system::os_string).collect::<Result<_, NotUnicode>>();
                CommandLine { words: filled.map_err(|NotUnicode| ItemFailure::NotUnicode)?, environment: Vec::new() }
            }
            CommandTemplate::Shell(line) => line.fill(&insertion)?,
            CommandTemplate::ItemIsLine(shell) => {
                let script = insertion.values.join(&b' ');
                shell.check(&script).map_err(ItemFailure::OnlyInBash)?;
                let words = [shell.program(), b"-c", &script, shell.name()].map(<[u8]>::to_vec);
                let words = words.into_iter().map(system::os_string).collect::<Result<_, NotUnicode>>();
                CommandLine { words: words.map_err(|NotUnicode| ItemFailure::NotUnicode)?, environment: Vec::new() }
            }
        };
        // An item that fits alone may not fit together with the text around its placeholder.
        let environment = command.environment.iter().map(|(name, value)| name.len() + 1 + value.len());
        let mut lengths = command.words.iter().map(|word| word.len()).chain(environment);
        match lengths.find(|&length| length > system::MAX_ARGUMENT_BYTES) {
            Some(length) => Err(ItemFailure::ArgumentTooLong { length: length as u64 }),
            None if command.words.is_empty() => Err(ItemFailure::NoProgram),
            None => Ok(command),
        }
    }

    /// Returns the command for one item as a line that a shell can read. Of an item that is too long, the line contains
    /// only the start.
    pub(crate) fn render(&self, item: &Item, slot: usize, quoting: Quoting) -> Vec<u8> {
        let values = item.arguments().iter().map(Value::bytes).collect();
        let insertion = Insertion { values, index: item.index, slot };
        match self {
            CommandTemplate::Words(Words { words, beside_text }) => {
                let quoted = words.iter().filter_map(|pieces| word::render(pieces, &insertion, *beside_text, quoting));
                quoted.collect::<Vec<_>>().join(&b' ')
            }
            CommandTemplate::Shell(line) => line.render(&insertion, quoting),
            CommandTemplate::ItemIsLine(shell) => {
                let line = insertion.values.join(&b' ');
                // A line of the joblog holds one command.
                match line.contains(&b'\n') {
                    true => [shell.program(), b" -c ", &quoting.quote(&line)].concat(),
                    false => line,
                }
            }
        }
    }

    /// Returns whether `render` may return this line, with `Quoting::AnyShell`, for some item. False positives are possible, false
    /// negatives are not.
    pub(crate) fn may_render(&self, line: &[u8]) -> bool {
        let mut texts: Vec<Vec<u8>> = vec![Vec::new()];
        let mut add = |piece: Option<&[u8]>| match (piece, texts.last_mut()) {
            (Some(text), Some(last)) => last.extend_from_slice(text),
            _ => texts.push(Vec::new()),
        };
        match self {
            CommandTemplate::Words(Words { words, .. }) => {
                let mut has_word = false;
                for (n, pieces) in words.iter().enumerate() {
                    // A word that only some items have is left out with its blank.
                    let is_optional =
                        pieces.iter().all(|piece| matches!(piece.placeholder(), Some(Placeholder::Value(..))));
                    if n > 0 {
                        add((has_word && !is_optional).then_some(b" "));
                    }
                    has_word |= !is_optional;
                    for piece in pieces {
                        add(piece.text().map(|text| Quoting::AnyShell.quote(text)).as_deref());
                    }
                }
            }
            CommandTemplate::Shell(line) => line.pieces().for_each(|piece| add(piece.text())),
            CommandTemplate::ItemIsLine(_) => return true,
        }
        contains_in_order(line, &texts)
    }

    /// Returns how long the command line of an item becomes. A number that `{#}` or `{%}` inserts counts as if it were a value.
    pub(crate) fn size(&self) -> CommandSize {
        let mut size = CommandSize::default();
        match self {
            CommandTemplate::Words(Words { words, .. }) => {
                for pieces in words {
                    let text: usize = pieces.iter().filter_map(Piece::text).map(|text| text.len()).sum();
                    size.copies += pieces.iter().filter(|piece| piece.placeholder().is_some()).count();
                    let is_repeated =
                        pieces.iter().filter_map(Piece::placeholder).any(Placeholder::is_for_all) && pieces.len() > 1;
                    *(if is_repeated { &mut size.around } else { &mut size.fixed }) += text;
                    size.fixed += usize::from(pieces.iter().all(|piece| piece.placeholder().is_none()));
                }
            }
            CommandTemplate::Shell(line) => return line.size(),
            CommandTemplate::ItemIsLine(_) => size.copies = 1,
        }
        // The byte that ends a word.
        size.per_value = size.copies;
        size
    }

    /// Returns how long the command of an item becomes as a person would type it. For a line for a shell, this is the line with the
    /// quoted values in it, and not the script that the shell gets. For all other commands, it is the same as `size`.
    pub(crate) fn line_size(&self) -> CommandSize {
        match self {
            CommandTemplate::Shell(line) => line.line_size(),
            CommandTemplate::Words(_) | CommandTemplate::ItemIsLine(_) => self.size(),
        }
    }

    /// Returns whether the command names values of the item by their positions. Any `$1` counts, because a word may be a script of `sh -c`.
    pub(crate) fn names_values(&self) -> bool {
        let is_parameter = |rest: &[u8]| match rest {
            [b'$', b'{', digit, ..] | [b'$', digit, ..] => digit.is_ascii_digit(),
            _ => false,
        };
        let is_position = |piece: &Piece| {
            matches!(piece.placeholder(), Some(Placeholder::Value(..)))
                || piece.text().is_some_and(|text| (0..text.len()).any(|at| is_parameter(&text[at..])))
        };
        match self {
            CommandTemplate::Words(Words { words, .. }) => words.iter().flatten().any(is_position),
            CommandTemplate::Shell(line) => line.pieces().any(|piece| is_position(&piece)),
            CommandTemplate::ItemIsLine(_) => false,
        }
    }

    /// Returns whether the command has a placeholder for values of the item, or is the item. A reference to an argument of the
    /// shell, such as `$1`, does not count.
    pub(crate) fn uses_item(&self) -> bool {
        let is_item =
            |piece: &Piece| piece.placeholder().is_some_and(|it| !matches!(it, Placeholder::Slot | Placeholder::Index));
        match self {
            CommandTemplate::Words(Words { words, .. }) => words.iter().flatten().any(is_item),
            CommandTemplate::Shell(line) => line.pieces().any(|piece| is_item(&piece)),
            CommandTemplate::ItemIsLine(_) => true,
        }
    }

    /// Returns whether the command of an item with `n_values` values may contain the value with this index.
    fn uses_value(&self, index: usize, n_values: usize) -> bool {
        let is_used = |piece: &Piece| piece.placeholder().is_some_and(|placeholder| placeholder.uses(index, n_values));
        match self {
            CommandTemplate::Words(Words { words, .. }) => words.iter().flatten().any(is_used),
            // The shell may expand `$2`, or `$*`.
            CommandTemplate::Shell(line) => {
                line.pieces().any(|piece| is_used(&piece) || piece.text().is_some_and(|text| text.contains(&b'$')))
            }
            CommandTemplate::ItemIsLine(_) => true,
        }
    }

    /// Returns whether the command has the placeholder of the slot.
    pub(crate) fn uses_slot(&self) -> bool {
        let is_slot = |piece: &Piece| piece.placeholder() == Some(Placeholder::Slot);
        match self {
            CommandTemplate::Words(Words { words, .. }) => words.iter().flatten().any(is_slot),
            CommandTemplate::Shell(line) => line.pieces().any(|piece| is_slot(&piece)),
            CommandTemplate::ItemIsLine(_) => false,
        }
    }

    /// Returns whether the command of an item contains the number of the item, or the name of the variable that holds it.
    pub(crate) fn uses_index(&self, item: &Item) -> bool {
        let names_index = |text: &[u8]| text.windows(INDEX_VARIABLE.len()).any(|part| part == INDEX_VARIABLE);
        let is_index =
            |piece: &Piece| piece.placeholder() == Some(Placeholder::Index) || piece.text().is_some_and(names_index);
        match self {
            CommandTemplate::Words(Words { words, .. }) => words.iter().flatten().any(is_index),
            CommandTemplate::Shell(line) => line.pieces().any(|piece| is_index(&piece)),
            CommandTemplate::ItemIsLine(_) => item.values.iter().any(|value| names_index(value.bytes())),
        }
    }

    /// Returns the program if it is the same for all items.
    pub(crate) fn program(&self) -> Option<&[u8]> {
        match self {
            CommandTemplate::Words(Words { words, .. }) => match &words.first()?[..] {
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

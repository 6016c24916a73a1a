//! A line for a shell (`--shell`). Placeholders become references to the arguments and the
//! environment of the shell, so that the shell never parses the text of an item.
//!
//! ```text
//! gzip < {} > {.}.gz   ──►   sh -c 'gzip < "$*" > "$CORDIAL_STEM".gz' sh ITEM…
//! ```
//!
//! This is not a full parser of shell syntax. It recognizes quotes, escapes and comments, which is
//! enough to refuse a placeholder inside quotes: the quotes around its reference would end the
//! quotes of the line.

use super::command_line::CommandLine;
use super::placeholder::{self, Piece, Placeholder};
use super::shell::Shell;
use crate::item_failure::ItemFailure;
use crate::system::{self, NotUnicode};
use crate::text::{display, shell_quote};

/// A line with placeholders.
#[derive(Debug)]
pub(crate) struct ShellLine {
    shell: Shell,
    pieces: Vec<Piece>,
    script: Vec<u8>,
}

/// The syntax around a position in the line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Quoting {
    Unquoted,
    SingleQuotes,
    /// `$'…'`, in which a backslash escapes.
    AnsiQuotes,
    DoubleQuotes,
    Comment,
}

impl ShellLine {
    /// Parses a line. Without a placeholder and without a reference to the arguments, the item is appended.
    ///
    /// # Errors
    ///
    /// A message, when a placeholder is inside quotes.
    pub(super) fn new(shell: Shell, line: &[u8], item_placeholder: &[u8]) -> Result<ShellLine, String> {
        let mut pieces = parse(line, item_placeholder)?;
        let has_placeholder = pieces.iter().any(|piece| piece.placeholder().is_some());
        if !has_placeholder && !refers_to_arguments(line) {
            let mut text = [line, b" "].concat();
            pieces.clear();
            placeholder::push(&mut pieces, &mut text, Placeholder::Item);
        }
        Ok(ShellLine { script: script(&pieces), shell, pieces })
    }

    pub(super) fn shell(&self) -> &Shell {
        &self.shell
    }

    pub(super) fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// Returns the command of the shell for one item.
    pub(super) fn fill(&self, values: &[&[u8]], index: u64, slot: usize) -> Result<CommandLine, ItemFailure> {
        let os_string = |bytes| system::os_string(bytes).map_err(|NotUnicode| ItemFailure::NotUnicode);
        let fixed = [self.shell.program(), b"-c", &self.script, self.shell.name()];
        let words = fixed.iter().chain(values).map(|word| os_string(word.to_vec()));
        let mut environment = Vec::new();
        for (placeholder, name) in VARIABLES {
            if self.pieces.contains(&Piece::Placeholder(placeholder)) {
                let all: Vec<_> = values.iter().map(|value| placeholder.expand(value, index, slot)).collect();
                environment.push((name, os_string(all.join(&b' '))?));
            }
        }
        Ok(CommandLine { words: words.collect::<Result<_, ItemFailure>>()?, environment })
    }

    /// Returns the line with the item in the place of the placeholders, quoted.
    pub(super) fn render(&self, values: &[&[u8]], index: u64, slot: usize) -> Vec<u8> {
        let mut line = Vec::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => line.extend_from_slice(text),
                Piece::Placeholder(number @ (Placeholder::Index | Placeholder::Slot)) => {
                    line.extend_from_slice(&number.expand(b"", index, slot));
                }
                Piece::Placeholder(placeholder) => {
                    let quoted = values
                        .iter()
                        .map(|value| shell_quote::quote(&placeholder.expand(value, index, slot)).into_owned());
                    line.extend_from_slice(&quoted.collect::<Vec<_>>().join(&b' '));
                }
            }
        }
        line
    }
}

/// The variables for parts of the item. The item itself is passed as arguments.
const VARIABLES: [(Placeholder, &str); 4] = [
    (Placeholder::Stem, "CORDIAL_STEM"),
    (Placeholder::Name, "CORDIAL_NAME"),
    (Placeholder::Parent, "CORDIAL_PARENT"),
    (Placeholder::NameStem, "CORDIAL_NAME_STEM"),
];

/// Returns the script for `sh -c`: the line with references in the place of the placeholders.
fn script(pieces: &[Piece]) -> Vec<u8> {
    let mut script: Vec<u8> = Vec::new();
    for (n, piece) in pieces.iter().enumerate() {
        let next = pieces.get(n + 1).map(|next| next.text().and_then(|text| text.first().copied()).unwrap_or(b'{'));
        let reference: &[u8] = match piece {
            Piece::Text(text) => text,
            Piece::Placeholder(Placeholder::Item) if may_become_words(&script, next) => br#""$@""#,
            Piece::Placeholder(Placeholder::Item) => br#""$*""#,
            Piece::Placeholder(Placeholder::Stem) => br#""$CORDIAL_STEM""#,
            Piece::Placeholder(Placeholder::Name) => br#""$CORDIAL_NAME""#,
            Piece::Placeholder(Placeholder::Parent) => br#""$CORDIAL_PARENT""#,
            Piece::Placeholder(Placeholder::NameStem) => br#""$CORDIAL_NAME_STEM""#,
            Piece::Placeholder(Placeholder::Index) => br#""$CORDIAL_INDEX""#,
            Piece::Placeholder(Placeholder::Slot) => br#""$CORDIAL_SLOT""#,
        };
        script.extend_from_slice(reference);
    }
    script
}

/// Returns whether several values may become several words at this position: not beside other text, and not as the file
/// of a redirection.
fn may_become_words(before: &[u8], next: Option<u8>) -> bool {
    let ends_word = |byte: &u8| byte.is_ascii_whitespace() || b";&|()`".contains(byte);
    let last = before.iter().rfind(|byte| !byte.is_ascii_whitespace());
    before.last().is_none_or(ends_word)
        && next.as_ref().is_none_or(ends_word)
        && last.is_none_or(|byte| !b"<>".contains(byte))
}

fn refers_to_arguments(line: &[u8]) -> bool {
    let references = ["$1", "$@", "$*", "${1", "${@", "${*"];
    references.iter().any(|name| line.windows(name.len()).any(|part| part == name.as_bytes()))
}

fn parse(line: &[u8], item_placeholder: &[u8]) -> Result<Vec<Piece>, String> {
    let (mut pieces, mut text) = (Vec::new(), Vec::new());
    let mut quoting = Quoting::Unquoted;
    let mut at = 0;
    while at < line.len() {
        let before = at.checked_sub(1).map(|before| line[before]);
        let found = placeholder::parse_prefix(&line[at..], item_placeholder);
        // `${}`, `${#}` and the like belong to the shell.
        if let Some((placeholder, length)) = found.filter(|_| before != Some(b'$')) {
            match quoting {
                Quoting::Unquoted => {
                    placeholder::push(&mut pieces, &mut text, placeholder);
                    at += length;
                    continue;
                }
                Quoting::Comment => {}
                Quoting::SingleQuotes | Quoting::AnsiQuotes | Quoting::DoubleQuotes => {
                    let shown = String::from_utf8_lossy(&line[at..at + length]);
                    return Err(format!(
                        "{shown} is inside quotes in {}: remove the quotes, since cordial quotes the item itself; or write \"$1\"; \
                         or choose another placeholder with -I",
                        display::quoted(line)
                    ));
                }
            }
        }
        let is_word_start = before.is_none_or(|byte| byte.is_ascii_whitespace() || b";&|()".contains(&byte));
        let is_escape =
            line[at] == b'\\' && matches!(quoting, Quoting::Unquoted | Quoting::AnsiQuotes | Quoting::DoubleQuotes);
        quoting = match (quoting, line[at]) {
            _ if is_escape => quoting,
            (Quoting::Unquoted, b'\'') if before == Some(b'$') => Quoting::AnsiQuotes,
            (Quoting::Unquoted, b'\'') => Quoting::SingleQuotes,
            (Quoting::Unquoted, b'"') => Quoting::DoubleQuotes,
            (Quoting::Unquoted, b'#') if is_word_start => Quoting::Comment,
            (Quoting::SingleQuotes | Quoting::AnsiQuotes, b'\'')
            | (Quoting::DoubleQuotes, b'"')
            | (Quoting::Comment, b'\n') => Quoting::Unquoted,
            _ => quoting,
        };
        let length = if is_escape { 2 } else { 1 };
        text.extend_from_slice(&line[at..line.len().min(at + length)]);
        at += length;
    }
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
    Ok(pieces)
}

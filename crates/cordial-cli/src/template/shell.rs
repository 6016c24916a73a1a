//! A line for a shell. The text of an item never becomes part of the script: placeholders become references to the arguments and the
//! environment of the shell, so that no item can be read as a command.
//!
//! ```text
//! gzip < {} > {.}.gz   ──►   sh -c 'gzip < "$*" > "$CORDIAL_STEM".gz' cordial ITEM…
//! ```
//!
//! This is not a parser of shells. It knows quotes, escapes and comments, as far as it takes to refuse a placeholder inside quotes, where
//! a reference of ours would be taken apart.

use super::command_template::CommandLine;
use super::placeholder::{self, Hole, Piece};
use crate::item_failure::Failure;
use crate::text::{display, shell_quote};
use crate::system;

pub(super) const SHELL: &[u8] = b"sh";

/// What the shell calls itself in its messages.
const NAME: &[u8] = b"cordial";

/// A line with placeholders.
#[derive(Debug)]
pub(crate) struct Line {
    pieces: Vec<Piece>,
    script: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Inside {
    Nothing,
    Single,
    /// `$'…'`, in which a backslash escapes.
    Ansi,
    Double,
    Comment,
}

impl Line {
    pub(super) fn new(line: &[u8], placeholder: &[u8]) -> Result<Line, String> {
        let mut pieces = parse(line, placeholder)?;
        let has_item = pieces.iter().any(|piece| piece.hole().is_some());
        if !has_item && !mentions_arguments(line) {
            let mut text = [line, b" "].concat();
            pieces.clear();
            placeholder::push(&mut pieces, &mut text, Hole::Item);
        }
        Ok(Line { script: script(&pieces), pieces })
    }

    pub(super) fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    pub(super) fn fill(&self, values: &[&[u8]], index: u64, slot: usize) -> Result<CommandLine, Failure> {
        let fixed = [SHELL, b"-c", &self.script, NAME];
        let words = fixed.iter().chain(values).map(|word| system::word(word.to_vec()));
        let mut environment = Vec::new();
        for (hole, name) in VARIABLES {
            if self.pieces.contains(&Piece::Hole(hole)) {
                let all: Vec<_> = values.iter().map(|value| hole.of(value, index, slot)).collect();
                environment.push((name, system::word(all.join(&b' '))?));
            }
        }
        Ok(CommandLine { words: words.collect::<Result<_, Failure>>()?, environment })
    }

    pub(super) fn show(&self, values: &[&[u8]], index: u64, slot: usize) -> Vec<u8> {
        let mut shown = Vec::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => shown.extend_from_slice(text),
                Piece::Hole(hole @ (Hole::Index | Hole::Slot)) => shown.extend_from_slice(&hole.of(b"", index, slot)),
                Piece::Hole(hole) => {
                    let quoted = values.iter().map(|value| shell_quote::word(&hole.of(value, index, slot)).into_owned());
                    shown.extend_from_slice(&quoted.collect::<Vec<_>>().join(&b' '));
                }
            }
        }
        shown
    }
}

/// Where a shell line finds what is made of its item. The item itself is its argument.
const VARIABLES: [(Hole, &str); 4] = [
    (Hole::Stem, "CORDIAL_STEM"),
    (Hole::Name, "CORDIAL_NAME"),
    (Hole::Parent, "CORDIAL_PARENT"),
    (Hole::NameStem, "CORDIAL_NAME_STEM"),
];

fn script(pieces: &[Piece]) -> Vec<u8> {
    let mut script: Vec<u8> = Vec::new();
    for (n, piece) in pieces.iter().enumerate() {
        let next = pieces.get(n + 1).map(|next| next.text().and_then(|text| text.first().copied()).unwrap_or(b'{'));
        let reference: &[u8] = match piece {
            Piece::Text(text) => text,
            Piece::Hole(Hole::Item) if is_word_of_its_own(&script, next) => br#""$@""#,
            Piece::Hole(Hole::Item) => br#""$*""#,
            Piece::Hole(Hole::Stem) => br#""$CORDIAL_STEM""#,
            Piece::Hole(Hole::Name) => br#""$CORDIAL_NAME""#,
            Piece::Hole(Hole::Parent) => br#""$CORDIAL_PARENT""#,
            Piece::Hole(Hole::NameStem) => br#""$CORDIAL_NAME_STEM""#,
            Piece::Hole(Hole::Index) => br#""$CORDIAL_INDEX""#,
            Piece::Hole(Hole::Slot) => br#""$CORDIAL_SLOT""#,
        };
        script.extend_from_slice(reference);
    }
    script
}

/// Whether several values may become several words here: not beside other text, and not as the file of a redirection.
fn is_word_of_its_own(before: &[u8], next: Option<u8>) -> bool {
    let ends = |byte: &u8| byte.is_ascii_whitespace() || b";&|()`".contains(byte);
    let last = before.iter().rfind(|byte| !byte.is_ascii_whitespace());
    before.last().is_none_or(ends) && next.as_ref().is_none_or(ends) && last.is_none_or(|byte| !b"<>".contains(byte))
}

fn mentions_arguments(line: &[u8]) -> bool {
    let names = ["$1", "$@", "$*", "${1", "${@", "${*"];
    names.iter().any(|name| line.windows(name.len()).any(|part| part == name.as_bytes()))
}

fn parse(line: &[u8], placeholder: &[u8]) -> Result<Vec<Piece>, String> {
    let (mut pieces, mut text) = (Vec::new(), Vec::new());
    let mut inside = Inside::Nothing;
    let mut at = 0;
    while at < line.len() {
        let before = at.checked_sub(1).map(|before| line[before]);
        if let Some((hole, length)) = placeholder::at_start(&line[at..], placeholder).filter(|_| before != Some(b'$')) {
            match inside {
                Inside::Nothing => {
                    placeholder::push(&mut pieces, &mut text, hole);
                    at += length;
                    continue;
                }
                Inside::Comment => {}
                Inside::Single | Inside::Ansi | Inside::Double => {
                    let shown = String::from_utf8_lossy(&line[at..at + length]);
                    return Err(format!(
                        "{shown} stands inside quotes in {}: leave the quotes out, it is quoted for you; or use \"$1\"; or choose \
                         another placeholder with -I",
                        display::quoted(line)
                    ));
                }
            }
        }
        let is_start = before.is_none_or(|byte| byte.is_ascii_whitespace() || b";&|()".contains(&byte));
        let escapes = line[at] == b'\\' && matches!(inside, Inside::Nothing | Inside::Ansi | Inside::Double);
        inside = match (inside, line[at]) {
            _ if escapes => inside,
            (Inside::Nothing, b'\'') if before == Some(b'$') => Inside::Ansi,
            (Inside::Nothing, b'\'') => Inside::Single,
            (Inside::Nothing, b'"') => Inside::Double,
            (Inside::Nothing, b'#') if is_start => Inside::Comment,
            (Inside::Single | Inside::Ansi, b'\'') | (Inside::Double, b'"') | (Inside::Comment, b'\n') => {
                Inside::Nothing
            }
            _ => inside,
        };
        let taken = if escapes { 2 } else { 1 };
        text.extend_from_slice(&line[at..line.len().min(at + taken)]);
        at += taken;
    }
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
    Ok(pieces)
}

//! A line for a shell (`--shell`). Placeholders become references to the arguments and the
//! environment of the shell, so that the shell never parses the text of an item.
//!
//! ```text
//! gzip < {} > {.}.gz   ──►   sh -c 'gzip < "$*" > "$CORDIAL_STEM".gz' sh ITEM…
//! ```
//!
//! A calculation such as `$(({} + 1))` is the exception: the shell would evaluate the item. So it has to be a number.

use super::command_line::CommandLine;
use super::path_part::Part;
use super::placeholder::{Insertion, Placeholder};
use super::shell::Shell;
use super::shell_scan::{Place, ShellPiece, scan};
use super::syntax::Syntax;
use super::word::Piece;
use crate::item_failure::ItemFailure;
use crate::system::{self, NotUnicode};
use crate::text::{display, shell_quote};

/// A line with placeholders.
#[derive(Debug)]
pub(crate) struct ShellLine {
    shell: Shell,
    pieces: Vec<ShellPiece>,
    script: Vec<u8>,
    /// The placeholders that the script finds in variables, and the names of the variables.
    variables: Vec<(Placeholder, String)>,
    /// The placeholders that are in calculations.
    numbers: Vec<Placeholder>,
}

impl ShellLine {
    /// Parses a line. Without a placeholder and without a reference to the arguments, the item is appended, unless `-I`
    /// is given.
    ///
    /// # Errors
    ///
    /// A message, when a placeholder is inside quotes, is not supported, or would stand for several values in one word.
    pub(super) fn new(shell: Shell, line: &[u8], syntax: &Syntax) -> Result<ShellLine, String> {
        let mut pieces = scan(line, syntax)?;
        let has_placeholder = pieces.iter().any(|piece| matches!(piece, ShellPiece::Placeholder(..)));
        if !has_placeholder && !refers_to_arguments(line) && syntax.appends_item() {
            pieces = vec![
                ShellPiece::Text([line, b" "].concat()),
                ShellPiece::Placeholder(Placeholder::Values(Part::Whole), Place::Words),
            ];
        }
        let is_ambiguous =
            |piece: &ShellPiece| matches!(piece, ShellPiece::Placeholder(Placeholder::Values(_), Place::OneWord));
        if syntax.has_many_values() && pieces.iter().any(is_ambiguous) {
            return Err(format!(
                "a placeholder in {} is beside other text or a file of a redirection, but may stand for several values: \
                 choose one value, such as {{1}}; or write \"$*\" for all of them as one word",
                display::quoted(line)
            ));
        }
        let (mut script, mut variables, mut numbers) = (Vec::new(), Vec::new(), Vec::new());
        for piece in &pieces {
            match piece {
                ShellPiece::Text(text) => script.extend_from_slice(text),
                ShellPiece::Placeholder(placeholder, place) => {
                    if *place == Place::Arithmetic {
                        numbers.push(*placeholder);
                    }
                    let reference = reference(*placeholder, &mut variables);
                    let reference = match (&reference[..], place) {
                        ("*", Place::Words) => r#""$@""#.to_owned(),
                        // Without the value there is no word, as with GNU parallel.
                        (number, Place::Words) if number.parse::<i32>().is_ok() && syntax.has_many_values() => {
                            format!("${{{number}+\"${{{number}}}\"}}")
                        }
                        (_, Place::Words | Place::OneWord) if reference.len() == 1 => format!("\"${reference}\""),
                        (_, Place::Words | Place::OneWord) => format!("\"${{{reference}}}\""),
                        (_, Place::Arithmetic | Place::Text) => format!("${{{reference}}}"),
                    };
                    script.extend_from_slice(reference.as_bytes());
                }
            }
        }
        Ok(ShellLine { shell, pieces, script, variables, numbers })
    }

    pub(super) fn shell(&self) -> &Shell {
        &self.shell
    }

    pub(super) fn pieces(&self) -> impl Iterator<Item = Piece> {
        self.pieces.iter().map(|piece| match piece {
            ShellPiece::Text(text) => Piece::Text(text.clone()),
            ShellPiece::Placeholder(placeholder, _) => Piece::Placeholder(*placeholder),
        })
    }

    /// Returns the length of the command line without the item, each word with the byte that ends it.
    pub(super) fn fixed_bytes(&self) -> usize {
        [self.shell.program(), b"-c", &self.script, self.shell.name()].iter().map(|word| word.len() + 1).sum()
    }

    /// Returns the number of variables that hold a part of the item.
    pub(super) fn n_variables(&self) -> usize {
        self.variables.len()
    }

    /// Returns the command of the shell for one item.
    ///
    /// # Errors
    ///
    /// When the item is in a calculation and is not a number, or the system does not accept it as an argument.
    pub(super) fn fill(&self, insertion: &Insertion<'_>) -> Result<CommandLine<'_>, ItemFailure> {
        if self.numbers.iter().any(|placeholder| !is_number(&placeholder.text(insertion))) {
            return Err(ItemFailure::NotANumber);
        }
        let os_string = |bytes| system::os_string(bytes).map_err(|NotUnicode| ItemFailure::NotUnicode);
        let fixed = [self.shell.program(), b"-c", &self.script, self.shell.name()];
        let words = fixed.iter().chain(&insertion.values).map(|word| os_string(word.to_vec()));
        let variables = self.variables.iter().map(|(placeholder, name)| {
            let value = os_string(placeholder.text(insertion).into_owned())?;
            Ok((name.as_str(), value))
        });
        Ok(CommandLine {
            words: words.collect::<Result<_, ItemFailure>>()?,
            environment: variables.collect::<Result<_, ItemFailure>>()?,
        })
    }

    /// Returns the line with the item in the place of the placeholders, quoted.
    pub(super) fn render(&self, insertion: &Insertion<'_>) -> Vec<u8> {
        let mut line = Vec::new();
        for piece in &self.pieces {
            match piece {
                ShellPiece::Text(text) => line.extend_from_slice(text),
                ShellPiece::Placeholder(placeholder, Place::Text) => {
                    line.extend_from_slice(&placeholder.text(insertion))
                }
                ShellPiece::Placeholder(Placeholder::Values(part), _) => {
                    let quoted = insertion.values.iter().map(|value| shell_quote::quote(part.of(value)));
                    line.extend_from_slice(&quoted.collect::<Vec<_>>().join(&b' '));
                }
                ShellPiece::Placeholder(placeholder, _) => {
                    line.extend_from_slice(&shell_quote::quote(&placeholder.text(insertion)));
                }
            }
        }
        line
    }
}

/// Returns the name of the parameter or variable of the shell that holds the text of a placeholder.
fn reference(placeholder: Placeholder, variables: &mut Vec<(Placeholder, String)>) -> String {
    let name = match placeholder {
        Placeholder::Index => return "CORDIAL_INDEX".to_owned(),
        Placeholder::Slot => return "CORDIAL_SLOT".to_owned(),
        Placeholder::Values(Part::Whole) => return "*".to_owned(),
        Placeholder::Value(position, Part::Whole) if position.0 > 0 => return position.0.to_string(),
        Placeholder::Values(part) => format!("CORDIAL_{}", part.variable()),
        Placeholder::Value(position, part) if position.0 > 0 => format!("CORDIAL_{}_{}", part.variable(), position.0),
        Placeholder::Value(position, part) => {
            format!("CORDIAL_{}_LAST_{}", part.variable(), position.0.unsigned_abs())
        }
    };
    if variables.iter().all(|(other, _)| *other != placeholder) {
        variables.push((placeholder, name.clone()));
    }
    name
}

/// Returns whether every shell reads a text as one number in a calculation. Anything else might be evaluated: in bash,
/// `a[$(id)]` runs a command.
fn is_number(text: &[u8]) -> bool {
    let text = text.trim_ascii();
    let digits = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text);
    let (digits, is_digit): (_, fn(&u8) -> bool) =
        match digits.strip_prefix(b"0x").or_else(|| digits.strip_prefix(b"0X")) {
            Some(digits) => (digits, u8::is_ascii_hexdigit),
            None => (digits, u8::is_ascii_digit),
        };
    !digits.is_empty() && digits.iter().all(is_digit)
}

fn refers_to_arguments(line: &[u8]) -> bool {
    let references = ["$1", "$@", "$*", "${1", "${@", "${*"];
    references.iter().any(|name| line.windows(name.len()).any(|part| part == name.as_bytes()))
}

//! A line for a shell (`--shell`). Placeholders become references to the arguments and the
//! environment of the shell, so that the shell never parses the text of an item.
//!
//! ```text
//! gzip < {} > {.}.gz   ──►   sh -c 'gzip < "$*" > "${CORDIAL_STEM}".gz' sh ITEM…
//! ls {//}              ──►   sh -c 'ls "${CORDIAL_PARENT_1}" "${CORDIAL_PARENT_2}"' sh VALUE VALUE, if an item may have several values
//! ```
//!
//! A calculation such as `$(({} + 1))` is the exception: the shell would evaluate the item, so the item has to be a number. `shell_words`
//! finds other places where the shell evaluates text.

use std::borrow::Cow;
use std::mem;

use super::command_line::CommandLine;
use super::path_part::Part;
use super::placeholder::{Insertion, Placeholder};
use super::shell::Shell;
use super::shell_check::Check;
use super::shell_context::PlaceholderUse;
use super::shell_expressions::{may_evaluate, would_run_a_command};
use super::shell_scan::{Scanned, ShellPiece, scan};
use super::shell_words::has_index_with_blanks;
use super::syntax::Syntax;
use super::word::Piece;
use crate::command_size::CommandSize;
use crate::item_failure::ItemFailure;
use crate::system::{self, NotUnicode};
use crate::text::display;
use crate::text::shell_quote::Quoting;

/// A line with placeholders.
#[derive(Debug)]
pub(crate) struct ShellLine {
    shell: Shell,
    pieces: Vec<ShellPiece>,
    script: Vec<ScriptPart>,
    /// The placeholders whose text the script takes from variables, and the names of these variables. `CORDIAL_INDEX` and
    /// `CORDIAL_SLOT`, which all commands have, are not among them.
    variables: Vec<(Placeholder, String)>,
    /// The placeholders whose text the shell evaluates, and the form that this text has to have.
    checks: Vec<(Placeholder, Check)>,
    /// Whether the text of an item may become the index of an array.
    has_index: bool,
    /// Whether the shell may evaluate the text of an item in a way that no check follows.
    may_evaluate: bool,
}

/// A part of the script that the shell runs.
#[derive(Debug)]
enum ScriptPart {
    Text(Vec<u8>),
    /// This part of each value, as a word of its own.
    Each(Part),
    /// The word for a value. Left out for an item that does not have the value.
    Optional(Placeholder, String),
}

impl ShellLine {
    /// Parses a line. If the line has neither a placeholder nor `$1`, `$@` or `$*`, appends the item, unless an option such as `-I`
    /// forbids that.
    ///
    /// # Errors
    ///
    /// A message, when `scan` returns one; when a placeholder would stand for several values in one word; when the line changes
    /// the arguments before a placeholder that refers to them; or when the item would be appended to a here-document.
    pub(super) fn new(shell: Shell, line: &[u8], syntax: &Syntax) -> Result<ShellLine, String> {
        let mut scanned = scan(line, syntax)?;
        let mut arguments_change_at = scanned.arguments.change_at();
        let has_placeholder = scanned.pieces.iter().any(|piece| matches!(piece, ShellPiece::Placeholder(..)));
        if !has_placeholder && !scanned.arguments.refers(line) && syntax.appends_item() {
            // The appended item is outside of all functions, and a function cannot change the arguments of the code around it. So for an
            // item with several values, only `set` and `shift` outside of functions matter. An item with one value comes from a variable if
            // the line has a function, `set` or `shift` anywhere.
            let is_affected = !syntax.has_many_values() || scanned.arguments.changes(line);
            arguments_change_at = arguments_change_at.filter(|_| is_affected);
            scanned = scan_with_item(line, syntax)?;
        }
        let Scanned { pieces, checks, .. } = scanned;
        let is_ambiguous = |piece: &ShellPiece| {
            matches!(piece, ShellPiece::Placeholder(Placeholder::Values(_), PlaceholderUse::OneWord))
        };
        if syntax.has_many_values() && pieces.iter().any(is_ambiguous) {
            return Err(format!(
                "a placeholder in {} is beside other text or is the file of a redirection, but may stand for several values: \
                 choose one value, such as {{1}}; or write \"$*\" for all of them as one word",
                display::quoted(line)
            ));
        }
        // A position from the end, such as {-1}, is a variable in any case.
        let is_argument = |piece: &ShellPiece| match piece {
            ShellPiece::Placeholder(Placeholder::Values(part), _) => *part == Part::Whole,
            ShellPiece::Placeholder(Placeholder::Value(position, part), _) => position.0 > 0 && *part == Part::Whole,
            _ => false,
        };
        let changed = &pieces[arguments_change_at.unwrap_or(pieces.len()).min(pieces.len())..];
        if syntax.has_many_values() && changed.iter().any(is_argument) {
            return Err(format!(
                "{} defines a function, or changes its arguments, before it uses a value of the item: put the value into a \
                 variable before that, as in x={{1}}",
                display::quoted(line)
            ));
        }
        // In a function, and after `set` or `shift`, "$1" may not be the item. A line with these takes an item with one value from a variable.
        let has_arguments = arguments_change_at.is_none() || syntax.has_many_values();
        let (mut script, mut text, mut variables) = (Vec::new(), Vec::new(), Vec::new());
        for piece in &pieces {
            match piece {
                ShellPiece::Text(piece) => text.extend_from_slice(piece),
                // Several words cannot come from one variable.
                ShellPiece::Placeholder(Placeholder::Values(part), PlaceholderUse::Words)
                    if syntax.has_many_values() && *part != Part::Whole =>
                {
                    script.extend([ScriptPart::Text(mem::take(&mut text)), ScriptPart::Each(*part)]);
                }
                ShellPiece::Placeholder(placeholder, place) => {
                    let reference = reference(*placeholder, has_arguments, &mut variables);
                    let reference = match (&reference[..], place) {
                        ("*", PlaceholderUse::Words) => r#""$@""#.to_owned(),
                        // As with GNU parallel, an item without this value gets no word.
                        (number, PlaceholderUse::Words)
                            if number.parse::<i32>().is_ok() && syntax.has_many_values() =>
                        {
                            format!("${{{number}+\"${{{number}}}\"}}")
                        }
                        (_, PlaceholderUse::Words)
                            if syntax.has_many_values() && matches!(placeholder, Placeholder::Value(..)) =>
                        {
                            let word = format!("\"${{{reference}}}\"");
                            script.push(ScriptPart::Text(mem::take(&mut text)));
                            script.push(ScriptPart::Optional(*placeholder, word));
                            continue;
                        }
                        (_, PlaceholderUse::Words | PlaceholderUse::OneWord) if reference.len() == 1 => {
                            format!("\"${reference}\"")
                        }
                        (_, PlaceholderUse::Words | PlaceholderUse::OneWord) => format!("\"${{{reference}}}\""),
                        (_, PlaceholderUse::Arithmetic | PlaceholderUse::Key | PlaceholderUse::Text) => {
                            format!("${{{reference}}}")
                        }
                        (_, PlaceholderUse::SingleQuoted(opening)) => format!("'\"${{{reference}}}\"{opening}"),
                    };
                    text.extend_from_slice(reference.as_bytes());
                }
            }
        }
        script.push(ScriptPart::Text(text));
        let has_index = has_index(&pieces) || has_index_with_blanks(line);
        Ok(ShellLine { shell, pieces, script, variables, checks, has_index, may_evaluate: may_evaluate(line) })
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

    /// Returns how long the command line of an item becomes. The length of a word or a variable includes the byte that ends it.
    pub(super) fn size(&self) -> CommandSize {
        let mut size = CommandSize { copies: 1 + self.variables.len(), ..CommandSize::default() };
        size.fixed = [self.shell.program(), b"-c", b"", self.shell.name()].iter().map(|word| word.len() + 1).sum();
        for part in &self.script {
            match part {
                ScriptPart::Text(text) => size.fixed += text.len(),
                ScriptPart::Optional(_, word) => size.fixed += word.len(),
                ScriptPart::Each(part) => {
                    // The name of the variable is in the script and in the environment. Its number has at most six digits.
                    let (reference, _) = each(*part, 100_000);
                    size.copies += 1;
                    size.per_value += 2 * reference.len();
                }
            }
        }
        size.fixed += self.variables.iter().map(|(_, name)| name.len() + 1).sum::<usize>();
        size.per_value += size.copies;
        size
    }

    /// Returns how long the line that `render` returns becomes, including the byte that ends it. The number for `{#}` or `{%}` counts as if
    /// it were a value.
    pub(super) fn line_size(&self) -> CommandSize {
        let mut size = CommandSize { fixed: 1, is_quoted: true, ..CommandSize::default() };
        for piece in &self.pieces {
            match piece {
                ShellPiece::Text(text) => size.fixed += text.len(),
                ShellPiece::Placeholder(..) => size.copies += 1,
            }
        }
        // Between two values there is a space.
        size.per_value = size.copies;
        size.fixed = size.fixed.saturating_sub(size.copies);
        size
    }

    /// Returns the command of the shell for one item.
    ///
    /// # Errors
    ///
    /// When the shell would evaluate the item, or the system does not accept the item as an argument.
    pub(super) fn fill(&self, insertion: &Insertion<'_>) -> Result<CommandLine<'_>, ItemFailure> {
        for (placeholder, check) in &self.checks {
            let is_name = matches!(check, Check::Name | Check::Declaration);
            let is_accepted = match placeholder {
                // Each name is a word of its own.
                Placeholder::Values(part) if is_name => {
                    insertion.values.iter().all(|value| check.accepts(part.of(value)))
                }
                _ => check.accepts(&placeholder.text(insertion)),
            };
            match is_accepted {
                true => {}
                false if is_name => return Err(ItemFailure::NotAName),
                false if *check == Check::Plain => return Err(ItemFailure::IsExpanded),
                false => return Err(ItemFailure::NotANumber),
            }
        }
        // This check comes last, because the errors of the other checks say more about the item.
        self.check_commands(insertion)?;
        let os_string = |bytes| system::os_string(bytes).map_err(|NotUnicode| ItemFailure::NotUnicode);
        let mut variables: Vec<(Cow<'_, str>, Cow<'_, [u8]>)> =
            self.variables.iter().map(|(it, name)| (Cow::from(name.as_str()), it.text(insertion))).collect();
        let script = self.script(insertion, &mut variables);
        let fixed = [self.shell.program(), b"-c", &script, self.shell.name()];
        let words = fixed.iter().chain(&insertion.values).map(|word| os_string(word.to_vec()));
        let words = words.collect::<Result<_, ItemFailure>>()?;
        let variables = variables.into_iter().map(|(name, value)| Ok((name, os_string(value.into_owned())?)));
        Ok(CommandLine { words, environment: variables.collect::<Result<_, ItemFailure>>()? })
    }

    /// Returns the script for one item. Adds the variables that hold a part of each value.
    fn script<'v>(&self, insertion: &Insertion<'v>, variables: &mut Vec<(Cow<'_, str>, Cow<'v, [u8]>)>) -> Vec<u8> {
        let mut script = Vec::new();
        for (at, script_part) in self.script.iter().enumerate() {
            match script_part {
                ScriptPart::Text(text) => script.extend_from_slice(text),
                ScriptPart::Optional(placeholder, _) if placeholder.is_missing(insertion) => {}
                ScriptPart::Optional(_, word) => script.extend_from_slice(word.as_bytes()),
                ScriptPart::Each(part) => {
                    let is_same = |earlier: &ScriptPart| matches!(earlier, ScriptPart::Each(other) if other == part);
                    let is_repeated = self.script[..at].iter().any(is_same);
                    let mut references = Vec::with_capacity(insertion.values.len());
                    for (n, value) in insertion.values.iter().enumerate() {
                        let (reference, name) = each(*part, n + 1);
                        references.push(reference);
                        if !is_repeated && self.variables.iter().all(|(_, other)| *other != name) {
                            variables.push((name.into(), part.of(value).into()));
                        }
                    }
                    script.extend_from_slice(references.join(" ").as_bytes());
                }
            }
        }
        script
    }

    /// Checks that no calculation runs a command. Its text may consist of several values, as in `$(($x*60+$y))`, and of parts of
    /// the line, as in `let "b[$i]=1"`, so all of them are checked together.
    ///
    /// # Errors
    ///
    /// When the shell would run a command in the index of an array.
    fn check_commands(&self, insertion: &Insertion<'_>) -> Result<(), ItemFailure> {
        let calculated = self.checks.iter().filter(|(_, check)| *check == Check::NoCommand);
        let texts: Vec<_> = calculated.map(|(placeholder, _)| placeholder.text(insertion)).collect();
        let has = |bytes: &[u8]| texts.iter().any(|text| text.iter().any(|byte| bytes.contains(byte)));
        let is_index = has(b"$`") && (self.has_index || has(b"["));
        match is_index || (self.may_evaluate && would_run_a_command(&self.texts(insertion))) {
            true => Err(ItemFailure::IsIndex),
            false => Ok(()),
        }
    }

    /// Returns the texts that the line inserts for an item.
    fn texts<'v>(&self, insertion: &Insertion<'v>) -> Vec<Cow<'v, [u8]>> {
        let placeholders = self.pieces.iter().filter_map(|piece| match piece {
            ShellPiece::Placeholder(placeholder, _) => Some(placeholder),
            ShellPiece::Text(_) => None,
        });
        placeholders.map(|placeholder| placeholder.text(insertion)).collect()
    }

    /// Returns the line with the item in the place of the placeholders: quoted, except in a here-document.
    pub(super) fn render(&self, insertion: &Insertion<'_>, quoting: Quoting) -> Vec<u8> {
        let mut line = Vec::new();
        for piece in &self.pieces {
            match piece {
                ShellPiece::Text(text) => line.extend_from_slice(text),
                ShellPiece::Placeholder(placeholder, PlaceholderUse::Text) => {
                    line.extend_from_slice(&placeholder.text(insertion))
                }
                // The item does not have this value, so there is no word.
                ShellPiece::Placeholder(placeholder, PlaceholderUse::Words) if placeholder.is_missing(insertion) => {}
                ShellPiece::Placeholder(Placeholder::Values(part), _) => {
                    let quoted = insertion.values.iter().map(|value| quoting.quote(part.of(value)));
                    line.extend_from_slice(&quoted.collect::<Vec<_>>().join(&b' '));
                }
                ShellPiece::Placeholder(placeholder, _) => {
                    line.extend_from_slice(&quoting.quote(&placeholder.text(insertion)));
                }
            }
        }
        line
    }
}

/// Appends the item to a line, and scans the result, because the checks of the item depend on the command that gets it as an argument.
fn scan_with_item(line: &[u8], syntax: &Syntax) -> Result<Scanned, String> {
    let reason = "the item is added at the end of the line, which has no placeholder";
    let mut scanned =
        scan(&[line, b" ", syntax.item_text()].concat(), syntax).map_err(|message| format!("{reason}: {message}"))?;
    match scanned.pieces.last() {
        Some(ShellPiece::Placeholder(_, PlaceholderUse::Text)) => Err(format!(
            "{reason}, and there it would be a part of a here-document in {}: write {{}} where the item belongs",
            display::quoted(line)
        )),
        Some(ShellPiece::Placeholder(..)) => Ok(scanned),
        // The line ends in a comment, in which the shell ignores the item.
        _ => {
            scanned.pieces = vec![
                ShellPiece::Text([line, b" "].concat()),
                ShellPiece::Placeholder(Placeholder::Values(Part::Whole), PlaceholderUse::Words),
            ];
            Ok(scanned)
        }
    }
}

/// Returns a word of the script that inserts a part of one value, and the name of the variable that holds this part. `number` is the number
/// of the value, from 1.
fn each(part: Part, number: usize) -> (String, String) {
    let name = format!("CORDIAL_{}_{number}", part.variable());
    (format!("\"${{{name}}}\""), name)
}

/// Returns the name of the parameter or variable of the shell that holds the text of a placeholder.
fn reference(placeholder: Placeholder, has_arguments: bool, variables: &mut Vec<(Placeholder, String)>) -> String {
    let name = match placeholder {
        Placeholder::Index => return "CORDIAL_INDEX".to_owned(),
        Placeholder::Slot => return "CORDIAL_SLOT".to_owned(),
        Placeholder::Values(Part::Whole) if has_arguments => return "*".to_owned(),
        Placeholder::Value(position, Part::Whole) if position.0 > 0 && has_arguments => return position.0.to_string(),
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

/// Returns whether a line may put an item into the index of an array. `b[$i]` and `printf -v x 'b[%s]' {}` may; `[ $i -gt 1 ]`, `b[0]` and
/// `*.[ch]` do not.
fn has_index(pieces: &[ShellPiece]) -> bool {
    let texts = pieces.iter().map(|piece| match piece {
        ShellPiece::Text(text) => &text[..],
        ShellPiece::Placeholder(..) => b"{}",
    });
    let line = texts.collect::<Vec<_>>().concat();
    let ends_word = |byte: u8| byte.is_ascii_whitespace() || b";&|()!{`".contains(&byte);
    let mut previous = b' ';
    for (at, &byte) in line.iter().enumerate() {
        let rest = &line[at + 1..];
        let is_test =
            ends_word(previous) && rest.strip_prefix(b"[").unwrap_or(rest).first().is_none_or(u8::is_ascii_whitespace);
        let inside = rest.split(|&byte| byte == b']').next().unwrap_or_default();
        let is_variable = inside.iter().any(|byte| b"$`%{'\"\\".contains(byte));
        if byte == b'[' && !is_test && is_variable {
            return true;
        }
        // The second bracket of `[[` begins no index either.
        previous = if byte == b'[' && is_test { b' ' } else { byte };
    }
    false
}

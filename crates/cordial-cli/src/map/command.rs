//! The command on the command line: a program with its arguments, or a line for a shell. Without a command, each item is a line for a shell.

use std::path::Path;

use super::{arguments, shell_operators};
use crate::args::MapOptions;
use crate::system;
use crate::template::{CommandTemplate, Shell, Syntax};
use crate::text::display;

/// A command of one word that contains one of these bytes is a line for a shell, unless a program has that name.
const LINE_BYTES: &[u8] = b" \t\n|&;<>()$`\\\"'*?[";

/// The command as it was given.
pub(super) struct GivenCommand {
    words: Vec<Vec<u8>>,
    kind: CommandKind,
    /// Whether words that look like operators of a shell are arguments (`-q`).
    is_quoted: bool,
    /// The option, such as `-n`, that gives a command several items. Set only if `-I` is given as well.
    grouped_without_append: Option<&'static str>,
}

enum CommandKind {
    Words,
    /// The words, joined by spaces, are a line for this shell.
    Line(Shell),
    /// There are no words: each item is a line for this shell.
    ItemIsLine(Shell),
}

impl GivenCommand {
    /// Decides how the words are run.
    ///
    /// # Errors
    ///
    /// A message, when the shell of `--shell-path` cannot be used, or when there is no command and an option gives several items to a command.
    pub(super) fn new(words: Vec<Vec<u8>>, options: &MapOptions) -> Result<GivenCommand, String> {
        let given_shell = match &options.launch.shell_path {
            Some(path) => Some(Shell::new(system::argument_bytes(path.clone())?)?),
            None => None,
        };
        let is_line = options.shell
            || given_shell.is_some()
            || matches!(&words[..], [only] if !options.other.quote && is_line(only, options));
        let shell_for = |calls_function: &dyn Fn(&[u8]) -> bool| match &given_shell {
            Some(shell) => shell.clone(),
            // Bash exports functions in a form that only bash reads.
            None if system::exported_functions().iter().any(|name| calls_function(name)) => Shell::bash(),
            None if options.remote.is_used() || options.fleet.nats.is_some() => Shell::sh(),
            None => Shell::default_sh(),
        };
        let kind = if words.is_empty() {
            if arguments::may_group(&options.items) {
                let option = options.items.grouping().unwrap_or("-n");
                return Err(format!(
                    "{option} needs a command, such as echo: without a command, each item is a command of its own"
                ));
            }
            CommandKind::ItemIsLine(shell_for(&|_| true))
        } else if is_line {
            CommandKind::Line(shell_for(&|name| words.iter().any(|word| has_word(word, name))))
        } else {
            CommandKind::Words
        };
        let takes_items = options.items.replace().is_some() && options.items.max_records() != Some(0);
        let grouped_without_append = options.items.grouping().filter(|_| takes_items);
        Ok(GivenCommand { words, kind, is_quoted: options.other.quote, grouped_without_append })
    }

    /// Returns the command with its placeholders.
    ///
    /// # Errors
    ///
    /// A message, when a placeholder is not supported or is at a place where it cannot be replaced, when a word looks like an operator of a
    /// shell, or when a line needs bash and the default shell is another one.
    pub(super) fn template(&self, syntax: &Syntax) -> Result<CommandTemplate, String> {
        let takes_no_item = || !self.words.iter().any(|word| syntax.has_placeholder(word) || word.contains(&b'$'));
        if let Some(option) = self.grouped_without_append.filter(|_| takes_no_item()) {
            let text = display::quoted(syntax.item_text());
            return Err(format!(
                "with -I, items only replace {text}, and the command does not contain {text}, so {option} would pass no items: \
                 leave out -I, or write {text} in the command"
            ));
        }
        match &self.kind {
            CommandKind::Words => {
                if !self.is_quoted {
                    shell_operators::check(&self.words, |word| syntax.has_placeholder(word))?;
                }
                CommandTemplate::words(&self.words, syntax)
            }
            CommandKind::Line(shell) => {
                let line = self.words.join(&b' ');
                let template = CommandTemplate::shell(shell.clone(), &line, syntax)?;
                shell.check(&line).map_err(|message| format!("in {}, {message}", display::quoted(&line)))?;
                Ok(template)
            }
            CommandKind::ItemIsLine(shell) => Ok(CommandTemplate::ItemIsLine(shell.clone())),
        }
    }

    /// Returns the name of the program, unless the command is a line for a shell.
    pub(super) fn program(&self) -> Option<&[u8]> {
        match self.kind {
            CommandKind::Words => self.words.first().map(Vec::as_slice),
            CommandKind::Line(_) | CommandKind::ItemIsLine(_) => None,
        }
    }

    /// Returns whether the command is a function that bash has exported, or a line that contains the name of one.
    pub(super) fn calls_function(&self) -> bool {
        let functions = system::exported_functions();
        match &self.kind {
            CommandKind::Words => functions.iter().any(|name| self.words.first() == Some(name)),
            CommandKind::Line(_) => functions.iter().any(|name| self.words.iter().any(|word| has_word(word, name))),
            CommandKind::ItemIsLine(_) => false,
        }
    }

    /// Returns the command as it was typed, for messages. Empty if each item is a command.
    pub(super) fn typed(&self) -> String {
        match &self.kind {
            CommandKind::Words => display::command(&self.words),
            CommandKind::Line(_) => display::line(&self.words.join(&b' ')),
            CommandKind::ItemIsLine(_) => String::new(),
        }
    }
}

/// Returns whether a single word is a line for a shell, such as `gzip {}`, and not the name of a program.
fn is_line(word: &[u8], options: &MapOptions) -> bool {
    let has_line_bytes = |text: &[u8]| text.iter().any(|byte| LINE_BYTES.contains(byte));
    if !has_line_bytes(word) && !word.starts_with(b"~") {
        return false;
    }
    let path = |bytes: &[u8]| {
        let name = system::os_string(bytes.to_vec()).unwrap_or_default();
        options.workdir.as_deref().unwrap_or(Path::new("")).join(name)
    };
    if word.contains(&b'/') {
        // The path of a program may contain a blank. In a word such as `my tools/{}`, the item names the program, and the directory may
        // contain a blank.
        let fixed = word.iter().position(|&byte| byte == b'{').map_or(word, |at| &word[..at]);
        let directory = fixed.iter().rposition(|&byte| byte == b'/').map_or(&b""[..], |at| &fixed[..at]);
        !(path(word).is_file() || has_line_bytes(directory) && path(directory).is_dir())
    } else {
        system::find_program(word, options.workdir.as_deref()).is_err()
    }
}

/// Returns whether `text` contains `name` as a whole word.
fn has_word(text: &[u8], name: &[u8]) -> bool {
    let is_part = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(byte));
    let starts = text.windows(name.len()).enumerate().filter(|(_, part)| *part == name).map(|(start, _)| start);
    starts.into_iter().any(|start| {
        !is_part(start.checked_sub(1).and_then(|before| text.get(before))) && !is_part(text.get(start + name.len()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_found_as_a_whole_word() {
        for (text, is_found) in [
            ("f", true),
            ("f x", true),
            ("a;f|b", true),
            ("$(f)", true),
            ("ff", false),
            ("my-f", false),
            ("f_2", false),
        ] {
            assert_eq!(has_word(text.as_bytes(), b"f"), is_found, "{text}");
        }
    }
}

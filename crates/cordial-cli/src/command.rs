//! The command to run: a template with placeholders, and what comes of it for one item.

use std::ffi::{OsStr, OsString};

use crate::failure::Failure;
use crate::item::Line;
use crate::system;

/// What stands for the item in the words of a template.
pub(crate) const PLACEHOLDER: &str = "{}";

/// A command in which the item is still missing.
pub(crate) struct Template {
    /// Each word as the texts before, between and after its placeholders: one text if it has none.
    words: Vec<Vec<OsString>>,
}

impl Template {
    /// The words of a command, the program first. Without a placeholder in any of them the item will come last.
    pub(crate) fn new(words: Vec<OsString>) -> Self {
        let mut words: Vec<Vec<OsString>> = words.into_iter().map(|word| system::split(word, PLACEHOLDER)).collect();
        if words.iter().all(|texts| texts.len() == 1) {
            words.push(vec![OsString::new(), OsString::new()]);
        }
        Template { words }
    }

    /// The command for one item, or why the system cannot take this item as an argument.
    pub(crate) fn fill(&self, line: Line) -> Result<CommandLine, Failure> {
        let item = match line {
            Line::TooLong { length, .. } => return Err(Failure::TooLong { length }),
            Line::Whole(bytes) => system::argument(bytes)?,
        };
        let words: Vec<OsString> = self.words.iter().map(|texts| join(texts, &item)).collect();
        // The item alone fits, but perhaps not with the text around it.
        match words.iter().map(|word| word.len()).find(|&length| length > system::LONGEST_ARGUMENT) {
            Some(length) => Err(Failure::TooLongInside { length: length as u64 }),
            None => Ok(CommandLine { words }),
        }
    }
}

/// A command ready to run: the program, then its arguments.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CommandLine {
    words: Vec<OsString>,
}

impl CommandLine {
    pub(crate) fn program(&self) -> &OsString {
        &self.words[0]
    }

    pub(crate) fn arguments(&self) -> &[OsString] {
        &self.words[1..]
    }

    pub(crate) fn words(&self) -> &[OsString] {
        &self.words
    }
}

fn join(texts: &[OsString], item: &OsStr) -> OsString {
    let mut word = OsString::new();
    for (n, text) in texts.iter().enumerate() {
        if n > 0 {
            word.push(item);
        }
        word.push(text);
    }
    word
}

#[cfg(test)]
mod tests;

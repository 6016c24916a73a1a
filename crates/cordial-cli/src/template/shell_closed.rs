//! The parts of a shell line whose ends the scan has found. A command that follows them is read without their text: `x=$(a; b) read y`
//! is read as `x=$_ read y`, since a part such as `$(case a in a) b;; esac)` has blanks and parentheses of its own.

use super::shell_context::Context;
use super::shell_words::SUBSTITUTION;

/// The closed parts of a line, and what the scan needs to find them.
#[derive(Debug, Default)]
pub(super) struct Closed {
    /// The number of contexts around each open context, and where it begins.
    open: Vec<(usize, usize)>,
    /// The outermost closed parts, and what stands for each of them.
    parts: Vec<(usize, usize, &'static [u8])>,
    /// The number of contexts at each open list of an array. In a list, a line break does not end the command.
    lists: Vec<usize>,
}

impl Closed {
    /// Notes that a context begins inside this number of contexts.
    pub(super) fn enter(&mut self, depth: usize, at: usize) {
        self.open.push((depth, at));
    }

    /// Leaves the innermost context, which ends at this position.
    pub(super) fn leave(&mut self, contexts: &mut Vec<Context>, at: usize) {
        let Some(context) = contexts.pop() else { return };
        let depth = contexts.len();
        self.lists.retain(|list| *list <= depth);
        let Some((_, start)) = self.open.pop_if(|(open, _)| *open == depth) else { return };
        let text = match context {
            Context::Command { .. } | Context::Arithmetic { .. } | Context::Parameter { .. } => SUBSTITUTION,
            // The dollar sign is before the quotes.
            Context::AnsiQuotes => b"_",
            Context::Comment => b"",
            Context::SingleQuotes | Context::DoubleQuotes | Context::Brackets { .. } | Context::HereDocument(_) => {
                return;
            }
        };
        self.parts.retain(|(from, ..)| *from < start);
        self.parts.push((start, at, text));
    }

    /// Returns whether a position of a command is in the list of an array. The parenthesis there may begin or end a list.
    pub(super) fn is_in_list(&mut self, line: &[u8], at: usize, depth: usize) -> bool {
        match line[at] {
            b'(' if at > 0 && line[at - 1] == b'=' => self.lists.push(depth),
            b')' => _ = self.lists.pop_if(|list| *list == depth),
            _ => {}
        }
        self.lists.last() == Some(&depth)
    }

    /// Returns the text of a command up to a position, without the texts of the parts.
    pub(super) fn command(&self, line: &[u8], start: usize, at: usize) -> Vec<u8> {
        let (mut command, mut done) = (Vec::new(), start);
        for (from, to, text) in self.parts.iter().filter(|(from, ..)| *from >= start) {
            command.extend_from_slice(&line[done..*from]);
            command.extend_from_slice(text);
            done = *to;
        }
        command.extend_from_slice(&line[done..at]);
        command
    }
}

//! How long a command line becomes.

use crate::item::Value;

/// How long a command line becomes, each word with the byte that ends it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CommandSize {
    /// The bytes of the words that all items have.
    pub(crate) fixed: usize,
    /// The bytes around the values of each record.
    pub(crate) around: usize,
    /// How often each value is in the command line.
    pub(crate) copies: usize,
}

impl CommandSize {
    /// Returns the bytes that a record adds to a command line.
    pub(crate) fn of(&self, record: &[Value]) -> usize {
        let bytes: usize = record.iter().map(|value| value.bytes().len() + 1).sum();
        self.around.saturating_add(self.copies.saturating_mul(bytes))
    }
}

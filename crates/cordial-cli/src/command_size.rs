//! The length of a command line.

use crate::item::Value;

/// The length of a command line in bytes, as a function of its records. Each word counts with the byte that ends it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CommandSize {
    /// The bytes that do not depend on the records.
    pub(crate) fixed: usize,
    /// The bytes of text that are repeated for each record.
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

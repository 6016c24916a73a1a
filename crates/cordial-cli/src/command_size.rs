//! The length of a command line.

use crate::item::Value;
use crate::text::shell_quote::Quoting;

/// The length of a command line in bytes, as a function of its records. Each word counts with the byte that ends it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CommandSize {
    /// The bytes that do not depend on the records.
    pub(crate) fixed: usize,
    /// The bytes of text that are repeated for each record.
    pub(crate) around: usize,
    /// The bytes that each value adds besides its own.
    pub(crate) per_value: usize,
    /// How often each value is in the command line.
    pub(crate) copies: usize,
    /// The bytes that each quote and each backslash of a value adds, because the value is quoted.
    pub(crate) per_quote: usize,
    /// Whether each value is measured as `Quoting::AnyShell` quotes it.
    pub(crate) is_quoted: bool,
}

impl CommandSize {
    /// Returns the bytes that a record adds to a command line.
    pub(crate) fn of(&self, record: &[Value]) -> usize {
        record.iter().fold(self.around, |bytes, value| bytes.saturating_add(self.of_value(value)))
    }

    fn of_value(&self, value: &Value) -> usize {
        let n_quotes = match self.per_quote {
            0 => 0,
            // A value that is too long exceeds the limit anyway, so its bytes that were not kept need not be examined.
            _ => value.bytes().iter().filter(|byte| b"'\\".contains(byte)).count(),
        };
        let quotes = match self.is_quoted {
            true => Quoting::AnyShell.quote(value.bytes()).len() - value.bytes().len(),
            false => 0,
        };
        let bytes = self.copies.saturating_mul(value.length().saturating_add(quotes)).saturating_add(self.per_value);
        bytes.saturating_add(self.per_quote.saturating_mul(n_quotes))
    }
}

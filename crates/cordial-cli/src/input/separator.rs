//! What separates the values of an input.

/// What separates values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ItemSeparator {
    Byte(u8),
    /// Blanks and newlines, as for `xargs` without options. Blanks in quotes are text; a newline in quotes is an error.
    Words,
    /// Newlines, as for `xargs -I`: quotes are removed; leading blanks and empty lines are ignored. A newline in quotes is an error.
    QuotedLines,
}

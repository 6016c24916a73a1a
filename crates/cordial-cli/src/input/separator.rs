//! What separates the values of an input.

/// What separates values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ItemSeparator {
    Byte(u8),
    /// Blanks and newlines, except in quotes, as for `xargs` without options.
    Words,
    /// Newlines, except in quotes, as for `xargs -I`: blanks before a line and empty lines have no meaning.
    QuotedLines,
}

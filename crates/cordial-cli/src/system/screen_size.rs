//! The size of the terminal.

/// The size of the terminal, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ScreenSize {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
}

impl Default for ScreenSize {
    /// Returns the size that is assumed where there is no terminal, and for a terminal that does not report its size.
    fn default() -> ScreenSize {
        ScreenSize { rows: 24, columns: 80 }
    }
}

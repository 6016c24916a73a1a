//! The size of the terminal.

/// The size of the terminal, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ScreenSize {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
}

impl Default for ScreenSize {
    /// Returns the size that is assumed for a terminal that does not report one.
    fn default() -> ScreenSize {
        ScreenSize { rows: 24, columns: 80 }
    }
}

//! The size of the terminal, and whether it understands escape sequences.

use std::env;
use std::io::{self, IsTerminal};

/// The size of the terminal, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ScreenSize {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
}

/// Returns whether standard error is a terminal that understands escape sequences. A terminal whose name (`TERM`) is missing or `dumb`
/// may not understand them, so the function returns false for it. A missing name counts against the terminal only on Unix, because
/// Windows does not set `TERM`.
pub(crate) fn is_stderr_screen() -> bool {
    io::stderr().is_terminal() && env::var_os("TERM").map_or(cfg!(windows), |name| name != "dumb")
}

impl Default for ScreenSize {
    /// Returns the size that is assumed where there is no terminal, and for a terminal that does not report its size.
    fn default() -> ScreenSize {
        ScreenSize { rows: 24, columns: 80 }
    }
}

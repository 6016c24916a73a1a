//! The program that the first word of a command names.

use std::path::PathBuf;

/// The program that the first word of a command names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    /// The word differs from item to item, or the system searches for it each time.
    Searched,
    /// The file that the word names.
    #[cfg_attr(not(unix), expect(dead_code, reason = "the system searches for programs itself"))]
    File(PathBuf),
    /// The word is an exported function of bash, which is this file.
    #[cfg_attr(not(unix), expect(dead_code, reason = "there are no exported functions"))]
    Function { bash: PathBuf },
}

//! How many records make one item.

use crate::command_size::CommandSize;

/// The length of the longest command line, in bytes: the default of GNU `xargs`. By default, Linux, macOS and the BSDs accept more.
pub(crate) const MAX_COMMAND_BYTES: usize = 131_072;

/// How many records make one item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Grouping {
    /// The largest number of records; `None` for as many as fit.
    pub(crate) max_records: Option<usize>,
    /// The largest number of lines, with `--words` and `-L` or `-l`.
    pub(crate) max_lines: Option<usize>,
    /// The largest length of the command line, in bytes.
    pub(crate) max_bytes: usize,
    pub(crate) size: CommandSize,
    /// The number of commands that share the records that remain at the end of the input.
    pub(crate) shares: Option<usize>,
    /// Whether fewer records than `max_records` or `max_lines`, because of `max_bytes`, are an error.
    pub(crate) is_exact: bool,
    /// Whether a record that is too long alone ends the input with an error. Without `-s`, only its item may fail.
    pub(crate) is_limit_given: bool,
}

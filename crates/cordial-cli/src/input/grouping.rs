//! How many records make one item.

use crate::command_size::CommandSize;

/// The length of the longest command line, in bytes: the default of GNU `xargs`. By default, Linux, macOS and the BSDs accept more.
pub(crate) const MAX_COMMAND_BYTES: usize = 131_072;

/// How many records make one item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Grouping {
    /// The largest number of records; `None` if only the other limits count.
    pub(crate) max_records: Option<usize>,
    /// The largest number of lines. Set only if `--words` is given together with `-L` or `-l`.
    pub(crate) max_lines: Option<usize>,
    /// The largest length of the command line, in bytes.
    pub(crate) max_bytes: usize,
    pub(crate) size: CommandSize,
    /// At the end of the input, the records of the last group are divided evenly among at most this many items. `None`: they are one item.
    pub(crate) shares: Option<usize>,
    /// Whether it is an error if a group reaches `max_bytes` before it reaches `max_records` or `max_lines`.
    pub(crate) is_exact: bool,
    /// Whether a single record that exceeds `max_bytes` by itself ends the input with an error. If not, it becomes an item of its own, which
    /// fails if the system does not accept it as an argument.
    pub(crate) is_limit_given: bool,
}

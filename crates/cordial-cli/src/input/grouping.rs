//! How many records make one item.

use crate::command_size::CommandSize;
use crate::item::Value;

/// The length of the longest command line, in bytes: the default of GNU `xargs`. By default, Linux, macOS and the BSDs accept more.
pub(crate) const MAX_COMMAND_BYTES: usize = 131_072;

/// How many records make one item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Grouping {
    /// The largest number of records; `None` if only the other limits count.
    pub(crate) max_records: Option<usize>,
    /// The largest number of lines. Set only if `--words` is given together with `-L` or `-l`.
    pub(crate) max_lines: Option<usize>,
    /// The largest lengths of the command line, and of the line that carries it to another machine.
    pub(crate) limits: Vec<SizeLimit>,
    /// At the end of the input, the records of the last group are divided evenly among at most this many items. `None`: they are one item.
    pub(crate) shares: Option<usize>,
    /// Whether a value that is too long fails together with the values that belong to it. If not, it fails alone.
    pub(crate) keeps_tuples: bool,
    /// Whether it is an error if a group reaches one of the `limits` before it reaches `max_records` or `max_lines`.
    pub(crate) is_exact: bool,
}

impl Grouping {
    /// Returns whether a record becomes an item of its own, because no command can have its values as arguments. That item fails;
    /// neighboring items are unaffected.
    pub(super) fn fails_alone(&self, values: &[Value]) -> bool {
        let is_lost = |value: &Value| match value {
            Value::Whole(bytes) => bytes.contains(&0),
            // With -s, such a record ends the input with an error. With -x and -n or -L, it does so if it follows other records of its
            // command.
            Value::TooLong { .. } => !self.is_exact && self.limits.iter().all(|limit| !limit.ends_input),
        };
        self.max_records != Some(1) && !self.keeps_tuples && values.iter().any(is_lost)
    }
}

/// A limit on the length of a command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SizeLimit {
    pub(crate) size: CommandSize,
    pub(crate) max_bytes: usize,
    /// Whether a single record that exceeds the limit by itself ends the input with an error. If not, it becomes an item of its own, which
    /// fails if the system does not accept it as an argument.
    pub(crate) ends_input: bool,
}

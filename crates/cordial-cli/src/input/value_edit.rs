//! What happens to a value before it becomes a part of an item: it may end its source, lose the white space around it, or be split
//! into columns.

use regex::bytes::Regex;

use super::splitter::Accumulator;
use crate::item::Value;
use crate::system::MAX_ARGUMENT_BYTES;

/// At which ends of a value white space is removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Trim {
    pub(crate) left: bool,
    pub(crate) right: bool,
}

/// The changes to each value of a source. By default, values are unchanged.
#[derive(Clone, Debug, Default)]
pub(crate) struct ValueEdit {
    /// The value that ends the source, if there is one.
    pub(crate) eof: Option<Vec<u8>>,
    pub(crate) trim: Trim,
    /// The separator of the columns of a value.
    pub(crate) colsep: Option<Regex>,
}

impl ValueEdit {
    /// Returns whether a value ends its source.
    pub(super) fn is_end(&self, value: &Value) -> bool {
        self.eof.as_ref().is_some_and(|eof| matches!(value, Value::Whole(bytes) if bytes == eof))
    }

    /// Returns whether every value remains as it is.
    fn changes_nothing(&self) -> bool {
        self.trim == Trim::default() && self.colsep.is_none()
    }

    /// Appends the value, or its columns. A value that is too long is not split: its item fails.
    pub(super) fn apply(&self, value: Value, record: &mut Vec<Value>) {
        match value {
            Value::Whole(bytes) if !self.changes_nothing() => match &self.colsep {
                Some(colsep) => record.extend(colsep.split(&bytes).map(|column| self.column(column))),
                None => record.push(Value::Whole(self.trimmed(&bytes).to_vec())),
            },
            value => record.push(value),
        }
    }

    /// Returns a column of a value. The column may be too long for an argument, because a value with columns may be longer than one.
    fn column(&self, column: &[u8]) -> Value {
        let mut value = Accumulator::new(MAX_ARGUMENT_BYTES);
        value.push(self.trimmed(column));
        value.take()
    }

    fn trimmed<'v>(&self, mut value: &'v [u8]) -> &'v [u8] {
        if self.trim.left {
            value = value.trim_ascii_start();
        }
        if self.trim.right {
            value = value.trim_ascii_end();
        }
        value
    }
}

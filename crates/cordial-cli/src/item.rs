//! One item: the input of one command. It has one value; or several, for example with `-n`, `--colsep` or several lists.

use std::sync::Arc;

use crate::pipe::ItemInput;

/// The values of one command, and its position among the commands.
#[derive(Debug)]
pub(crate) struct Item {
    /// The position of the item, counted from 1.
    pub(crate) index: u64,
    /// With `--pipe`, one value that names the input in messages. It is not an argument of the command.
    pub(crate) values: Vec<Value>,
    /// What the command reads from its standard input, with `--pipe`.
    pub(crate) input: Option<Arc<ItemInput>>,
}

/// The bytes of a value, without its delimiter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Whole(Vec<u8>),
    /// A value that is too long for an argument. Only its start is kept, for messages.
    TooLong {
        start: Vec<u8>,
        length: u64,
    },
}

impl Value {
    /// Returns the bytes that are kept of the value.
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Value::Whole(bytes) => bytes,
            Value::TooLong { start, .. } => start,
        }
    }

    /// Returns the number of bytes of the value, also of those that are not kept.
    pub(crate) fn length(&self) -> usize {
        match self {
            Value::Whole(bytes) => bytes.len(),
            Value::TooLong { length, .. } => usize::try_from(*length).unwrap_or(usize::MAX),
        }
    }
}

impl Item {
    /// Returns the values that are arguments of the command.
    pub(crate) fn arguments(&self) -> &[Value] {
        if self.input.is_some() { &[] } else { &self.values }
    }

    /// Returns the values with a space between two of them, for messages.
    pub(crate) fn text(&self) -> Vec<u8> {
        self.values.iter().map(Value::bytes).collect::<Vec<&[u8]>>().join(&b' ')
    }

    /// Returns the prefix of each output line with `--tag`: the values and a tab.
    pub(crate) fn tag(&self) -> Vec<u8> {
        let mut tag = self.text();
        tag.push(b'\t');
        tag
    }
}

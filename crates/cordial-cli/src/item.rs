//! One item: what one command is run for. It has one value, or as many as `-n` or the lists after `:::` give it.

/// The values of one command, and its place among the commands, counted from 1.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) index: u64,
    pub(crate) values: Vec<Value>,
}

/// The bytes of a value, without what ended it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Whole(Vec<u8>),
    /// A value that no command can take as an argument. Only its start was kept, so that it can be shown.
    TooLong {
        start: Vec<u8>,
        length: u64,
    },
}

impl Value {
    /// As much of the value as there is, to be shown to a person.
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Value::Whole(bytes) => bytes,
            Value::TooLong { start, .. } => start,
        }
    }
}

impl Item {
    /// The values in one text, to be shown to a person.
    pub(crate) fn text(&self) -> Vec<u8> {
        self.values.iter().map(Value::bytes).collect::<Vec<&[u8]>>().join(&b' ')
    }
}

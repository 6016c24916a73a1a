//! One item: a line of input, as bytes, and its place in the input.

/// A line of input, counted from 1.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) number: u64,
    pub(crate) line: Line,
}

/// The bytes of a line, without its newline.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    Whole(Vec<u8>),
    /// A line that no command can take as an argument. Only its start was kept, so that it can be shown.
    TooLong {
        start: Vec<u8>,
        length: u64,
    },
}

impl Line {
    /// As much of the line as there is, to be shown to a person.
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Line::Whole(bytes) => bytes,
            Line::TooLong { start, .. } => start,
        }
    }
}

//! A failure together with its input.

use std::error::Error;
use std::fmt;

use crate::exit::Exit;

/// A failed item, or the failure of a [source](crate::Task::try_async_stream_from): the index, the input, and the exit.
///
/// The error type of a stream after [`zip_input_on_exit`](crate::AsyncStream::zip_input_on_exit).
///
/// # Elixir
///
/// `{:exit, {input, reason}}`.
///
/// # Examples
///
/// ```
/// use cordial::{Failure, Task};
///
/// cordial::testing::run(async {
///     let parsed = Task::async_stream(["7", "x"], |text| async move { text.parse::<u8>() });
///     let (_, failed) = parsed.or_exit().zip_input_on_exit().partition().await;
///     assert_eq!(failed[0].to_string(), r#"item 1 ("x"): invalid digit found in string"#);
///     let Failure { index, input, .. } = failed[0];
///     assert_eq!((index, input), (1, "x"));
/// });
/// ```
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct Failure<Input> {
    /// The position of the item in the input, counted from 0. For the failure of the source: the number of items before it.
    pub index: usize,
    /// The input of the item. If the source can fail: `Some` with the input of the item, or `None` for the failure of the source.
    pub input: Input,
    /// Why the item has no value, or why the source has failed. After several attempts: the exit of the last one.
    pub exit: Exit,
}

impl<Input> Failure<Input> {
    pub(super) fn new(index: usize, input: Option<Input>, exit: Exit) -> Failure<Input> {
        Failure { index, input: input.expect("`zip_input_on_exit` keeps a copy of each input"), exit }
    }
}

impl<Input: fmt::Debug> fmt::Display for Failure<Input> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Failure { index, input, exit } = self;
        write!(f, "item {index} ({input:?}): ")?;
        exit.fmt(f)
    }
}

/// `source` returns the source of the exit, not the exit: `Display` already shows the exit.
impl<Input: fmt::Debug> Error for Failure<Input> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.exit.source()
    }
}

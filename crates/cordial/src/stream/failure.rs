//! A failure that knows its input.

use std::error::Error;
use std::fmt;

use crate::exit::Exit;

/// An item that has failed: which one, what it was made from, and why.
///
/// What the items of a stream fail with after [`zip_input_on_exit`](crate::AsyncStream::zip_input_on_exit).
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
    /// Its place in the input, from 0.
    pub index: usize,
    /// What it was made from.
    pub input: Input,
    /// Why there is no value; of several attempts, the last one's.
    pub exit: Exit,
}

impl<Input> Failure<Input> {
    pub(super) fn new(index: usize, input: Option<Input>, exit: Exit) -> Failure<Input> {
        Failure { index, input: input.expect("a stream that makes these keeps its input"), exit }
    }
}

impl<Input: fmt::Debug> fmt::Display for Failure<Input> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Failure { index, input, exit } = self;
        write!(f, "item {index} ({input:?}): {exit}")
    }
}

/// The exit stands in the text; the source is what lies behind it.
impl<Input: fmt::Debug> Error for Failure<Input> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.exit.source()
    }
}

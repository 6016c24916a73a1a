//! An error of which only the texts are kept.

use std::error::Error;
use std::fmt;

/// How many sources of an error are kept.
pub(crate) const MAX_SOURCES: usize = 20;

/// The text of an error, in place of the error.
#[derive(Debug)]
pub(crate) struct ErrorText {
    text: String,
    source: Option<Box<ErrorText>>,
}

impl ErrorText {
    /// Sources after the [`MAX_SOURCES`]th are left out: dropping a long chain of boxes could exceed the stack.
    pub(crate) fn new(text: String, sources: Vec<String>) -> ErrorText {
        let sources = sources.into_iter().take(MAX_SOURCES).rev();
        let source = sources.fold(None, |source, text| Some(Box::new(ErrorText { text, source })));
        ErrorText { text, source }
    }
}

impl fmt::Display for ErrorText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for ErrorText {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.source.as_deref()?)
    }
}

//! The text of an error together with the texts of its sources.

use std::error::Error;
use std::fmt::{self, Write};

/// How many sources of an error are looked at. The chain of an error that is its own source has no end.
const MAX_LENGTH: usize = 100;

/// Displays an error and its sources, from the outermost to the innermost, with `: ` between them.
///
/// A source is left out if the text before it ends with the text of the source: many errors show their cause and
/// return it as their source as well.
pub(crate) struct Chain<'a>(pub(crate) &'a dyn Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = text_of(self.0)?;
        f.write_str(&shown)?;
        for source in sources(self.0) {
            let text = text_of(source)?;
            if !shown.ends_with(&text) {
                write!(f, ": {text}")?;
                shown = text;
            }
        }
        Ok(())
    }
}

/// Returns the first [`MAX_LENGTH`] sources of an error, the outermost first.
pub(crate) fn sources<'a>(error: &'a dyn Error) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    let next = |error: &&'a (dyn Error + 'static)| (*error).source();
    std::iter::successors(error.source(), next).take(MAX_LENGTH)
}

/// Like `to_string`, which would panic if a `Display` of the user fails.
fn text_of(error: &dyn Error) -> Result<String, fmt::Error> {
    let mut text = String::new();
    write!(text, "{error}")?;
    Ok(text)
}

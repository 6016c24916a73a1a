//! What can be wrong with bytes that are to become an argument.

/// The bytes are not valid Unicode, and the system accepts only text as arguments.
#[derive(Debug)]
pub(crate) struct NotUnicode;

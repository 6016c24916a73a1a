//! The error of a conversion from bytes to an argument.

/// The bytes are not valid Unicode, and the system accepts only text as arguments.
#[derive(Debug)]
pub(crate) struct NotUnicode;

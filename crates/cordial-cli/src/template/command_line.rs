//! A command with its item filled in.

use std::borrow::Cow;
use std::ffi::OsString;

/// A command that can be started.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CommandLine<'t> {
    /// The program and its arguments.
    pub(crate) words: Vec<OsString>,
    /// The variables that hold parts of the item, for the script of a shell line.
    pub(crate) environment: Vec<(Cow<'t, str>, OsString)>,
}

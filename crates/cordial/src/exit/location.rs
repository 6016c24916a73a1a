//! A location in source code.

use std::fmt;
use std::sync::Arc;

/// A location in source code: where a panic happened, or where a process was spawned.
///
/// Printed as `file:line:column`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Location {
    file: File,
    line: u32,
    column: u32,
}

/// A file name: `&'static` for a spawn location of this program; copied for a panic, because the panic hook only borrows the
/// location, and for a location in another program.
#[derive(Clone, Hash, PartialEq, Eq, PartialOrd, Ord)]
enum File {
    Static(&'static str),
    Copied(Arc<str>),
}

impl Location {
    /// Returns a location in the source of another program, for [`PanicReport::builder`](crate::PanicReport::builder) and
    /// [`Lost::builder`](crate::Lost::builder). A location of this program comes from [`std::panic::Location`].
    #[must_use]
    pub fn new(file: impl Into<Arc<str>>, line: u32, column: u32) -> Location {
        Location { file: File::Copied(file.into()), line, column }
    }

    /// Returns the path of the file, as passed to the compiler.
    #[must_use]
    pub fn file(&self) -> &str {
        match &self.file {
            File::Static(file) => file,
            File::Copied(file) => file,
        }
    }

    /// Returns the line, from 1; 0 if it is unknown.
    #[must_use]
    pub fn line(&self) -> u32 {
        self.line
    }

    /// Returns the column, from 1; 0 if it is unknown.
    #[must_use]
    pub fn column(&self) -> u32 {
        self.column
    }

    /// Returns the location that stands for an unknown one, such as that of a panic that the panic hook has not recorded: of
    /// `resume_unwind`, or where the program has replaced the hook.
    pub(crate) fn unknown() -> Location {
        Location { file: File::Static("an unknown location"), line: 0, column: 0 }
    }

    /// Copies a borrowed location.
    pub(crate) fn copied(location: &std::panic::Location<'_>) -> Location {
        Location { file: File::Copied(location.file().into()), line: location.line(), column: location.column() }
    }
}

impl From<&'static std::panic::Location<'static>> for Location {
    fn from(location: &'static std::panic::Location<'static>) -> Location {
        Location { file: File::Static(location.file()), line: location.line(), column: location.column() }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            return f.write_str(self.file());
        }
        write!(f, "{}:{}:{}", self.file(), self.line, self.column)
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

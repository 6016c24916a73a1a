//! A place in the source.

use std::fmt;
use std::sync::Arc;

/// A place in the source: where a panic happened, or where a process was spawned.
///
/// Printed as `file:line:column`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Location {
    file: File,
    line: u32,
    column: u32,
}

/// Spawn places are known when the program is built, the place of a panic only while its hook runs.
#[derive(Clone, Hash, PartialEq, Eq, PartialOrd, Ord)]
enum File {
    Known(&'static str),
    Told(Arc<str>),
}

impl Location {
    /// The file, as the compiler names it.
    #[must_use]
    pub fn file(&self) -> &str {
        match &self.file {
            File::Known(file) => file,
            File::Told(file) => file,
        }
    }

    /// The line, from 1; 0 if unknown.
    #[must_use]
    pub fn line(&self) -> u32 {
        self.line
    }

    /// The column, from 1; 0 if unknown.
    #[must_use]
    pub fn column(&self) -> u32 {
        self.column
    }

    /// What is told of a panic whose hook was replaced by the program.
    pub(crate) fn unknown() -> Location {
        Location { file: File::Known("an unknown place"), line: 0, column: 0 }
    }

    pub(crate) fn told(place: &std::panic::Location<'_>) -> Location {
        Location { file: File::Told(place.file().into()), line: place.line(), column: place.column() }
    }
}

impl From<&'static std::panic::Location<'static>> for Location {
    fn from(place: &'static std::panic::Location<'static>) -> Location {
        Location { file: File::Known(place.file()), line: place.line(), column: place.column() }
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

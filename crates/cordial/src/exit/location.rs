//! A location in source code.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// A location in source code: where a panic happened, or where a process was spawned.
///
/// Printed as `file:line:column`, or as `file` if the line is unknown. Two locations are equal if they name the same file, line and column.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Location {
    file: File,
    line: u32,
    column: u32,
}

/// A file name. `Static` for a spawn location of this program, and for an unknown location. `Copied` for a panic, because the panic hook
/// only borrows the location, and for a location in another program.
#[derive(Clone)]
enum File {
    Static(&'static str),
    Copied(Arc<str>),
}

impl File {
    fn name(&self) -> &str {
        match self {
            File::Static(name) => name,
            File::Copied(name) => name,
        }
    }
}

impl PartialEq for File {
    fn eq(&self, other: &File) -> bool {
        self.name() == other.name()
    }
}

impl Eq for File {}

impl PartialOrd for File {
    fn partial_cmp(&self, other: &File) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for File {
    fn cmp(&self, other: &File) -> Ordering {
        self.name().cmp(other.name())
    }
}

impl Hash for File {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}

impl Location {
    /// Returns a location in the source of another program, for [`PanicReport::builder`](crate::PanicReport::builder) and
    /// [`Lost::builder`](crate::Lost::builder). A location of this program comes from [`std::panic::Location`].
    #[must_use]
    pub fn new(file: impl Into<Arc<str>>, line: u32, column: u32) -> Location {
        Location { file: File::Copied(file.into()), line, column }
    }

    /// Returns the path of the file, as passed to the compiler; `an unknown location` if it is unknown.
    #[must_use]
    pub fn file(&self) -> &str {
        self.file.name()
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

    /// Returns the placeholder for an unknown location. A panic has it if the panic hook has not recorded the panic: see
    /// `unwind/hook.rs`.
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

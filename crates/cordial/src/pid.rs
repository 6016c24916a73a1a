//! The name of a process.

use std::fmt;

/// The name of a process: printable, ordered, and never used twice.
///
/// It carries the number of its runtime; in another runtime it names nobody.
///
/// # Elixir
///
/// `pid/0`. Printed as `<runtime.slot.generation>`.
///
/// # Examples
///
/// ```
/// let task = cordial::Task::spawn(async { cordial::process::current() });
/// let pid = task.pid();
/// assert_eq!(task.wait().unwrap(), Some(pid));
/// println!("{pid}");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pid {
    runtime: u32,
    index: u32,
    generation: u32,
}

impl Pid {
    /// The pid of no process.
    pub(crate) const NOBODY: Pid = Pid { runtime: 0, index: 0, generation: 0 };

    pub(crate) fn new(runtime: u32, index: u32, generation: u32) -> Pid {
        Pid { runtime, index, generation }
    }

    pub(crate) fn runtime(self) -> u32 {
        self.runtime
    }

    pub(crate) fn index(self) -> u32 {
        self.index
    }

    pub(crate) fn generation(self) -> u32 {
        self.generation
    }
}

impl fmt::Display for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}.{}.{}>", self.runtime, self.index, self.generation)
    }
}

impl fmt::Debug for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pid{self}")
    }
}

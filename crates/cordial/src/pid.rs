//! The identifier of a process.

use std::fmt;
use std::num::NonZeroU32;

/// The identifier of a process: printable, ordered, and never reused.
///
/// A pid includes the number of its runtime; in another runtime it is the pid of no process.
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
    runtime: NonZeroU32,
    /// The slot in the process table (high 32 bits) and the generation of the slot (low 32 bits). Two fields instead of three, so
    /// that a pid is passed in registers.
    slot: u64,
}

impl Pid {
    /// The pid of no process. Printed as `<0.0.0>`.
    pub(crate) const NO_PROCESS: Pid = Pid { runtime: NonZeroU32::MAX, slot: 0 };

    pub(crate) fn new(runtime: NonZeroU32, index: u32, generation: u32) -> Pid {
        Pid { runtime, slot: u64::from(index) << 32 | u64::from(generation) }
    }

    pub(crate) fn runtime(self) -> NonZeroU32 {
        self.runtime
    }

    pub(crate) fn index(self) -> u32 {
        (self.slot >> 32) as u32
    }

    pub(crate) fn generation(self) -> u32 {
        self.slot as u32
    }
}

impl fmt::Display for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let runtime = if *self == Pid::NO_PROCESS { 0 } else { self.runtime.get() };
        write!(f, "<{runtime}.{}.{}>", self.index(), self.generation())
    }
}

impl fmt::Debug for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pid{self}")
    }
}

//! The identifier of a process.

use std::error::Error;
use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

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

/// Reads the text that `Display` prints, such as `<1.2.3>`, with or without the angle brackets. Does not check that a process has
/// this pid. `<0.0.0>`, the pid of a task without a process, is an error.
///
/// # Examples
///
/// ```
/// use cordial::Pid;
///
/// let task = cordial::Task::spawn(async {});
/// assert_eq!(task.pid().to_string().parse::<Pid>(), Ok(task.pid()));
/// assert!("1.2".parse::<Pid>().is_err());
/// # task.wait().unwrap();
/// ```
impl FromStr for Pid {
    type Err = ParsePidError;

    fn from_str(text: &str) -> Result<Pid, ParsePidError> {
        let error = || ParsePidError { text: text.into() };
        let inner = match text.strip_prefix('<') {
            Some(rest) => rest.strip_suffix('>').ok_or_else(error)?,
            None => text,
        };
        let mut numbers = inner.split('.').map(|number| match number.as_bytes() {
            // `parse` alone would accept a leading `+`.
            [b'0'..=b'9', ..] => number.parse::<u32>().ok(),
            _ => None,
        });
        match (numbers.next(), numbers.next(), numbers.next(), numbers.next()) {
            (Some(Some(runtime)), Some(Some(index)), Some(Some(generation)), None) => {
                let runtime = NonZeroU32::new(runtime).ok_or_else(error)?;
                Ok(Pid::new(runtime, index, generation))
            }
            _ => Err(error()),
        }
    }
}

/// A text that is not a pid.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParsePidError {
    text: Box<str>,
}

impl fmt::Display for ParsePidError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not a pid; a pid is three numbers, such as <1.2.3>, and the first one is not 0", self.text)
    }
}

impl Error for ParsePidError {}

//! The signals with which an operating system asks a program to end.

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(not(unix), path = "other.rs")]
mod system;

pub(super) use system::OsSignals;

/// A signal that asks the program to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OsSignal {
    Interrupt,
    #[cfg_attr(not(unix), expect(dead_code, reason = "Windows has Ctrl-C only"))]
    Terminate,
}

impl OsSignal {
    /// Returns the exit status that a shell reports for a program that was ended by this signal.
    pub(super) fn status(self) -> u8 {
        match self {
            OsSignal::Interrupt => 128 + 2,
            OsSignal::Terminate => 128 + 15,
        }
    }
}

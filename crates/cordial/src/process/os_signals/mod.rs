//! The signals by which an operating system asks a program to end.

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(not(unix), path = "other.rs")]
mod system;

pub(crate) use system::OsSignals;

/// Which signal it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OsSignal {
    Interrupt,
    #[cfg_attr(not(unix), expect(dead_code, reason = "Windows has Ctrl-C only"))]
    Terminate,
}

impl OsSignal {
    /// The status of a program that was ended by it, as shells count.
    pub(crate) fn status(self) -> u8 {
        match self {
            OsSignal::Interrupt => 128 + 2,
            OsSignal::Terminate => 128 + 15,
        }
    }
}

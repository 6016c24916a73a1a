//! Where operating systems differ: arguments, process groups, the endings of processes, and requests to stop.
//!
//! Both files offer the same names, so that nothing outside this folder asks which system it is on.

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(not(unix), path = "windows.rs")]
mod this;

pub(crate) use this::{
    Interrupts, KILLED, LONGEST_ARGUMENT, PipeEnd, advice, advice_on_keeping, argument, ending, kill_group, own_group,
    read_available, split,
};

/// A request from outside to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interrupt {
    /// SIGINT: a person pressed Ctrl-C.
    Interrupt,
    /// SIGTERM: somebody stops the program.
    Terminate,
}

impl Interrupt {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Interrupt::Interrupt => "SIGINT",
            Interrupt::Terminate => "SIGTERM",
        }
    }

    /// The exit status that a shell gives to a program which this signal ended: 128 and the number of the signal.
    pub(crate) fn status(self) -> u8 {
        match self {
            Interrupt::Interrupt => 130,
            Interrupt::Terminate => 143,
        }
    }
}

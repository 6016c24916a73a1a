//! Where operating systems differ: arguments, process groups, the endings of processes, requests to stop, and what the machine has left.
//!
//! Both parts offer the same names, so that nothing outside this folder asks which system it is on.

#[cfg_attr(unix, path = "unix/mod.rs")]
#[cfg_attr(not(unix), path = "windows.rs")]
mod this;

pub(crate) use this::{
    Group, Groups, Interrupts, KILLED, LONGEST_ARGUMENT, PipeEnd, Suspensions, advice, advice_on_keeping,
    be_deaf_to_ends, bytes, call_it, ended_by, ending, free_memory, guard, hear_ends, is_shortage, load,
    lower_priority, may_hold, most_at_once, program, read_available, standard_input, start_guard, was_killed, word,
};

/// A request from outside to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::enum_variant_names, reason = "it has the name of its signal")]
pub(crate) enum Interrupt {
    /// SIGINT: a person pressed Ctrl-C.
    Interrupt,
    /// SIGTERM: somebody stops the program.
    Terminate,
    /// SIGHUP: the terminal is gone.
    #[cfg_attr(not(unix), expect(dead_code, reason = "there is no such signal"))]
    Hangup,
}

impl Interrupt {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Interrupt::Interrupt => "SIGINT",
            Interrupt::Terminate => "SIGTERM",
            Interrupt::Hangup => "SIGHUP",
        }
    }

    /// The exit status that a shell gives to a program which this signal ended: 128 and the number of the signal.
    pub(crate) fn status(self) -> u8 {
        match self {
            Interrupt::Hangup => 129,
            Interrupt::Interrupt => 130,
            Interrupt::Terminate => 143,
        }
    }
}

/// How a thread waits for a command that may be short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// It stands still and does nothing else, which is cheaper.
    Standing,
    /// It has other commands to look after.
    Aside,
}

/// How an operating-system process ended, in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EndedBy {
    Code(i32),
    #[cfg_attr(not(unix), expect(dead_code, reason = "there are no signals"))]
    Signal(i32),
}

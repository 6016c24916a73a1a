//! Why a process was not started.

use std::fmt;

/// Why a process was not started.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The runtime was shut down, or is being shut down.
    RuntimeStopped,
    /// As many processes are alive as one runtime can count.
    TooManyProcesses,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refusal::RuntimeStopped => "not started: the runtime was shut down; spawn before `shutdown`, or on another runtime",
            Refusal::TooManyProcesses => {
                "not started: 67 million processes are alive in this runtime; bound them, for example with `Task::async_stream`"
            }
        })
    }
}

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
    /// As many children run under the supervisor as it may have.
    SupervisorFull,
    /// The supervisor is stopping, or has ended.
    SupervisorStopped,
    /// The supervisor is between two incarnations, as far as its own supervisor knows: try again in a moment.
    SupervisorRestarting,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refusal::RuntimeStopped => "not started: the runtime was shut down; spawn before `shutdown`, or on another runtime",
            Refusal::SupervisorFull => {
                "not started: the supervisor runs as many children as `max_children` allows; raise it, or wait with `start_child_when_room`"
            }
            Refusal::SupervisorStopped => {
                "not started: the supervisor is stopping or has ended; start it again, or see why it ended with `ended`"
            }
            Refusal::SupervisorRestarting => {
                "not started: the supervisor is between two incarnations; try again in a moment"
            }
            Refusal::TooManyProcesses => {
                "not started: 67 million processes are alive in this runtime; bound them, for example with `Task::async_stream`"
            }
        })
    }
}

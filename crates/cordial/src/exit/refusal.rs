//! Why a process was not started, or a message not handled.

use std::fmt;

/// Why a process was not started, or a message of a server not handled.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The runtime was shut down, or is being shut down.
    RuntimeStopped,
    /// The program has forked since the runtime was started: the threads of the runtime exist in
    /// the parent process only. A forked process gets this also where it awaits a task that was
    /// started before the fork.
    Forked,
    /// The process table of the runtime is full.
    TooManyProcesses,
    /// The supervisor has as many children as `max_children` allows, including those that wait for a restart.
    SupervisorFull,
    /// The supervisor is stopping, or has ended.
    SupervisorStopped,
    /// The supervisor has ended or is stopping, and will be restarted: try again later.
    SupervisorRestarting,
    /// The server has stopped, and is not started again; or it stops before it gets to the message; or its specification was dropped
    /// before it was started. The message was not handled.
    ServerStopped,
    /// The call was made outside of any process, in a tokio runtime whose clock is paused: in a test with `start_paused`, or after
    /// `tokio::time::pause`. Processes, and the deadlines of [`within`](crate::within), do not follow that clock. Such a test runs on a
    /// virtual clock in [`testing::run`](crate::testing::run).
    PausedClock,
    /// The calling thread is ending: a destructor of a thread-local, or a handler of `atexit`, made the call.
    ThreadEnding,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refusal::RuntimeStopped => "not started: the runtime was shut down; spawn before `shutdown`, or on another runtime",
            Refusal::Forked => {
                "not in this process: the program has forked, and the threads of this runtime stayed in the parent process; fork before the first use of a runtime, or build another one with `Runtime::builder` in the child process"
            }
            Refusal::SupervisorFull => {
                "not started: the supervisor has as many children as `max_children` allows; raise it, or wait with `start_child_when_room`"
            }
            Refusal::SupervisorStopped => {
                "not started: the supervisor is stopping or has ended; start it again; `ended` returns why it ended"
            }
            Refusal::SupervisorRestarting => {
                "not started: the supervisor is being restarted; try again in a moment"
            }
            Refusal::ServerStopped => {
                "not handled: the server has stopped, or stops before it gets to the message, or was never started; start it again; `ended` returns why it ended"
            }
            Refusal::PausedClock => {
                "not started: tokio's clock is paused here (by `start_paused` or `pause`), and processes do not follow it; run this test with `cordial::testing::run`, which has a virtual clock"
            }
            Refusal::ThreadEnding => {
                "not started: the thread that spawns is ending, and its thread-locals are gone; spawn before that, or on another thread"
            }
            Refusal::TooManyProcesses => {
                "not started: this runtime has 67 million live processes already; limit them, for example with `Task::async_stream`"
            }
        })
    }
}

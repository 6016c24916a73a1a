//! The log of a run. One thread runs everything, so the order of the log is the order of the events.

use cordial::Exit;

use crate::program::{How, Linkage, Name, Op};

/// One event of a run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Event {
    Spawned {
        who: Name,
        by: Name,
        linkage: Linkage,
        has_handle: bool,
    },
    /// The process begins this operation.
    Step(Name, Op),
    Polled(Name),
    /// The future of the process was ready.
    Returned(Name),
    /// The future of the process was dropped with everything in it.
    Destroyed(Name),
    /// The process is about to panic.
    Panicked(Name, String),
    /// The process calls `cordial::exit`.
    Exiting(Name, Cause),
    /// The future of the process is about to return this `Err`.
    Failing(Name, Cause),

    Linked(Name, Name),
    Unlinked(Name, Name),
    Sent {
        by: Name,
        to: Name,
        cause: Cause,
    },

    /// A monitor was created. Its number is the index of this event in the log.
    MonitorCreated {
        of: Name,
        awaited_by: AwaitedBy,
    },
    /// The monitor of this number resolved.
    Down {
        number: usize,
        cause: Cause,
    },
    /// The monitor of this number was dropped before it resolved.
    MonitorDropped {
        number: usize,
    },

    Trapping(Name),
    NotTrapping(Name),
    Trapped {
        who: Name,
        from: Option<Name>,
        cause: Cause,
    },
    /// The process has taken all exits that it has trapped so far.
    NothingTrapped(Name),

    /// The process opts in to graceful shutdown: it is about to poll `shutdown_requested`.
    OptedIn(Name),
    /// Whether `shutdown_requested` was ready.
    RequestPolled {
        who: Name,
        is_requested: bool,
    },

    /// A handle is dropped: by code that runs, or while `by` ends or unwinds.
    HandleDropped {
        of: Name,
        by: Name,
        is_in_poll: bool,
    },
    /// `shutdown` is called on a handle.
    ShutdownCalled {
        of: Name,
        by: Name,
        how: How,
    },
    /// The process may wait without a timeout for the result of a handle.
    Waiting {
        who: Name,
        of: Name,
    },
    CallReturned {
        of: Name,
        by: Name,
        call: Call,
        was_taken: bool,
        answer: Option<Result<(), Cause>>,
    },
    ValueMade(Name),
    ValueDropped(Name),

    /// The process table: the running processes, and the links of each.
    Table(Vec<(Name, Vec<Name>)>),
    /// No process has made progress for a long time. The runner shuts all processes down now.
    Quiescent,
    /// The run has finished. These processes are still in the table.
    Finished {
        remaining: Vec<Name>,
    },
}

/// The process that awaits a monitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AwaitedBy {
    /// The runner. The monitor was created when the process was spawned.
    RunnerFromSpawn,
    /// The runner. Another process created the monitor.
    Runner,
    /// The process that created the monitor, for a limited time.
    Process,
}

/// A call on a handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Await,
    YieldFor,
    Ignore,
    Shutdown(How),
}

/// An exit with the names of processes instead of pids.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cause {
    Normal,
    Shutdown(Option<String>),
    Killed,
    /// A timeout of the await of this process.
    Timeout(Option<Name>),
    Panic(String),
    Error(String),
    NoProcess,
    /// A variant that must not occur.
    Other(String),
}

impl Cause {
    pub(crate) fn of(exit: &Exit, name_of: impl Fn(cordial::Pid) -> Option<Name>) -> Cause {
        match exit {
            Exit::Normal => Cause::Normal,
            Exit::Shutdown(why) => Cause::Shutdown(why.as_ref().map(ToString::to_string)),
            Exit::Killed => Cause::Killed,
            Exit::Timeout(timed_out) => Cause::Timeout(name_of(timed_out.pid())),
            Exit::Panic(report) => Cause::Panic(report.message().to_owned()),
            Exit::Error(error) => Cause::Error(error.to_string()),
            Exit::NoProcess => Cause::NoProcess,
            other => Cause::Other(other.to_string()),
        }
    }

    /// The name of the variant, for the counts.
    fn kind(&self) -> &'static str {
        match self {
            Cause::Normal => "Normal",
            Cause::Shutdown(None) => "Shutdown",
            Cause::Shutdown(Some(_)) => "Shutdown with reason",
            Cause::Killed => "Killed",
            Cause::Timeout(_) => "Timeout",
            Cause::Panic(_) => "Panic",
            Cause::Error(_) => "Error",
            Cause::NoProcess => "NoProcess",
            Cause::Other(_) => "Other",
        }
    }
}

impl Event {
    /// The outcome that this event counts as, if any.
    pub(crate) fn outcome(&self) -> Option<String> {
        let outcome = match self {
            Event::Step(_, op) => format!("operation: {}", op.kind()),
            Event::Down { cause, .. } => format!("monitor: {}", cause.kind()),
            Event::MonitorDropped { .. } => "monitor: dropped".to_owned(),
            Event::Trapped { cause, .. } => format!("trap: {}", cause.kind()),
            Event::NothingTrapped(_) => "trap: nothing".to_owned(),
            Event::RequestPolled { is_requested, .. } => format!("shutdown requested: {is_requested}"),
            Event::HandleDropped { .. } => "handle: dropped".to_owned(),
            Event::CallReturned { call, answer, was_taken, .. } => {
                let answer = match answer {
                    _ if *was_taken => "taken before",
                    None => "None",
                    Some(Ok(())) => "a value",
                    Some(Err(cause)) => cause.kind(),
                };
                let call = match call {
                    Call::Await => "await",
                    Call::YieldFor => "yield_for",
                    Call::Ignore => "ignore",
                    Call::Shutdown(How::BrutalKill) => "shutdown by kill",
                    Call::Shutdown(_) => "shutdown",
                };
                format!("{call}: {answer}")
            }
            _ => return None,
        };
        Some(outcome)
    }
}

//! What is written down of a run. One thread runs everything, so the order of the events is the order of what happened.

use cordial::Exit;

use crate::program::{How, Name, Op, Tie};

/// One thing that happened.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Event {
    Born {
        who: Name,
        by: Name,
        tie: Tie,
        has_handle: bool,
    },
    /// The process gets to this operation.
    Did(Name, Op),
    Polled(Name),
    /// Its future was ready.
    Returned(Name),
    /// Its future, and everything in it, was dropped.
    Destroyed(Name),
    /// It panics from here.
    Panicked(Name, String),
    /// It calls `cordial::exit`.
    Exiting(Name, Cause),
    /// Its future is about to be ready with this `Err`.
    Failing(Name, Cause),

    Linked(Name, Name),
    Unlinked(Name, Name),
    Sent {
        by: Name,
        to: Name,
        cause: Cause,
    },

    /// A monitor was made. Its number is the place of this event in the log.
    Watched {
        of: Name,
        keeper: Keeper,
    },
    /// The monitor of that number answered.
    Down {
        watch: usize,
        cause: Cause,
    },
    /// The monitor of that number was dropped without an answer.
    NotDown {
        watch: usize,
    },

    Trapping(Name),
    NotTrapping(Name),
    Trapped {
        who: Name,
        from: Option<Name>,
        cause: Cause,
    },
    /// It has taken all trapped exits that there are.
    AllTrapped(Name),

    /// It polls `shutdown_requested` from here on.
    WantsNotice(Name),
    /// Whether a request was seen.
    Noticed {
        who: Name,
        is_asked: bool,
    },

    /// A handle is dropped.
    GivenUp {
        of: Name,
        by: Name,
    },
    /// `shutdown` is called on a handle.
    Stopping {
        of: Name,
        by: Name,
        how: How,
    },
    /// It may wait without limit from here on, for the answer of a handle.
    Waiting {
        who: Name,
        of: Name,
    },
    Answered {
        of: Name,
        by: Name,
        call: Call,
        was_taken: bool,
        answer: Option<Result<(), Cause>>,
    },
    ValueMade(Name),
    ValueDropped(Name),

    /// The table as the checker sees it: who is there, and the links of each.
    Seen(Vec<(Name, Vec<Name>)>),
    /// For long, nothing but hanging has happened. Everybody is asked to end now.
    Curtain,
    /// Who is still in the table when all were told to end.
    Over {
        left: Vec<Name>,
    },
}

/// Who awaits a monitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keeper {
    /// The stage, from the birth of the process on.
    Birth,
    /// The stage, for a process that has made the monitor.
    Stage,
    /// The process that has made it, for a while.
    Maker,
}

/// What a handle was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Await,
    YieldFor,
    Ignore,
    Shutdown(How),
}

/// An exit, in the names of the program.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cause {
    Normal,
    Shutdown(Option<String>),
    Killed,
    /// Of the await of this process.
    Timeout(Option<Name>),
    Panic(String),
    Error(String),
    NoProcess,
    /// No variant that a run may show.
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

    /// The variant.
    fn kind(&self) -> &'static str {
        match self {
            Cause::Normal => "Normal",
            Cause::Shutdown(None) => "Shutdown",
            Cause::Shutdown(Some(_)) => "Shutdown because",
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
    /// What the event is counted as.
    pub(crate) fn outcome(&self) -> Option<String> {
        let outcome = match self {
            Event::Did(_, op) => format!("operation: {}", op.kind()),
            Event::Down { cause, .. } => format!("monitor: {}", cause.kind()),
            Event::NotDown { .. } => "monitor: dropped".to_owned(),
            Event::Trapped { cause, .. } => format!("trap: {}", cause.kind()),
            Event::AllTrapped(_) => "trap: nothing".to_owned(),
            Event::Noticed { is_asked, .. } => format!("asked: {is_asked}"),
            Event::GivenUp { .. } => "handle: dropped".to_owned(),
            Event::Answered { call, answer, was_taken, .. } => {
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

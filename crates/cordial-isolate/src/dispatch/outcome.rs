//! How a call has ended, in the form that travels to the caller.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use cordial::process::ProcessInfo;
use cordial::{Exit, Location, Lost, LostCause, PanicReport};
use serde::{Deserialize, Serialize};

use super::unserved::Unserved;
use crate::codec::{self, CodecError};
use crate::function::Signature;
use crate::unwind::contain;

/// How many sources of an error travel at most.
const MAX_SOURCES: usize = 20;

/// How a call has ended, in the form that travels to the caller: the bytes of its result, or the exit that says why there is
/// none.
///
/// # Examples
///
/// ```
/// use cordial::Exit;
/// use cordial_isolate::Function;
/// use cordial_isolate::dispatch::Outcome;
///
/// const PARSE: Function<String, u64> = Function::new("parse");
///
/// let sent = Outcome::from_result(Err(Exit::from("not a number"))).encode();
/// let received = Outcome::decode(sent)?.into_result(PARSE.signature(), None);
/// assert_eq!(received.unwrap_err().to_string(), "not a number");
/// # Ok::<(), cordial_isolate::dispatch::CodecError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Outcome {
    result: Result<Vec<u8>, TravelingExit>,
}

/// An exit in a form that another program can decode: without the error values and the pids of the program in which it
/// happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum TravelingExit {
    Unserved(Unserved),
    /// The texts of an error and of its sources.
    Error(Vec<String>),
    Panic {
        message: String,
        location: SourceLocation,
        thread: String,
        backtrace: Option<String>,
    },
    Shutdown(Option<String>),
    Killed,
    Lost(Box<TravelingLost>),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct TravelingLost {
    cause: Cause,
    function: Option<String>,
    spawned_at: Option<SourceLocation>,
    place: Option<String>,
    attempt: u32,
    ran_for: Duration,
    stderr: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Cause {
    Signal { number: i32, name: String },
    ExitCode(i32),
    OutOfMemory,
    MemoryLimit(u64),
    CpuLimit(Duration),
    NodeDown(String),
    ConnectionLost(String),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct SourceLocation {
    file: String,
    line: u32,
    column: u32,
}

impl Outcome {
    /// Returns the outcome of a task of [`Runner::start`](super::Runner::start).
    #[must_use]
    pub fn from_result(result: Result<Vec<u8>, Exit>) -> Outcome {
        Outcome { result: result.map_err(TravelingExit::from) }
    }

    /// Returns the outcome of a call that was not run.
    #[must_use]
    pub fn unserved(unserved: Unserved) -> Outcome {
        Outcome { result: Err(TravelingExit::Unserved(unserved)) }
    }

    /// Returns whether the call has a result.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.result.is_ok()
    }

    /// Returns whether the call was not run, because the worker does not serve it.
    #[must_use]
    pub fn is_unserved(&self) -> bool {
        matches!(self.result, Err(TravelingExit::Unserved(_)))
    }

    /// Returns the bytes of the outcome: those of the result or of the exit, and one byte after them that says which.
    #[must_use]
    pub fn encode(self) -> Vec<u8> {
        match self.result {
            Ok(mut bytes) => {
                bytes.push(0);
                bytes
            }
            Err(exit) => {
                // `Serialize` of these types does not fail. If it did, decoding would fail at the caller.
                let mut bytes = postcard::to_stdvec(&exit).unwrap_or_default();
                bytes.push(1);
                bytes
            }
        }
    }

    /// Returns the outcome whose bytes these are.
    ///
    /// # Errors
    ///
    /// If the bytes are not those of an outcome.
    pub fn decode(mut bytes: Vec<u8>) -> Result<Outcome, CodecError> {
        match bytes.pop() {
            Some(0) => Ok(Outcome { result: Ok(bytes) }),
            _ => match codec::decode(bytes) {
                Ok(exit) => Ok(Outcome { result: Err(exit) }),
                Err(error) => Err(error.context("", "outcome of a call")),
            },
        }
    }

    /// Returns the bytes of the result, or the exit at the caller. `signature` belongs to the caller's `Function`. `process` is
    /// the caller's process that stands for the call: the report of a panic names it.
    ///
    /// # Errors
    ///
    /// The exit of the call.
    pub fn into_result(self, signature: Signature, process: Option<&ProcessInfo>) -> Result<Vec<u8>, Exit> {
        self.result.map_err(|exit| exit.into_exit(signature, process))
    }
}

impl TravelingExit {
    fn into_exit(self, signature: Signature, process: Option<&ProcessInfo>) -> Exit {
        match self {
            TravelingExit::Unserved(unserved) => Exit::Error(Arc::new(unserved.seen_from(signature))),
            TravelingExit::Error(texts) => {
                let mut texts = texts.into_iter();
                Exit::from_texts(texts.next().unwrap_or_default(), texts.collect())
            }
            TravelingExit::Panic { message, location, thread, backtrace } => {
                let mut report = PanicReport::builder(message, location).thread(thread);
                if let Some(backtrace) = backtrace {
                    report = report.backtrace(backtrace);
                }
                if let Some(process) = process {
                    report = report.pid(process.pid).spawned_at(process.spawned_at.clone());
                    report = report.callers(process.callers.clone());
                }
                let label = process.and_then(|process| process.label.as_deref()).unwrap_or(signature.name);
                Exit::Panic(Arc::new(report.label(label).build()))
            }
            TravelingExit::Shutdown(why) => Exit::Shutdown(why.map(Arc::from)),
            TravelingExit::Killed => Exit::Killed,
            TravelingExit::Lost(lost) => Lost::from(*lost).into(),
        }
    }
}

/// Replaces the error of an exit by the texts of that error, so that printing or dropping the exit runs no user code, which may panic.
/// An [`Unserved`] stays as it is.
#[must_use]
pub fn without_values(exit: Exit) -> Exit {
    let Exit::Error(error) = &exit else { return exit };
    if error.downcast_ref::<Unserved>().is_some() {
        return exit;
    }
    let mut texts = Vec::new();
    contain(|| {
        texts.push(error.to_string());
        let sources = std::iter::successors(error.source(), |error: &&(dyn Error + 'static)| (*error).source());
        texts.extend(sources.take(MAX_SOURCES).map(ToString::to_string));
    });
    // This may be the last reference to the error.
    contain(|| drop(exit));
    let mut texts = texts.into_iter();
    Exit::from_texts(texts.next().unwrap_or_else(|| "an error whose `Display` panicked".to_owned()), texts.collect())
}

impl From<Exit> for TravelingExit {
    fn from(exit: Exit) -> TravelingExit {
        let exit = without_values(exit);
        match &exit {
            Exit::Panic(report) => TravelingExit::Panic {
                message: report.message().to_owned(),
                location: report.location().into(),
                thread: report.thread().to_owned(),
                backtrace: report.backtrace_text(),
            },
            Exit::Error(error) => match error.downcast_ref::<Unserved>() {
                Some(unserved) => TravelingExit::Unserved(unserved.clone()),
                None => {
                    let sources =
                        std::iter::successors(error.source(), |error: &&(dyn Error + 'static)| (*error).source());
                    let texts =
                        std::iter::once(error.to_string()).chain(sources.take(MAX_SOURCES).map(ToString::to_string));
                    TravelingExit::Error(texts.collect())
                }
            },
            Exit::Shutdown(why) => TravelingExit::Shutdown(why.as_deref().map(str::to_owned)),
            Exit::Killed => TravelingExit::Killed,
            Exit::Lost(lost) => TravelingExit::Lost(Box::new(TravelingLost::from(&**lost))),
            // A timeout, a refusal or a missing process of the program that ran the call: the text says which.
            exit => TravelingExit::Error(vec![exit.to_string()]),
        }
    }
}

impl From<&Lost> for TravelingLost {
    fn from(lost: &Lost) -> TravelingLost {
        let cause = match lost.cause() {
            LostCause::Signal { number, name } => Cause::Signal { number: *number, name: (**name).to_owned() },
            LostCause::ExitCode(code) => Cause::ExitCode(*code),
            LostCause::OutOfMemory => Cause::OutOfMemory,
            LostCause::MemoryLimit { limit } => Cause::MemoryLimit(*limit),
            LostCause::CpuLimit { limit } => Cause::CpuLimit(*limit),
            LostCause::NodeDown { node } => Cause::NodeDown((**node).to_owned()),
            LostCause::ConnectionLost { reason } => Cause::ConnectionLost((**reason).to_owned()),
            other => Cause::ConnectionLost(other.to_string()),
        };
        TravelingLost {
            cause,
            function: lost.function().map(str::to_owned),
            spawned_at: lost.spawned_at().map(SourceLocation::from),
            place: lost.place().map(str::to_owned),
            attempt: lost.attempt(),
            ran_for: lost.ran_for(),
            stderr: lost.stderr().to_vec(),
        }
    }
}

impl From<TravelingLost> for Lost {
    fn from(traveling: TravelingLost) -> Lost {
        let cause = match traveling.cause {
            Cause::Signal { number, name } => LostCause::Signal { number, name: name.into() },
            Cause::ExitCode(code) => LostCause::ExitCode(code),
            Cause::OutOfMemory => LostCause::OutOfMemory,
            Cause::MemoryLimit(limit) => LostCause::MemoryLimit { limit },
            Cause::CpuLimit(limit) => LostCause::CpuLimit { limit },
            Cause::NodeDown(node) => LostCause::NodeDown { node: node.into() },
            Cause::ConnectionLost(reason) => LostCause::ConnectionLost { reason: reason.into() },
        };
        let mut lost =
            Lost::builder(cause).attempt(traveling.attempt).ran_for(traveling.ran_for).stderr(traveling.stderr);
        if let Some(function) = traveling.function {
            lost = lost.function(function);
        }
        if let Some(place) = traveling.place {
            lost = lost.place(place);
        }
        if let Some(spawned_at) = traveling.spawned_at {
            lost = lost.spawned_at(spawned_at);
        }
        lost.build()
    }
}

impl From<&Location> for SourceLocation {
    fn from(location: &Location) -> SourceLocation {
        SourceLocation { file: location.file().to_owned(), line: location.line(), column: location.column() }
    }
}

impl From<SourceLocation> for Location {
    fn from(place: SourceLocation) -> Location {
        Location::new(place.file, place.line, place.column)
    }
}

#[cfg(test)]
mod tests;

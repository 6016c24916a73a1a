//! The conversion of panics into values, and the panic hook. No other module catches a panic.
//!
//! ```text
//!  panic! inside `catch` ─► hook: records location, backtrace and span, and calls the hook that was there before, unless the
//!                           panic is reported in another way
//!                        ─► unwinding ─► `catch`: combines that record and the message into a `Caught`
//!  checkpoint            ─► unwinding without the hook ─► `catch`: `Unwound::Checkpoint`
//! ```

mod hook;

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use tracing::Span;

use crate::exit::{Exit, Location, PanicReport};
use crate::pid::Pid;

pub(crate) use hook::{PanicReports, install_hook, set_panic_reports};

/// Stands for the text of an error whose `Display` panicked.
pub(crate) const DISPLAY_PANICKED: &str = "an error whose `Display` panicked";

/// Why a call unwound.
pub(crate) enum Unwound {
    Panic(Box<Caught>),
    /// `checkpoint` has found that the process is exiting.
    Checkpoint,
}

/// A caught panic.
pub(crate) struct Caught {
    pub(crate) message: String,
    pub(crate) location: Location,
    pub(crate) backtrace: Option<Backtrace>,
    pub(crate) thread: String,
    /// The span that was current at the panic.
    pub(crate) span: Option<Span>,
}

impl Unwound {
    /// Returns the panic. `None` for a `checkpoint`.
    pub(crate) fn into_panic(self) -> Option<Box<Caught>> {
        match self {
            Unwound::Panic(caught) => Some(caught),
            Unwound::Checkpoint => None,
        }
    }

    /// Returns the exit of a child whose start has panicked. If a `checkpoint` has unwound the start, the unwinding is resumed,
    /// because the checkpoint ends the calling process and not the child.
    pub(crate) fn into_start_failure(self, id: &Arc<str>, spawned_at: &'static std::panic::Location<'static>) -> Exit {
        match self {
            Unwound::Panic(caught) => {
                caught.into_exit(Pid::NO_PROCESS, Some(id.clone()), Location::from(spawned_at), Vec::new())
            }
            Unwound::Checkpoint => unwind_to_catch(),
        }
    }
}

impl Caught {
    /// Returns the backtrace, if one was captured.
    pub(crate) fn backtrace(&self) -> Option<&Backtrace> {
        self.backtrace.as_ref().filter(|backtrace| backtrace.status() == BacktraceStatus::Captured)
    }

    /// Returns the exit of the process that the panic is about to end, without the backtrace.
    pub(crate) fn to_exit(&self, pid: Pid, label: Option<Arc<str>>, spawned_at: Location, callers: Vec<Pid>) -> Exit {
        let (message, location, thread) = (self.message.clone(), self.location.clone(), self.thread.clone());
        let caught = Caught { message, location, backtrace: None, thread, span: None };
        caught.into_exit(pid, label, spawned_at, callers)
    }

    /// Returns the exit of the process that the panic has ended.
    pub(crate) fn into_exit(self, pid: Pid, label: Option<Arc<str>>, spawned_at: Location, callers: Vec<Pid>) -> Exit {
        let Caught { message, location, backtrace, thread, .. } = self;
        Exit::Panic(Arc::new(PanicReport {
            message,
            location,
            thread,
            backtrace,
            foreign_backtrace: None,
            pid,
            label,
            spawned_at,
            callers,
        }))
    }
}

/// The payload with which `checkpoint` unwinds.
struct Checkpoint;

/// The payload with which `resume` unwinds: a panic that was caught before.
struct Resumed(Box<Caught>);

/// Calls `f`. If `f` unwinds, returns the reason: a panic or a `checkpoint`.
#[expect(clippy::disallowed_methods, reason = "only this module catches panics")]
#[inline]
pub(crate) fn catch<R>(f: impl FnOnce() -> R) -> Result<R, Unwound> {
    // If a destructor calls this while another panic unwinds, the record of that panic is kept for its own `catch`.
    let outer = if std::thread::panicking() { hook::take_record().map(Box::new) } else { None };
    let outcome = hook::while_recording(|| catch_unwind(AssertUnwindSafe(f))).map_err(unwound);
    if let Some(outer) = outer {
        hook::set_record(Some(*outer));
    }
    outcome
}

/// Like `catch`, for a call that is not a part of every poll: the code that catches is not compiled again for each closure.
pub(crate) fn catch_cold<R>(f: impl FnOnce() -> R) -> Result<R, Unwound> {
    let (mut f, mut result) = (Some(f), None);
    catch_dyn(&mut || result = f.take().map(|f| f()))?;
    Ok(result.expect("the closure has returned"))
}

/// Formats an exit or an error of the user, whose `Display` may panic.
pub(crate) fn format_caught(format: impl FnOnce() -> String) -> String {
    catch_cold(format).unwrap_or_else(|_| DISPLAY_PANICKED.to_owned())
}

/// Like `catch_cold`, for a call without a result.
#[cold]
pub(crate) fn catch_dyn(call: &mut dyn FnMut()) -> Result<(), Unwound> {
    catch(call)
}

/// Reads the payload of an unwinding that was caught. Not generic, so that it is compiled once and not again for each future of a user.
#[cold]
fn unwound(payload: Box<dyn Any + Send>) -> Unwound {
    if payload.is::<Checkpoint>() {
        return Unwound::Checkpoint;
    }
    let payload = match payload.downcast::<Resumed>() {
        Ok(resumed) => return Unwound::Panic(resumed.0),
        Err(payload) => payload,
    };
    let record = hook::take_record_of_catch();
    let message = message_of(&*payload);
    drop_payload(payload);
    let (location, backtrace, span) = match record {
        Some(record) => (record.location, Some(record.backtrace), record.span),
        None => (Location::unknown(), None, None),
    };
    Unwound::Panic(Box::new(Caught { message, location, backtrace, thread: thread_name(), span }))
}

/// Returns the name of this thread. A handler of `atexit` runs after the thread has dropped its name: then
/// `std::thread::current` panics.
fn thread_name() -> String {
    let mut name = None;
    catch_silently(|| name = std::thread::current().name().map(str::to_owned));
    name.unwrap_or_else(|| "unnamed".to_owned())
}

/// Calls `f`, which runs a user's callback, such as a waker or a subscriber. If `f` unwinds, the unwinding ends here, and the
/// caller continues.
pub(crate) fn ignore_panic<R>(f: impl FnOnce() -> R) {
    let mut f = Some(f);
    let _ = catch_dyn(&mut || {
        if let Some(f) = f.take() {
            drop(f());
        }
    });
}

/// Calls `f`, while the panic hook does nothing. If `f` panics, returns the message of the panic.
#[expect(clippy::disallowed_methods, reason = "only this module catches panics")]
pub(crate) fn catch_silently(f: impl FnOnce()) -> Option<String> {
    if cfg!(panic = "abort") {
        // A panic ends the program here, so the hook must print it.
        f();
        return None;
    }
    let outcome = hook::while_silent(|| catch_unwind(AssertUnwindSafe(f)));
    let payload = outcome.err()?;
    let message = message_of(&*payload);
    drop_payload(payload);
    Some(message)
}

/// Unwinds to the innermost [`catch`], without calling the hook.
pub(crate) fn unwind_to_catch() -> ! {
    resume_unwind(Box::new(Checkpoint))
}

/// Goes on with the unwinding of a panic that was caught. The hook is not called again.
pub(crate) fn resume(caught: Box<Caught>) -> ! {
    resume_unwind(Box::new(Resumed(caught)))
}

fn message_of(payload: &(dyn Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<&str>() {
        return (*text).to_owned();
    }
    payload.downcast_ref::<String>().cloned().unwrap_or_else(|| "a panic whose payload is not a string".to_owned())
}

/// Drops the payload of a panic. Its destructor belongs to the user and may panic itself.
#[expect(clippy::disallowed_methods, reason = "only this module catches panics")]
fn drop_payload(payload: Box<dyn Any + Send>) {
    if let Err(next) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        // The payload of the second panic is leaked, since its destructor may panic again.
        std::mem::forget(next);
    }
}

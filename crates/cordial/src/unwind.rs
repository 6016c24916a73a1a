//! The conversion of panics into values, and the panic hook. No other module catches a panic.
//!
//! ```text
//!  panic! inside a process ─► hook: records location and backtrace; prints only if no subscriber takes the event
//!                          ─► unwinding ─► `catch`: combines that record and the message into a `Caught`
//!  checkpoint              ─► unwinding without the hook ─► `catch`: `Unwound::Checkpoint`
//! ```

use std::any::Any;
use std::backtrace::Backtrace;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, resume_unwind, set_hook, take_hook};
use std::sync::{Arc, Once};

use crate::exit::{Exit, Location, PanicReport};
use crate::pid::Pid;

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
}

impl Unwound {
    /// Returns the exit of a child whose start has unwound. Resumes the unwinding of a `checkpoint`, because that ends the calling
    /// process, not the child.
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
    /// Returns the exit of the process that the panic has ended.
    pub(crate) fn into_exit(self, pid: Pid, label: Option<Arc<str>>, spawned_at: Location, callers: Vec<Pid>) -> Exit {
        let Caught { message, location, backtrace, thread } = self;
        Exit::Panic(Arc::new(PanicReport { message, location, thread, backtrace, pid, label, spawned_at, callers }))
    }
}

/// The payload with which `checkpoint` unwinds.
struct Checkpoint;

/// What the panic hook has recorded of a panic.
struct Record {
    location: Location,
    backtrace: Backtrace,
    /// The value of `TURN` at the time of the panic.
    turn: u64,
}

thread_local! {
    /// How many calls of `catch` are on the stack. Inside such a call, a panic is reported as an
    /// event or an exit.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
    /// How many outermost calls of `catch` this thread has begun. A record with another number
    /// belongs to a panic that user code has caught.
    static TURN: Cell<u64> = const { Cell::new(0) };
    static RECORD: RefCell<Option<Record>> = const { RefCell::new(None) };
    /// Whether the hook does nothing.
    static SILENT: Cell<bool> = const { Cell::new(false) };
}

/// Installs the panic hook, once per program. The hook calls the previous one, except for a caught panic while `has_subscriber`
/// returns true: then the event of the crash reports the panic.
pub(crate) fn install_hook(has_subscriber: fn() -> bool) {
    static INSTALLED: Once = Once::new();
    if std::thread::panicking() {
        // A panicking thread cannot set a hook. The next call of this function sets it.
        return;
    }
    INSTALLED.call_once(|| {
        let previous = take_hook();
        set_hook(Box::new(move |info: &PanicHookInfo<'_>| {
            if SILENT.get() {
                return;
            }
            if DEPTH.get() > 0 {
                let location = info.location().map_or_else(Location::unknown, Location::copied);
                set_record(Some(Record { location, backtrace: Backtrace::capture(), turn: TURN.get() }));
                if has_subscriber() {
                    return;
                }
            }
            previous(info);
        }));
    });
}

/// Calls `f`. If `f` panics, returns the panic as a value.
#[expect(clippy::disallowed_methods, reason = "only this module catches panics")]
pub(crate) fn catch<R>(f: impl FnOnce() -> R) -> Result<R, Unwound> {
    // If a destructor calls this while another panic unwinds, the record of that panic is kept for its own `catch`.
    let outer = if std::thread::panicking() { take_record() } else { None };
    if DEPTH.get() == 0 {
        TURN.set(TURN.get().wrapping_add(1));
    }
    DEPTH.set(DEPTH.get() + 1);
    let outcome = catch_unwind(AssertUnwindSafe(f));
    DEPTH.set(DEPTH.get() - 1);
    let outcome = outcome.map_err(|payload| {
        if payload.is::<Checkpoint>() {
            return Unwound::Checkpoint;
        }
        let record = take_record().filter(|record| record.turn == TURN.get());
        let message = message_of(&*payload);
        drop_payload(payload);
        let (location, backtrace) =
            record.map_or_else(|| (Location::unknown(), None), |record| (record.location, Some(record.backtrace)));
        Unwound::Panic(Box::new(Caught { message, location, backtrace, thread: thread_name() }))
    });
    if outer.is_some() {
        set_record(outer);
    }
    outcome
}

/// Takes the record of the last panic. `None` also where the thread is ending and the record is gone: then a report has no
/// location.
fn take_record() -> Option<Record> {
    RECORD.try_with(RefCell::take).ok().flatten()
}

fn set_record(record: Option<Record>) {
    let _ = RECORD.try_with(|place| place.replace(record));
}

/// Returns the name of this thread. A handler of `atexit` runs after the thread has given up its name, and asking for it
/// panics.
fn thread_name() -> String {
    let mut name = None;
    catch_silently(|| name = std::thread::current().name().map(str::to_owned));
    name.unwrap_or_else(|| "unnamed".to_owned())
}

/// Calls `f`, which runs a callback of the user, such as a waker or a subscriber. Discards a panic of `f`, so that the
/// caller can go on.
pub(crate) fn ignore_panic<R>(f: impl FnOnce() -> R) {
    let _ = catch(|| drop(f()));
}

/// Calls `f`. If it panics, returns the message of the panic, which the hook ignores.
#[expect(clippy::disallowed_methods, reason = "only this module catches panics")]
pub(crate) fn catch_silently(f: impl FnOnce()) -> Option<String> {
    if cfg!(panic = "abort") {
        // A panic ends the program here, so the hook must print it.
        f();
        return None;
    }
    let before = SILENT.replace(true);
    let outcome = catch_unwind(AssertUnwindSafe(f));
    SILENT.set(before);
    let payload = outcome.err()?;
    let message = message_of(&*payload);
    drop_payload(payload);
    Some(message)
}

/// Unwinds to the innermost [`catch`], without calling the hook.
pub(crate) fn unwind_to_catch() -> ! {
    resume_unwind(Box::new(Checkpoint))
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

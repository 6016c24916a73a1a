//! Panic to value: the only place that catches one, and the panic hook.
//!
//! ```text
//!  panic! inside a process ─► hook: notes place and backtrace, prints only if nobody else will tell
//!                          ─► unwinding ─► `catch`: joins the note and the message to a `Caught`
//!  checkpoint               ─► unwinding without the hook ─► `catch`: `Unwound::Checkpoint`
//! ```

use std::any::Any;
use std::backtrace::Backtrace;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, resume_unwind, set_hook, take_hook};
use std::sync::{Arc, Once};

use crate::exit::{Exit, Location, PanicReport};
use crate::pid::Pid;

/// Why a call did not return.
pub(crate) enum Unwound {
    /// A panic of the user's.
    Panic(Box<Caught>),
    /// `checkpoint` saw that the process has to end.
    Checkpoint,
}

/// What is known of a panic at the place that caught it.
pub(crate) struct Caught {
    pub(crate) message: String,
    pub(crate) location: Location,
    pub(crate) backtrace: Option<Backtrace>,
    pub(crate) thread: String,
}

impl Unwound {
    /// The exit of a child that has not started, because what should have started it panicked. A `checkpoint` goes on
    /// unwinding: it means the calling process.
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
    /// The exit of a process that it ended.
    pub(crate) fn into_exit(self, pid: Pid, label: Option<Arc<str>>, spawned_at: Location, callers: Vec<Pid>) -> Exit {
        let Caught { message, location, backtrace, thread } = self;
        Exit::Panic(Arc::new(PanicReport { message, location, thread, backtrace, pid, label, spawned_at, callers }))
    }
}

/// The payload of an unwinding that is no panic.
struct Checkpoint;

struct Note {
    location: Location,
    backtrace: Backtrace,
    turn: u64,
}

thread_local! {
    /// How many `catch` are on the stack: inside one, a panic is ours to tell.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
    /// How many outermost `catch` this thread has begun. The note of an earlier one belongs to a panic that the user caught.
    static TURN: Cell<u64> = const { Cell::new(0) };
    static NOTE: RefCell<Option<Note>> = const { RefCell::new(None) };
    static SILENT: Cell<bool> = const { Cell::new(false) };
}

/// Puts the hook in front of the one that is there. `is_told` says whether a caught panic will reach somebody.
pub(crate) fn install_hook(is_told: fn() -> bool) {
    static INSTALLED: Once = Once::new();
    if std::thread::panicking() {
        // No hook can be set now. The next runtime, or the next use, does it.
        return;
    }
    INSTALLED.call_once(|| {
        let previous = take_hook();
        set_hook(Box::new(move |info: &PanicHookInfo<'_>| {
            if SILENT.get() {
                return;
            }
            if DEPTH.get() > 0 {
                let location = info.location().map_or_else(Location::unknown, Location::told);
                NOTE.set(Some(Note { location, backtrace: Backtrace::capture(), turn: TURN.get() }));
                if is_told() {
                    return;
                }
            }
            previous(info);
        }));
    });
}

/// Calls `f` and makes a value of its panic.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub(crate) fn catch<R>(f: impl FnOnce() -> R) -> Result<R, Unwound> {
    // A destructor may come here while a panic unwinds, whose note is for whoever catches that one.
    let outer = if std::thread::panicking() { NOTE.take() } else { None };
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
        let note = NOTE.take().filter(|note| note.turn == TURN.get());
        let message = message_of(&*payload);
        drop_payload(payload);
        let (location, backtrace) =
            note.map_or_else(|| (Location::unknown(), None), |note| (note.location, Some(note.backtrace)));
        let thread = std::thread::current().name().unwrap_or("unnamed").to_owned();
        Unwound::Panic(Box::new(Caught { message, location, backtrace, thread }))
    });
    if outer.is_some() {
        NOTE.set(outer);
    }
    outcome
}

/// Calls `f`, which tells somebody something. A waker or a subscriber of the user's that panics is no reason to do less
/// than that.
pub(crate) fn ignore_panic<R>(f: impl FnOnce() -> R) {
    let _ = catch(|| drop(f()));
}

/// Whether `f` panics, without a word from the hook.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub(crate) fn panics_silently(f: impl FnOnce()) -> bool {
    if cfg!(panic = "abort") {
        // Whoever panics here ends the program, and should say why.
        f();
        return false;
    }
    let before = SILENT.replace(true);
    let outcome = catch_unwind(AssertUnwindSafe(f));
    SILENT.set(before);
    outcome.map_err(drop_payload).is_err()
}

/// Leaves everything up to the next [`catch`]. The hook is not called.
pub(crate) fn unwind_to_catch() -> ! {
    resume_unwind(Box::new(Checkpoint))
}

fn message_of(payload: &(dyn Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<&str>() {
        return (*text).to_owned();
    }
    payload.downcast_ref::<String>().cloned().unwrap_or_else(|| "a panic whose payload is not a text".to_owned())
}

/// A payload is the user's, and its destructor may panic with the next one.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
fn drop_payload(payload: Box<dyn Any + Send>) {
    if let Err(next) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        // Twice is enough: what still panics is not dropped.
        std::mem::forget(next);
    }
}

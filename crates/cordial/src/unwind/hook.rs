//! The panic hook: it records what only a hook sees of a panic, and calls the hook that was there before, unless the panic is
//! reported in another way.
//!
//! ```text
//!  the program sets another hook, which does not call ours ─► a panic is caught without a record ─► ours is set again, around
//!                                                                                                  the other one
//! ```
//!
//! There is no way to ask which hook is set, except to take it, and until a hook is set again, a panic on another thread calls the
//! default hook. So the hook is taken only after a panic without a record. Such a panic is the first one that another hook has hidden, a
//! call of `resume_unwind`, or a panic on a thread that is ending.

use std::backtrace::Backtrace;
use std::cell::{Cell, RefCell};
use std::panic::{PanicHookInfo, set_hook, take_hook};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tracing::level_filters::LevelFilter;
use tracing::{Level, Span};

use crate::exit::Location;

type Hook = Box<dyn Fn(&PanicHookInfo<'_>) + Send + Sync>;

/// Our hook that was set last. `None` before the first runtime.
static INSTALLED: Mutex<Option<Installed>> = Mutex::new(None);

struct Installed {
    /// The address of the hook. Once the hook is freed, another hook may have the same address.
    address: usize,
    /// Upgrades until the hook is freed.
    alive: Weak<()>,
    has_subscriber: fn() -> bool,
}

/// When a caught panic calls the hook that was there before. The event `crash` of a process is emitted in each case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PanicReports {
    /// Always.
    HookAndEvent,
    /// Only if no subscriber takes the event.
    EventOnly,
    /// Never: the code that runs the simulation panics itself if the simulation fails.
    Simulation,
}

/// What the hook has recorded of a panic.
pub(super) struct PanicRecord {
    pub(super) location: Location,
    pub(super) backtrace: Backtrace,
    /// The span that was current. `None` if no subscriber takes events.
    pub(super) span: Option<Span>,
    /// The value of `TURN` at the time of the panic.
    turn: u64,
}

thread_local! {
    /// How many calls of `catch` are on the stack. A panic inside such a call is caught.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
    /// How many outermost calls of `catch` this thread has begun. A record with the number of
    /// an earlier call belongs to a panic that user code has caught.
    static TURN: Cell<u64> = const { Cell::new(0) };
    static RECORD: RefCell<Option<PanicRecord>> = const { RefCell::new(None) };
    /// Whether the hook does nothing.
    static SILENT: Cell<bool> = const { Cell::new(false) };
    /// How the panics of the processes that this thread polls are reported.
    static REPORTS: Cell<PanicReports> = const { Cell::new(PanicReports::HookAndEvent) };
    /// Whether our hook is running. If the program has set a hook that calls ours, and `reinstall_hook` has set ours again around
    /// that hook, ours runs twice for one panic: the inner one then only calls the hook before it.
    static RUNS: Cell<bool> = const { Cell::new(false) };
}

/// Installs the panic hook, once per program. The hook calls the previous one, except for a caught panic that is reported in
/// another way. `has_subscriber` returns whether a subscriber takes the event of a crash.
pub(crate) fn install_hook(has_subscriber: fn() -> bool) {
    if std::thread::panicking() {
        // A panicking thread cannot set a hook. The next call of this function sets it.
        return;
    }
    let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    installed.get_or_insert_with(|| wrap(take_hook(), has_subscriber));
}

/// Sets how the panics that are caught on this thread are reported, and returns how they were before.
pub(crate) fn set_panic_reports(reports: PanicReports) -> PanicReports {
    REPORTS.replace(reports)
}

/// Sets our hook again if the program has set another one since.
fn reinstall_hook() {
    if std::thread::panicking() {
        return;
    }
    let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(ours) = &*installed else { return };
    let current = take_hook();
    if ours.alive.strong_count() > 0 && address_of(&current) == ours.address {
        set_hook(current);
    } else {
        let has_subscriber = ours.has_subscriber;
        *installed = Some(wrap(current, has_subscriber));
    }
}

fn wrap(previous: Hook, has_subscriber: fn() -> bool) -> Installed {
    let alive = Arc::new(());
    let is_alive = Arc::downgrade(&alive);
    let hook: Hook = Box::new(move |info| {
        let _ = &alive;
        if SILENT.get() {
            return;
        }
        if RUNS.replace(true) {
            previous(info);
            return;
        }
        let is_caught = DEPTH.get() > 0;
        if is_caught {
            record(info);
        }
        let skips_previous = || match REPORTS.get() {
            PanicReports::HookAndEvent => false,
            PanicReports::EventOnly => has_subscriber(),
            PanicReports::Simulation => true,
        };
        // A panic that `catch` does not catch is reported in no other way.
        if !is_caught || cfg!(panic = "abort") || !skips_previous() {
            previous(info);
        }
        RUNS.set(false);
    });
    let address = address_of(&hook);
    set_hook(hook);
    Installed { address, alive: is_alive, has_subscriber }
}

/// Returns the address of the closure. Ours has captured something, so it is allocated, and no other hook has its address
/// while it lives. Closures that capture nothing may all have the same address.
fn address_of(hook: &Hook) -> usize {
    (&raw const **hook).cast::<()>().addr()
}

fn record(info: &PanicHookInfo<'_>) {
    let location = info.location().map_or_else(Location::unknown, Location::copied);
    let span = (LevelFilter::current() >= Level::ERROR).then(Span::current);
    set_record(Some(PanicRecord { location, backtrace: Backtrace::capture(), span, turn: TURN.get() }));
}

/// Calls `f`, which must not unwind, while the hook records panics. Afterwards, `take_record_of_catch` returns the record of
/// a panic that `f` has caught.
#[inline]
pub(super) fn while_recording<R>(f: impl FnOnce() -> R) -> R {
    if DEPTH.get() == 0 {
        TURN.set(TURN.get().wrapping_add(1));
    }
    DEPTH.set(DEPTH.get() + 1);
    let result = f();
    DEPTH.set(DEPTH.get() - 1);
    result
}

/// Calls `f`, which must not unwind, while the hook does nothing.
pub(super) fn while_silent<R>(f: impl FnOnce() -> R) -> R {
    let before = SILENT.replace(true);
    let result = f();
    SILENT.set(before);
    result
}

/// Takes the record of the panic that was just caught. If there is none, makes sure that the next panic is recorded.
pub(super) fn take_record_of_catch() -> Option<PanicRecord> {
    let record = take_record().filter(|record| record.turn == TURN.get());
    if record.is_none() {
        reinstall_hook();
    }
    record
}

/// Takes the record of the last panic. `None` if there is no record, or if the thread is ending and its thread-locals are gone:
/// then a report has no location.
pub(super) fn take_record() -> Option<PanicRecord> {
    RECORD.try_with(RefCell::take).ok().flatten()
}

pub(super) fn set_record(record: Option<PanicRecord>) {
    let _ = RECORD.try_with(|place| place.replace(record));
}

//! Which runtime and which process the calling thread works for.

use std::cell::{Cell, RefCell};
use std::mem::ManuallyDrop;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use cordial_sched::{Deadline, Executor, TaskRef};

use super::default::{default_runtime, is_default_runtime_forked, started_default_runtime, try_default_runtime};
use super::handle::RuntimeHandle;
use crate::exit::Refusal;
use crate::pid::Pid;
use crate::process::discard::discard;
use crate::process::lineage::Lineage;
use crate::process::scope::Scope;
use crate::process::spares::{SpareCall, SpareCast, Spares};
use crate::unwind::{self, PanicReports};

// Never destroyed, because destructors of other thread-locals and handlers of `atexit` use it. Accesses are also cheaper: an access
// to a thread-local that has a destructor first checks whether the destructor has run.
thread_local!(static CONTEXT: ManuallyDrop<ProcessContext> = const { ManuallyDrop::new(ProcessContext::new()) });

// Clears `CONTEXT` when the thread ends, on each thread that has called `refuse_ending_thread`: the first access to this thread-local
// registers its destructor.
thread_local!(static CLEANUP: Cleanup = const { Cleanup });

struct Cleanup;

impl Drop for Cleanup {
    fn drop(&mut self) {
        with_context(ProcessContext::clear);
    }
}

/// Makes sure that the context of this thread is cleared when the thread ends.
///
/// # Errors
///
/// [`Refusal::ThreadEnding`] on a thread whose thread-locals are being destroyed, or are gone. A spawn is refused there.
#[inline]
pub(in crate::process) fn refuse_ending_thread() -> Result<(), Refusal> {
    CLEANUP.try_with(|_| ()).map_err(|_| Refusal::ThreadEnding)
}

/// Registers the destructor of [`Cleanup`] on this thread, because the thread uses the library. Code that runs after that destructor, such
/// as later destructors of the thread and handlers of `atexit`, cannot spawn a process.
#[inline]
fn register_cleanup() {
    _ = refuse_ending_thread();
}

/// After how many messages in one poll a process lets other processes run.
const SENDS_IN_A_POLL: u32 = 64;

/// The runtime and the process that a thread works for.
struct ProcessContext {
    /// The runtime that started the thread, if a runtime did. Set once. The cell is borrowed while the thread works for that runtime.
    own: RefCell<Option<RuntimeHandle>>,
    /// The runtime of the current call of `as_thread_of`. Takes precedence over `own`.
    borrowed: RefCell<Option<Rc<RuntimeHandle>>>,
    is_borrowed: Cell<bool>,
    process: Cell<Option<Pid>>,
    /// The task of `process`. The future of the process lends it until `as_process` returns.
    task: RefCell<Option<TaskRef>>,
    /// The address of the data of the waker with which `process` is polled.
    waker: Cell<usize>,
    /// The process that spawned last on this thread, and the lineage of the processes that it spawns.
    lineage: RefCell<Option<(Pid, Arc<Lineage>)>>,
    /// The scope of the running code, which the processes that it spawns inherit.
    scope: RefCell<Option<Scope>>,
    /// The process whose future this thread drops. A destructor may run a simulation, so `process` may be another one meanwhile.
    dropping: Cell<Option<Pid>>,
    /// How many messages the process has sent in its current poll. Starts again at 0 when a message has to wait for the next poll.
    sends: Cell<u32>,
    /// The memory of messages that the process has sent in its current poll, for its next messages.
    spares: Spares,
}

impl ProcessContext {
    const fn new() -> ProcessContext {
        ProcessContext {
            own: RefCell::new(None),
            borrowed: RefCell::new(None),
            is_borrowed: Cell::new(false),
            process: Cell::new(None),
            task: RefCell::new(None),
            waker: Cell::new(0),
            lineage: RefCell::new(None),
            scope: RefCell::new(None),
            dropping: Cell::new(None),
            sends: Cell::new(0),
            spares: Spares::new(),
        }
    }

    // `f` is called at one place, so that it is compiled once: it may hold the future of a user.
    #[inline]
    fn with_runtime<R>(&self, f: impl FnOnce(&RuntimeHandle) -> R) -> R {
        let own = self.own.borrow();
        let borrowed;
        let runtime: &RuntimeHandle = if !self.is_borrowed.get()
            && let Some(own) = &*own
        {
            own
        } else {
            borrowed = self.borrowed();
            match &borrowed {
                Some(borrowed) => borrowed,
                None => {
                    register_cleanup();
                    default_runtime()
                }
            }
        };
        f(runtime)
    }

    /// Returns the runtime of the current call of `as_thread_of`. Cloned, so that the cell is not borrowed while code that may call
    /// `as_thread_of` uses the runtime.
    #[cold]
    fn borrowed(&self) -> Option<Rc<RuntimeHandle>> {
        self.borrowed.borrow().clone()
    }

    /// Returns whether `cx` is the context of the poll of the process.
    #[inline]
    fn is_own(&self, cx: &std::task::Context<'_>) -> bool {
        self.process.get().is_some() && self.waker.get() == cx.waker().data().addr()
    }

    /// Returns whether the process ends when its current poll returns.
    #[inline]
    fn is_exiting(&self) -> bool {
        self.process.get().is_some() && self.task.borrow().as_ref().is_some_and(TaskRef::is_ending)
    }

    /// Returns the process, if it is one of `runtime` and no scope is open.
    #[inline]
    fn process_without_scope(&self, runtime: &RuntimeHandle) -> Option<Pid> {
        let process = self.process.get()?;
        (process.runtime() == runtime.number() && self.scope.borrow().is_none()).then_some(process)
    }

    /// Returns whether the thread uses the default runtime, because it belongs to no runtime.
    fn uses_default_runtime(&self) -> bool {
        !self.is_borrowed.get() && self.own.borrow().is_none()
    }

    fn borrow_runtime(&self, runtime: Option<Rc<RuntimeHandle>>) -> Option<Rc<RuntimeHandle>> {
        self.is_borrowed.set(runtime.is_some());
        self.borrowed.replace(runtime)
    }

    /// Drops what the thread owns, so that later uses of the library on this thread are outside of any process. If a process has called
    /// `std::process::exit`, which runs the destructors of the thread in the middle of a poll, the thread keeps its runtime.
    fn clear(&self) {
        self.process.set(None);
        self.is_borrowed.set(false);
        let taken = (self.lineage.take(), self.spares.take_all(), self.scope.take(), self.task.take());
        let own = self.own.try_borrow_mut().ok().and_then(|mut own| own.take());
        drop((taken, self.borrowed.take(), own));
    }
}

/// Calls `f` with the context of this thread.
#[inline]
fn with_context<R>(f: impl FnOnce(&ProcessContext) -> R) -> R {
    // `LocalKey::try_with` is inlined, and `LocalKey::with` is not.
    CONTEXT.try_with(|context| f(context)).expect("a thread-local without a destructor is never destroyed")
}

/// Returns the calling process; `None` on a thread that runs no process.
///
/// # Elixir
///
/// `self/0`. There, every piece of code runs in a process.
///
/// # Examples
///
/// ```
/// assert_eq!(cordial::process::current(), None);
/// let task = cordial::Task::spawn(async { cordial::process::current().is_some() });
/// assert!(task.wait().unwrap());
/// ```
#[must_use]
pub fn current() -> Option<Pid> {
    register_cleanup();
    with_context(|context| context.process.get())
}

/// Calls `f` with the runtime on which this thread spawns: its own, or else the default runtime, which starts on first use.
///
/// # Errors
///
/// [`Refusal::ThreadEnding`] on a thread whose thread-locals are being destroyed, or are gone. No runtime is started for it.
/// [`Refusal::Forked`] if the program has forked while the default runtime was starting.
#[inline]
pub(crate) fn with_spawning_runtime<R>(f: impl FnOnce(&RuntimeHandle) -> R) -> Result<R, Refusal> {
    refuse_ending_thread()?;
    with_context(|context| {
        if context.uses_default_runtime() && is_default_runtime_forked() {
            return Err(Refusal::Forked);
        }
        Ok(context.with_runtime(f))
    })
}

/// Calls `f` with the runtime of this thread, or else with the default runtime, which starts on first use.
pub(crate) fn with_current_runtime<R>(f: impl FnOnce(&RuntimeHandle) -> R) -> R {
    with_context(|context| context.with_runtime(f))
}

/// Returns the runtime of this thread, or else the default runtime.
pub(crate) fn current_runtime() -> RuntimeHandle {
    with_current_runtime(RuntimeHandle::clone)
}

/// Returns the runtime of this thread; `None` on a thread that belongs to none.
pub(super) fn own_runtime() -> Option<RuntimeHandle> {
    register_cleanup();
    with_context(|context| context.borrowed.borrow().as_deref().cloned().or_else(|| context.own.borrow().clone()))
}

/// Returns the runtime of this thread, or else the default runtime, which starts on first use. `None` if it cannot start, and on a
/// thread whose thread-locals are gone.
pub(in crate::process) fn try_current_runtime() -> Option<RuntimeHandle> {
    own_runtime().or_else(|| {
        refuse_ending_thread().ok()?;
        try_default_runtime().ok().cloned()
    })
}

/// Returns the runtime of this thread, or else the default runtime, if that has started.
pub(in crate::process) fn started_runtime() -> Option<RuntimeHandle> {
    own_runtime().or_else(|| started_default_runtime().cloned())
}

/// Makes this thread belong to the runtime, which has just started it.
pub(super) fn adopt(runtime: RuntimeHandle) {
    unwind::set_panic_reports(runtime.panic_reports());
    refuse_ending_thread().expect("a thread is started by a runtime before it ends");
    let before = with_context(|context| context.own.replace(Some(runtime)));
    assert!(before.is_none(), "a thread is started by one runtime, once");
}

/// Calls `body` as if this thread belonged to the runtime and ran no process.
pub(super) fn as_thread_of(runtime: RuntimeHandle, body: impl FnOnce()) {
    struct Restore(Option<Rc<RuntimeHandle>>, Option<Pid>, Option<Scope>, PanicReports);
    impl Drop for Restore {
        fn drop(&mut self) {
            let borrowed = with_context(|context| {
                context.process.set(self.1);
                context.scope.replace(self.2.take());
                context.borrow_runtime(self.0.take())
            });
            unwind::set_panic_reports(self.3);
            drop(borrowed);
        }
    }
    let reports = unwind::set_panic_reports(runtime.panic_reports());
    let _restore = with_context(|context| {
        let outer = context.scope.take();
        Restore(context.borrow_runtime(Some(Rc::new(runtime))), context.process.take(), outer, reports)
    });
    body();
}

/// Returns whether the process that this thread polls ends when its current poll returns. Takes no lock.
pub(in crate::process) fn is_exiting() -> bool {
    with_context(ProcessContext::is_exiting)
}

/// Returns whether this thread polls the future of a process. Returns `false` while the thread drops that future.
pub(in crate::process) fn is_in_poll() -> bool {
    with_context(|context| context.process.get().is_some_and(|process| context.dropping.get() != Some(process)))
}

/// Returns whether the process that this thread polls ends at this await, because it is exiting or its runtime has stopped.
///
/// Such a process must not continue with the failure of a task: that task may have failed only because everything ends. Returns `false` if
/// `cx` has another waker than the poll of the process: then other code, such as a `block_on` in a destructor, polls the awaited future.
pub(crate) fn ends_at_this_await(cx: &std::task::Context<'_>) -> bool {
    with_context(|context| {
        context.is_own(cx) && (context.is_exiting() || context.with_runtime(|runtime| runtime.executor().is_closed()))
    })
}

/// Returns the task of the calling process.
pub(crate) fn current_task() -> Option<TaskRef> {
    with_context(|context| context.task.borrow().clone())
}

/// Calls `f` with the task of the calling process and its executor, if `cx` is the context of its poll. `f` must not run user code,
/// except through the waker of `cx`, which then belongs to the library.
pub(crate) fn with_own_task<R>(
    cx: &mut std::task::Context<'_>,
    f: impl FnOnce(Option<(&Executor, &TaskRef)>, &mut std::task::Context<'_>) -> R,
) -> R {
    with_context(|context| {
        if !context.is_own(cx) {
            return f(None, cx);
        }
        context.with_runtime(|runtime| {
            let task = context.task.borrow();
            f(task.as_ref().map(|task| (runtime.executor(), task)), cx)
        })
    })
}

/// Returns the address of the data of the waker of the calling process, if `cx` is the context of its poll.
#[inline]
pub(crate) fn own_waker_address(cx: &std::task::Context<'_>) -> Option<usize> {
    with_context(|context| context.is_own(cx).then(|| context.waker.get()))
}

/// A wait with a limit of a second or more that the calling process has begun.
pub(crate) struct LongWait {
    pub(crate) process: Pid,
    /// The address of the data of the waker of the process.
    pub(crate) waker: usize,
    /// The deadline, as `Deadline::to_bits` returns it. The process is woken then at the latest.
    pub(crate) until: u64,
    /// The time of the coarse clock, in milliseconds since the start of the runtime.
    pub(crate) now: u64,
}

/// Begins a wait with a limit of a second or more, on the fast path. `None` if the limit is shorter, if a scope is open, if `cx` is not
/// that of the poll of a process of `runtime`, in a simulation, and in a forked process.
#[inline]
pub(crate) fn begin_long_wait(
    cx: &std::task::Context<'_>,
    nanoseconds: u64,
    runtime: &RuntimeHandle,
) -> Option<LongWait> {
    with_context(|context| {
        let process = context.process_without_scope(runtime)?;
        let waker = context.waker.get();
        if waker != cx.waker().data().addr() {
            return None;
        }
        let task = context.task.borrow();
        let now = runtime.executor().quick_now()?;
        let until = runtime.executor().begin_long_wait(task.as_ref()?, nanoseconds)?;
        Some(LongWait { process, waker, until, now })
    })
}

/// Counts a message as [`may_send_in_this_poll`] does, on the fast path, and returns its sender and the time of the coarse clock.
/// `None`, and then nothing was counted, if the process may not send, if a scope is open, if the calling code is not a process of
/// `runtime`, in a simulation, and in a forked process.
#[inline]
pub(crate) fn quick_sender(runtime: &RuntimeHandle) -> Option<(Pid, u64)> {
    with_context(|context| {
        let process = context.process_without_scope(runtime)?;
        let sends = context.sends.get();
        if sends >= SENDS_IN_A_POLL {
            return None;
        }
        let now = runtime.executor().quick_now()?;
        context.sends.set(sends + 1);
        Some((process, now))
    })
}

/// Keeps a call that is over for the next call of the calling process, until its poll ends.
#[inline]
pub(crate) fn keep_spare_call(spare: SpareCall) {
    keep_spare(spare, Spares::keep_call);
}

/// Keeps a cast that is over for the next cast of the calling process, until its poll ends.
#[inline]
pub(crate) fn keep_spare_cast(spare: SpareCast) {
    keep_spare(spare, Spares::keep_cast);
}

/// Keeps a value, and discards the one that was kept before. If the calling code is not a process, discards `spare` instead.
#[inline]
fn keep_spare<T>(spare: T, keep: impl FnOnce(&Spares, T) -> Option<T>) {
    let replaced = with_context(|context| match context.process.get() {
        Some(_) => keep(&context.spares, spare),
        None => Some(spare),
    });
    if let Some(replaced) = replaced {
        discard(replaced);
    }
}

/// Takes the call that was kept.
#[inline]
pub(crate) fn take_spare_call() -> Option<SpareCall> {
    with_context(|context| context.spares.take_call())
}

/// Takes the cast that was kept.
#[inline]
pub(crate) fn take_spare_cast() -> Option<SpareCast> {
    with_context(|context| context.spares.take_cast())
}

/// Returns the time at which `after` will have passed, if `cx` is the context of the poll of the calling process. The inner `None`: that
/// time is beyond the range of the clock.
#[inline]
pub(in crate::process) fn own_deadline(cx: &std::task::Context<'_>, after: Duration) -> Option<Option<Deadline>> {
    with_context(|context| {
        context.is_own(cx).then(|| context.with_runtime(|runtime| runtime.executor().deadline(after)))
    })
}

/// Returns whether a deadline of the calling process has passed. If not, the process is woken at the deadline at the latest, and often
/// earlier. `None` if `cx` is not that of the poll of the calling process.
#[inline]
pub(in crate::process) fn poll_own_deadline(cx: &std::task::Context<'_>, deadline: Deadline) -> Option<Poll<()>> {
    with_context(|context| {
        if !context.is_own(cx) {
            return None;
        }
        let task = context.task.borrow();
        let task = task.as_ref()?;
        Some(context.with_runtime(|runtime| runtime.executor().poll_deadline(task, deadline)))
    })
}

/// The poll of a process that is in progress on this thread.
#[derive(Clone, Copy)]
pub(in crate::process) struct OwnPoll<'a>(&'a ProcessContext);

impl OwnPoll<'_> {
    /// Drops the spares that were kept during the poll, at its end. A spare may hold the last reference to a server.
    #[inline]
    pub(in crate::process) fn drop_spares(self) {
        // In a loop, because the destructor of a spare may send messages in turn.
        while let Some(spares) = self.0.spares.take_all() {
            discard(spares);
        }
    }

    /// Calls `drop_future`, which drops the future of the process. Meanwhile [`is_in_poll`] returns `false` for the process.
    pub(in crate::process) fn while_dropping(self, drop_future: impl FnOnce()) {
        struct Restore<'a>(&'a Cell<Option<Pid>>, Option<Pid>);
        impl Drop for Restore<'_> {
            fn drop(&mut self) {
                self.0.set(self.1);
            }
        }
        let ProcessContext { process, dropping, .. } = self.0;
        let _restore = Restore(dropping, dropping.replace(process.get()));
        drop_future();
    }
}

/// Calls `body` with the process of `task` as the current process, and with the waker of its poll.
/// Exchanges `task` and `scope` with those of the outer process, if there is one, until `body` returns. `body` must not panic.
#[inline]
pub(in crate::process) fn as_process<R>(
    task: &mut Option<TaskRef>,
    scope: &mut Option<Scope>,
    waker: &Waker,
    body: impl FnOnce(&RuntimeHandle, Pid, OwnPoll<'_>) -> R,
) -> R {
    with_context(|context| {
        context.with_runtime(|runtime| {
            let pid = runtime.pid_of_task(task.as_ref().expect("the process lends its task to one poll at a time"));
            let before = (context.process.replace(Some(pid)), context.waker.replace(waker.data().addr()));
            // Moved: a clone would change the reference count twice in each poll.
            std::mem::swap(task, &mut context.task.borrow_mut());
            std::mem::swap(scope, &mut context.scope.borrow_mut());
            context.sends.set(0);
            let result = body(runtime, pid, OwnPoll(context));
            std::mem::swap(scope, &mut context.scope.borrow_mut());
            std::mem::swap(task, &mut context.task.borrow_mut());
            context.process.set(before.0);
            context.waker.set(before.1);
            result
        })
    })
}

/// Returns the lineage of the processes that `caller`, the calling process, spawns. Cached per thread, so that a process that spawns
/// many others looks into the table once.
pub(in crate::process) fn lineage_of_spawned(runtime: &RuntimeHandle, caller: Pid) -> Option<Arc<Lineage>> {
    with_context(|context| {
        let mut cached = context.lineage.borrow_mut();
        if cached.as_ref().is_none_or(|(of, lineage)| *of != caller || lineage.is_outdated()) {
            *cached = runtime.with(caller, |entry| (caller, entry.lineage_of_spawned(caller)));
        }
        cached.as_ref().map(|(_, lineage)| lineage.clone())
    })
}

/// Returns the scope in which the running code is.
pub(crate) fn current_scope() -> Option<Scope> {
    with_context(|context| context.scope.borrow().clone())
}

/// Returns whether the running code is in a scope.
#[inline]
pub(super) fn is_in_scope() -> bool {
    with_context(|context| context.scope.borrow().is_some())
}

/// The running code, as the sender of a message.
#[derive(Debug)]
pub(crate) struct Sender {
    pub(crate) process: Option<Pid>,
    /// Whether a scope is open, which may have a deadline.
    pub(crate) is_in_scope: bool,
    /// The scope, if messages carry a value of it.
    pub(crate) carried: Option<Scope>,
}

/// Returns the running code, as the sender of a message.
pub(crate) fn sender() -> Sender {
    register_cleanup();
    with_context(|context| {
        let scope = context.scope.borrow();
        let carried = scope.as_ref().filter(|scope| scope.is_carried()).cloned();
        Sender { process: context.process.get(), is_in_scope: scope.is_some(), carried }
    })
}

/// Counts a message that the running code is about to send without waiting for an answer. Returns `false` if the process has sent many
/// messages in its current poll: it must then send this message in its next poll, so that other processes, such as the receiver, run
/// first.
pub(crate) fn may_send_in_this_poll() -> bool {
    with_context(|context| {
        let sends = context.sends.get();
        let may_send = sends < SENDS_IN_A_POLL || context.process.get().is_none();
        // Begins again even within this poll, so that code which polls in a loop makes progress.
        context.sends.set(if may_send { sends.wrapping_add(1) } else { 0 });
        may_send
    })
}

/// Enters a scope, until the returned guard is dropped.
#[must_use = "dropping it leaves the scope"]
pub(crate) fn enter_scope(scope: Scope) -> EnteredScope {
    EnteredScope(with_context(|context| context.scope.replace(Some(scope))))
}

/// A scope that was entered. Dropping this leaves it.
#[derive(Debug)]
pub(crate) struct EnteredScope(Option<Scope>);

impl Drop for EnteredScope {
    fn drop(&mut self) {
        let left = with_context(|context| context.scope.replace(self.0.take()));
        // The scope contains values of the user, so they are dropped outside of the borrow.
        drop(left);
    }
}

//! Which runtime and which process the calling thread works for.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use cordial_sched::TaskRef;

use super::default_runtime;
use super::handle::Handle;
use super::lineage::Lineage;
use crate::pid::Pid;

thread_local!(static CONTEXT: Context = const { Context::of_a_stranger() });

/// What a thread works for.
struct Context {
    /// Of a thread that belongs to a runtime, for good.
    own: OnceCell<Handle>,
    /// Of a thread that acts for a runtime until a call returns. Goes before `own`.
    lent: RefCell<Option<Rc<Handle>>>,
    is_lent: Cell<bool>,
    process: Cell<Option<Running>>,
    /// What the process that spawned last on this thread leaves to its children.
    lineage: RefCell<Option<(Pid, Arc<Lineage>)>>,
}

/// The process that a thread runs.
#[derive(Clone, Copy)]
struct Running {
    pid: Pid,
    task: TaskRef,
}

impl Context {
    const fn of_a_stranger() -> Context {
        Context {
            own: OnceCell::new(),
            lent: RefCell::new(None),
            is_lent: Cell::new(false),
            process: Cell::new(None),
            lineage: RefCell::new(None),
        }
    }

    fn with_current_runtime<R>(&self, f: impl FnOnce(&Handle) -> R) -> R {
        if !self.is_lent.get()
            && let Some(own) = self.own.get()
        {
            return f(own);
        }
        // Not under the borrow: `within` may come in between.
        let lent = self.lent.borrow().clone();
        match lent {
            Some(lent) => f(&lent),
            None => f(default_runtime::get()),
        }
    }

    fn lend(&self, lent: Option<Rc<Handle>>) -> Option<Rc<Handle>> {
        self.is_lent.set(lent.is_some());
        self.lent.replace(lent)
    }
}

/// The calling process; `None` on a thread that runs none.
///
/// # Elixir
///
/// `self/0`, which exists everywhere there.
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
    CONTEXT.with(|context| context.process.get().map(|running| running.pid))
}

/// Calls `f` with the runtime of this thread, or with the default one, which starts on first use.
pub(crate) fn with_current_runtime<R>(f: impl FnOnce(&Handle) -> R) -> R {
    CONTEXT.with(|context| context.with_current_runtime(f))
}

/// The runtime of this thread, or the default one.
pub(crate) fn current_runtime() -> Handle {
    with_current_runtime(Handle::clone)
}

/// The runtime of this thread, if it has one.
pub(crate) fn own_runtime() -> Option<Handle> {
    CONTEXT.with(|context| context.lent.borrow().as_deref().or_else(|| context.own.get()).cloned())
}

/// This thread belongs to the runtime for good.
pub(crate) fn adopt(runtime: Handle) {
    // A thread is started for one runtime.
    let _ = CONTEXT.with(|context| context.own.set(runtime));
}

/// Calls `body` as if this thread belonged to the runtime.
pub(crate) fn within(runtime: Handle, body: impl FnOnce()) {
    struct Restore(Option<Rc<Handle>>, Option<Running>);
    impl Drop for Restore {
        fn drop(&mut self) {
            let ended = CONTEXT.with(|context| {
                context.process.set(self.1);
                context.lend(self.0.take())
            });
            drop(ended);
        }
    }
    let _restore = CONTEXT.with(|context| Restore(context.lend(Some(Rc::new(runtime))), context.process.take()));
    body();
}

/// Whether the process that this thread runs has to end when its poll returns. Takes no lock.
pub(super) fn is_ending() -> bool {
    CONTEXT.with(|context| context.process.get().is_some_and(|running| running.task.is_ending()))
}

/// Calls `body` as the process that a task is. `body` must not panic.
pub(super) fn as_process<R>(task: TaskRef, body: impl FnOnce(&Handle, Pid) -> R) -> R {
    CONTEXT.with(|context| {
        context.with_current_runtime(|runtime| {
            let pid = runtime.pid_of(task);
            let before = context.process.replace(Some(Running { pid, task }));
            let result = body(runtime, pid);
            context.process.set(before);
            result
        })
    })
}

/// What the calling process `caller` leaves to its children, without a look into the table each time.
pub(crate) fn lineage_of_children(runtime: &Handle, caller: Pid) -> Option<Arc<Lineage>> {
    CONTEXT.with(|context| {
        let mut last = context.lineage.borrow_mut();
        if last.as_ref().is_none_or(|(of, _)| *of != caller) {
            *last = runtime.with(caller, |entry| (caller, entry.lineage_of_children(caller)));
        }
        last.as_ref().map(|(_, lineage)| lineage.clone())
    })
}

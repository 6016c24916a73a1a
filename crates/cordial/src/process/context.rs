//! Which runtime and which process the calling thread works for.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use super::default_runtime;
use super::handle::Handle;
use super::lineage::Lineage;
use crate::pid::Pid;

thread_local! {
    /// Counted by the thread alone, so that it can be used without a borrow: `within` may come in between.
    static RUNTIME: RefCell<Option<Rc<Handle>>> = const { RefCell::new(None) };
    /// What the process that spawned last on this thread leaves to its children.
    static LINEAGE: RefCell<Option<(Pid, Arc<Lineage>)>> = const { RefCell::new(None) };
    static PROCESS: Cell<Option<Pid>> = const { Cell::new(None) };
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
    PROCESS.get()
}

/// Calls `f` with the runtime of this thread, or with the default one, which starts on first use.
pub(crate) fn with_runtime<R>(f: impl FnOnce(&Handle) -> R) -> R {
    match RUNTIME.with_borrow(Option::clone) {
        Some(runtime) => f(&runtime),
        None => f(default_runtime::get()),
    }
}

/// The runtime of this thread, or the default one.
pub(crate) fn runtime() -> Handle {
    with_runtime(Handle::clone)
}

/// The runtime of this thread, if it has one.
pub(crate) fn own_runtime() -> Option<Handle> {
    RUNTIME.with_borrow(|runtime| runtime.as_deref().cloned())
}

/// This thread belongs to the runtime for good.
pub(crate) fn adopt(runtime: Handle) {
    RUNTIME.set(Some(Rc::new(runtime)));
}

/// Calls `body` as if this thread belonged to the runtime.
pub(crate) fn within(runtime: Handle, body: impl FnOnce()) {
    struct Restore(Option<Rc<Handle>>, Option<Pid>);
    impl Drop for Restore {
        fn drop(&mut self) {
            RUNTIME.set(self.0.take());
            PROCESS.set(self.1);
        }
    }
    let _restore = Restore(RUNTIME.replace(Some(Rc::new(runtime))), PROCESS.replace(None));
    body();
}

/// Calls `body` as the process `pid`. `body` must not panic.
pub(crate) fn as_process<R>(pid: Pid, body: impl FnOnce(&Handle) -> R) -> R {
    with_runtime(|runtime| {
        let before = PROCESS.replace(Some(pid));
        let result = body(runtime);
        PROCESS.set(before);
        result
    })
}

/// What the calling process `caller` leaves to its children, without a look into the table each time.
pub(crate) fn lineage_of_children(runtime: &Handle, caller: Pid) -> Option<Arc<Lineage>> {
    LINEAGE.with_borrow_mut(|last| {
        if last.as_ref().is_none_or(|(of, _)| *of != caller) {
            *last = runtime.with(caller, |entry| (caller, entry.lineage_of_children(caller)));
        }
        last.as_ref().map(|(_, lineage)| lineage.clone())
    })
}

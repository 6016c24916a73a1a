//! Which runtime and which process the calling thread works for.

use std::cell::{Cell, RefCell};

use super::default_runtime;
use super::handle::Handle;
use crate::pid::Pid;

thread_local! {
    static RUNTIME: RefCell<Option<Handle>> = const { RefCell::new(None) };
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

/// Calls `f` with the runtime of this thread, or with the default one, which starts on first use. Wakers of the user
/// must not run inside.
pub(crate) fn with_runtime<R>(f: impl FnOnce(&Handle) -> R) -> R {
    RUNTIME.with(|runtime| match &*runtime.borrow() {
        Some(runtime) => f(runtime),
        None => f(default_runtime::get()),
    })
}

/// The runtime of this thread, or the default one.
pub(crate) fn runtime() -> Handle {
    with_runtime(Handle::clone)
}

/// The runtime of this thread, if it has one.
pub(crate) fn own_runtime() -> Option<Handle> {
    RUNTIME.with(|runtime| runtime.borrow().clone())
}

/// This thread belongs to the runtime for good.
pub(crate) fn adopt(runtime: Handle) {
    RUNTIME.set(Some(runtime));
}

/// Calls `body` as if this thread belonged to the runtime.
pub(crate) fn within(runtime: Handle, body: impl FnOnce()) {
    struct Restore(Option<Handle>, Option<Pid>);
    impl Drop for Restore {
        fn drop(&mut self) {
            RUNTIME.set(self.0.take());
            PROCESS.set(self.1);
        }
    }
    let _restore = Restore(RUNTIME.replace(Some(runtime)), PROCESS.replace(None));
    body();
}

/// Calls `body` as the process `pid`. `body` must not panic.
pub(crate) fn as_process<R>(pid: Pid, body: impl FnOnce() -> R) -> R {
    let before = PROCESS.replace(Some(pid));
    let result = body();
    PROCESS.set(before);
    result
}

//! `Inherited`: a key whose value is visible in a scope, and in everything that is spawned there.

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::in_scope::InScope;
use crate::process::{Reach, Scope, current_scope};

/// A key. Its value is visible to the future of a [`scope`](Inherited::scope), and to everything that is spawned in it.
///
/// The value is inherited by tasks, items of streams, tasks of task sets, children of supervisors and servers, and by every process
/// that these spawn. Every incarnation of a child inherits the same values: those in the scope of the call that started the child. For
/// a child from the builder of its supervisor, that is the call that started the supervisor. A server inherits the values in the scope
/// in which it is started. If it is handed over to a supervisor later, its next incarnations inherit the values in the scope of the call
/// that hands it over.
///
/// An `unlinked` supervisor belongs to the runtime and inherits nothing, and neither do the children from its builder. Code in
/// `tokio::spawn`, `spawn_blocking` and plain threads inherits nothing: `tokio` does not know of the scope.
///
/// Declared as a `static`; two statics are two keys. While no scope is open, a spawn costs nothing more; in a scope it copies one
/// pointer.
///
/// # Elixir
///
/// Libraries such as `ProcessTree`, which follow `$callers` and `$ancestors` and look the value up in the process dictionary of each
/// parent. In Elixir the lookup fails if that parent has ended.
///
/// # Examples
///
/// ```
/// use cordial::{Inherited, Task};
///
/// static TENANT: Inherited<String> = Inherited::new();
///
/// cordial::testing::run(async {
///     let seen = TENANT.scope("acme".to_owned(), async { Task::spawn(async { TENANT.get() }).await }).await.unwrap();
///     assert_eq!(seen.unwrap().as_str(), "acme");
///     assert_eq!(TENANT.get(), None);
/// });
/// ```
pub struct Inherited<T> {
    reach: Reach,
    /// Gives the key an address of its own. A `const` key would have another address at each use; since an atomic has interior
    /// mutability, a call on such a key does not compile.
    _address: AtomicBool,
    value: PhantomData<fn() -> T>,
}

impl<T: Send + Sync + 'static> Inherited<T> {
    /// Creates a key.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "a key is a static, and `default` is not const")]
    pub const fn new() -> Inherited<T> {
        Inherited { reach: Reach::Spawns, _address: AtomicBool::new(false), value: PhantomData }
    }

    /// Lets `call`, `cast` and `try_cast` carry the value to the handler of the [server](crate::server). Messages of timers do not carry
    /// it. Default: a handler sees the value in the scope in which its server was started.
    ///
    /// # Examples
    ///
    /// ```
    /// use cordial::Inherited;
    ///
    /// static REQUEST: Inherited<u64> = Inherited::new().carried_by_calls();
    /// # assert_eq!(REQUEST.get(), None);
    /// ```
    #[must_use]
    pub const fn carried_by_calls(self) -> Inherited<T> {
        Inherited { reach: Reach::SpawnsAndCalls, _address: AtomicBool::new(false), value: PhantomData }
    }

    /// Makes a value visible to the future and to everything that is spawned in it, in place of an outer value of the key. A spawned
    /// process keeps the value after the future has ended.
    ///
    /// # Cancel safety
    ///
    /// That of `future`. If `future` was polled before it is dropped, its destructor still sees the value.
    pub fn scope<F: Future>(&'static self, value: T, future: F) -> Scoped<F> {
        let unopened = UnopenedScope { key: self.address(), value: Arc::new(value), reach: self.reach };
        Scoped { unopened: Some(unopened), future: InScope::new(None, future) }
    }

    /// Returns the value of the innermost scope. `None` outside of any scope of this key.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "the address of a key belongs to one key, which has one type")]
    pub fn get(&'static self) -> Option<Arc<T>> {
        let value = current_scope()?.value(self.address())?;
        Some(value.downcast().expect("a value has the type of its key"))
    }

    fn address(&'static self) -> usize {
        std::ptr::from_ref(self).addr()
    }
}

impl<T> fmt::Debug for Inherited<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inherited").field("reach", &self.reach).finish_non_exhaustive()
    }
}

/// A scope that is not open yet: the first poll opens it inside of the scope in which that poll runs.
struct UnopenedScope {
    key: usize,
    value: Arc<dyn std::any::Any + Send + Sync>,
    reach: Reach,
}

pin_project! {
    /// The future of [`Inherited::scope`].
    #[must_use = "futures do nothing unless they are awaited"]
    pub struct Scoped<F> {
        unopened: Option<UnopenedScope>,
        #[pin]
        future: InScope<F>,
    }
}

impl<F: Future> Future for Scoped<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        if let Some(UnopenedScope { key, value, reach }) = this.unopened.take() {
            let scope = Scope::with_value(current_scope().as_ref(), key, value, reach);
            *this.future.as_mut().scope() = Some(scope);
        }
        this.future.poll(cx)
    }
}

impl<F> fmt::Debug for Scoped<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scoped").finish_non_exhaustive()
    }
}

//! What a handler returns: the answer itself, or a future of it.

use std::fmt;
use std::panic::Location;

use futures_util::future::BoxFuture;

/// What a handler returns. Every type that is `Send + Unpin + 'static` is a reply, and answers with itself; [`Later`] answers with
/// the output of its future.
///
/// A type that is not `Unpin` has to be boxed.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a reply",
    note = "a reply is `Send + Unpin + 'static`; box what is not `Unpin`"
)]
pub trait Reply: Send + 'static + sealed::Sealed {
    /// What the caller gets.
    type Value: Send + 'static;

    #[doc(hidden)]
    fn resolve(self) -> Resolved<Self::Value>;
}

#[expect(unnameable_types, reason = "that is what seals the trait")]
mod sealed {
    use std::marker::PhantomData;

    /// Prevents implementations of `Reply` outside this crate.
    pub trait Sealed {}

    /// Implemented for no type, so that `Later` is never `Unpin`, and is not covered by the implementation for all `Unpin` types.
    pub trait Never {}

    #[derive(Debug)]
    pub struct Of<T>(PhantomData<T>);
}

/// A reply, or the future that returns it.
#[doc(hidden)]
#[expect(missing_debug_implementations, unnameable_types, reason = "hidden, for a sealed trait")]
pub enum Resolved<T> {
    Now(T),
    Later(Later<T>),
}

impl<T: Send + Unpin + 'static> sealed::Sealed for T {}

impl<T: Send + Unpin + 'static> Reply for T {
    type Value = T;

    fn resolve(self) -> Resolved<T> {
        Resolved::Now(self)
    }
}

/// A reply that follows after the handler has returned. Created by [`Context::reply_later`](crate::server::Context::reply_later).
#[must_use = "the future runs only if the handler returns this value"]
pub struct Later<T> {
    pub(super) future: BoxFuture<'static, T>,
    pub(super) spawned_at: &'static Location<'static>,
}

impl<T> Unpin for Later<T> where sealed::Of<T>: sealed::Never {}

impl<T: Send + 'static> sealed::Sealed for Later<T> {}

impl<T: Send + 'static> Reply for Later<T> {
    type Value = T;

    fn resolve(self) -> Resolved<T> {
        Resolved::Later(self)
    }
}

impl<T> fmt::Debug for Later<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Later").field("spawned_at", &self.spawned_at).finish_non_exhaustive()
    }
}

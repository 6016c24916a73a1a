//! The future of a handler: polled where it is, or in a box if it is large.
//!
//! The future of a handler is stored in an outer future, which is boxed. A large handler future would be copied on the stack on its way to
//! the outer box, several times without optimizations. So it gets a box of its own.

use std::marker::PhantomData;
use std::pin::Pin;

use super::behavior::Handle;
use super::context::Context;
use crate::process::LARGEST_UNBOXED;

/// How the future of a handler is polled.
pub(super) trait Polling: 'static {
    type Polled<F: Future + Send>: Future<Output = F::Output> + Send;

    fn polled<F: Future + Send>(future: impl FnOnce() -> F) -> Self::Polled<F>;
}

/// Polls the future where it is.
pub(super) enum InPlace {}

/// Polls the future in a box.
pub(super) enum Boxed {}

impl Polling for InPlace {
    type Polled<F: Future + Send> = F;

    #[inline]
    fn polled<F: Future + Send>(future: impl FnOnce() -> F) -> F {
        future()
    }
}

impl Polling for Boxed {
    type Polled<F: Future + Send> = Pin<Box<F>>;

    fn polled<F: Future + Send>(future: impl FnOnce() -> F) -> Pin<Box<F>> {
        Box::pin(future())
    }
}

/// Computes the size of the future with which a server of type `S` handles a message of type `M`.
pub(super) struct HandlerSize<S, M>(PhantomData<fn(S, M)>);

impl<S: Handle<M>, M: 'static> HandlerSize<S, M> {
    /// Whether the future is too large to be passed on without a box.
    pub(super) const IS_LARGE: bool =
        size_of_output::<&'static mut S, M, &'static mut Context<S>, _>(S::handle) > LARGEST_UNBOXED;
}

const fn size_of_output<A, B, C, F>(_: fn(A, B, C) -> F) -> usize {
    size_of::<F>()
}

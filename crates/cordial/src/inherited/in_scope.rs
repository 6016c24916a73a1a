//! A future that is polled, and dropped, in a scope.

use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::process::{Scope, enter_scope};

pin_project! {
    /// A future that is polled, and dropped, in a scope. Without a scope, it is polled and dropped in the scope of the caller.
    #[derive(Debug)]
    pub(crate) struct InScope<F> {
        // `None` if there is no scope, and until `Scoped` or `Within` opens the scope in its first poll.
        scope: Option<Scope>,
        // `None` once the future was dropped.
        #[pin]
        future: Option<F>,
    }

    impl<F> PinnedDrop for InScope<F> {
        fn drop(this: Pin<&mut Self>) {
            this.drop_future();
        }
    }
}

impl<F> InScope<F> {
    pub(crate) fn new(scope: Option<Scope>, future: F) -> InScope<F> {
        InScope { scope, future: Some(future) }
    }

    pub(crate) fn scope(self: Pin<&mut Self>) -> &mut Option<Scope> {
        self.project().scope
    }

    /// Drops the future.
    pub(crate) fn drop_future(self: Pin<&mut Self>) {
        let mut this = self.project();
        if this.future.is_some() {
            let _entered = this.scope.clone().map(enter_scope);
            this.future.set(None);
        }
    }
}

impl<F: Future> Future for InScope<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _entered = this.scope.clone().map(enter_scope);
        this.future.as_pin_mut().expect("a future is not polled again once it was ready or dropped").poll(cx)
    }
}

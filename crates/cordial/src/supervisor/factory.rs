//! Factories: they create the future of each incarnation of a child.

use std::error::Error;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use crate::exit::Exit;
use crate::process::Outcome;

/// The future of one incarnation.
type ChildFuture = Pin<Box<dyn Future<Output = Result<(), Exit>> + Send>>;

type CreateFuture = Box<dyn FnMut(InitAck) -> ChildFuture + Send>;

/// Creates the futures of a child. Clones share the user's function. `create` takes the function out of the mutex, so
/// that no lock is held while the function runs, and puts it back afterwards.
#[derive(Clone)]
pub(super) struct Factory(Arc<Mutex<Option<CreateFuture>>>);

/// Acknowledges to the supervisor that the child has started. If it is dropped without `send`, the start has failed.
///
/// OTP's `proc_lib:init_ack`.
pub(super) struct InitAck(Option<oneshot::Sender<()>>);

impl InitAck {
    pub(super) fn new() -> (InitAck, oneshot::Receiver<()>) {
        let (sender, receiver) = oneshot::channel();
        (InitAck(Some(sender)), receiver)
    }

    /// Returns an acknowledgement that no supervisor waits for.
    pub(super) fn ignored() -> InitAck {
        InitAck(None)
    }

    fn send(self) {
        if let Some(sender) = self.0 {
            // A supervisor that no longer waits has stopped the child.
            let _ = sender.send(());
        }
    }
}

impl Factory {
    /// Creates the factory of [`ChildSpec::task`](crate::ChildSpec::task): the child has started when `factory` has returned.
    pub(super) fn of_task<F, Fut>(mut factory: F) -> Factory
    where
        F: FnMut() -> Fut + Send + 'static,
        Fut: Future + Send + 'static,
        Fut::Output: Outcome,
    {
        Factory::new(Box::new(move |ack| {
            let future = factory();
            ack.send();
            Box::pin(async move { future.await.into_result() })
        }))
    }

    /// Creates the factory of [`ChildSpec::init`](crate::ChildSpec::init): the child has started when the outer future is
    /// ready.
    pub(super) fn of_init<F, Outer, Inner, E>(mut factory: F) -> Factory
    where
        F: FnMut() -> Outer + Send + 'static,
        Outer: Future<Output = Result<Inner, E>> + Send + 'static,
        Inner: Future + Send + 'static,
        Inner::Output: Outcome,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        Factory::new(Box::new(move |ack| {
            let outer = factory();
            Box::pin(async move {
                let inner = outer.await.map_err(|error| Exit::from(error.into()))?;
                ack.send();
                inner.await.into_result()
            })
        }))
    }

    fn new(create: CreateFuture) -> Factory {
        Factory(Arc::new(Mutex::new(Some(create))))
    }

    /// Creates the future of the next incarnation. Runs code of the user, which may panic.
    pub(super) fn create(&self, ack: InitAck) -> ChildFuture {
        /// Puts the user's function back into the mutex, even if it panics.
        struct Taken<'a>(&'a Factory, Option<CreateFuture>);
        impl Drop for Taken<'_> {
            fn drop(&mut self) {
                *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = self.1.take();
            }
        }
        let create = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut taken = Taken(self, create);
        let create = taken.1.as_mut().expect("an incarnation starts after the last one is gone, so no other call runs");
        create(ack)
    }

    /// Creates the future where it is first polled: in the process of the child.
    pub(super) async fn run(self, ack: InitAck) -> Result<(), Exit> {
        self.create(ack).await
    }
}

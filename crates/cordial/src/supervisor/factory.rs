//! Factories: they create the future of each incarnation of a child.

use std::error::Error;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use crate::error::Ignore;
use crate::exit::{Exit, IntoExit, sources};
use crate::process::{HeldValue, Outcome, box_if_large};
use crate::supervisor::restart::Restart;

/// The future of one incarnation.
type ChildFuture = Pin<Box<dyn Future<Output = Result<(), Exit>> + Send>>;

/// The user's function. A `HeldValue`, because a supervisor drops the functions of all its children together.
type CreateFuture = HeldValue<Box<dyn FnMut(InitAck) -> ChildFuture + Send>>;

/// Creates the futures of a child. Clones share the user's function. `create` takes the function out of the mutex, so
/// that no lock is held while the function runs. Afterwards it puts the function back, or drops it if it is called only once.
#[derive(Clone)]
pub(super) struct Factory(Arc<Mutex<Option<CreateFuture>>>);

/// Acknowledges to the supervisor that the child has started, or that the child is not needed. If
/// the `InitAck` is dropped without `send`, the start has failed.
///
/// OTP's `proc_lib:init_ack`.
pub(super) struct InitAck(Box<dyn FnOnce(InitResult) + Send>);

/// How the start of a child has ended, unless it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InitResult {
    Started,
    /// The child is not needed. Its process exits normally.
    Ignored,
}

impl InitAck {
    /// Creates an `InitAck` that calls `acknowledge`, which must not panic.
    pub(super) fn new(acknowledge: impl FnOnce(InitResult) + Send + 'static) -> InitAck {
        InitAck(Box::new(acknowledge))
    }

    /// Creates an `InitAck` that sends the result to the receiver.
    pub(super) fn channel() -> (InitAck, oneshot::Receiver<InitResult>) {
        let (sender, receiver) = oneshot::channel();
        // An error means that the supervisor no longer waits, because it has to stop the child.
        (InitAck::new(move |result| _ = sender.send(result)), receiver)
    }

    fn send(self, result: InitResult) {
        (self.0)(result);
    }
}

/// How often a factory is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FactoryUse {
    /// Once for each incarnation.
    Repeated,
    /// Once: the factory is dropped after the call, since its child is never started again.
    Once,
}

impl FactoryUse {
    /// Returns how often the factory of a child with this policy is called.
    pub(super) fn of(restart: Restart) -> FactoryUse {
        if restart == Restart::Temporary { FactoryUse::Once } else { FactoryUse::Repeated }
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
        Factory::new(move |ack| {
            let future = factory();
            ack.send(InitResult::Started);
            box_if_large!(future: Fut => of_future(future))
        })
    }

    /// Creates the factory of [`ChildSpec::init`](crate::ChildSpec::init): the child has started when the outer future is
    /// ready.
    pub(super) fn of_init<F, Outer, Inner, E>(mut factory: F) -> Factory
    where
        F: FnMut() -> Outer + Send + 'static,
        Outer: Future<Output = Result<Inner, E>> + Send + 'static,
        Inner: Future + Send + 'static,
        Inner::Output: Outcome,
        E: IntoExit,
    {
        Factory::new(move |ack| {
            let outer = factory();
            box_if_large!(outer: Outer => of_outer(outer, ack))
        })
    }

    fn new(create: impl FnMut(InitAck) -> ChildFuture + Send + 'static) -> Factory {
        Factory(Arc::new(Mutex::new(Some(HeldValue::new(Box::new(create))))))
    }

    /// Creates the future of the next incarnation. Runs user code, which may panic.
    pub(super) fn create(&self, factory_use: FactoryUse, ack: InitAck) -> ChildFuture {
        /// Puts the user's function back into the mutex, or drops it, when the call returns or unwinds.
        struct PutBack<'a>(&'a Factory, FactoryUse, Option<CreateFuture>);
        impl Drop for PutBack<'_> {
            fn drop(&mut self) {
                match self.1 {
                    FactoryUse::Repeated => *self.0.lock() = self.2.take(),
                    // Runs the user's destructors.
                    FactoryUse::Once => drop(self.2.take()),
                }
            }
        }
        let create = self.lock().take();
        let mut taken = PutBack(self, factory_use, create);
        let create = taken.2.as_mut().expect("an incarnation starts after the last one is gone, so no other call runs");
        create.get_mut()(ack)
    }

    /// Creates the future and runs it. Polled by the process of the child, so that the factory runs
    /// there.
    pub(super) async fn run(self, factory_use: FactoryUse, ack: InitAck) -> Result<(), Exit> {
        let future = self.create(factory_use, ack);
        // The future may run for long and no longer needs the factory. The supervisor keeps a clone for further incarnations.
        drop(self);
        future.await
    }

    fn lock(&self) -> MutexGuard<'_, Option<CreateFuture>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// Functions of their own, so that the stack frame of the caller does not hold a second copy of a large future.

fn of_future<Fut>(future: Fut) -> ChildFuture
where
    Fut: Future + Send + 'static,
    Fut::Output: Outcome,
{
    Box::pin(async move { future.await.into_result() })
}

fn of_outer<Outer, Inner, E>(outer: Outer, ack: InitAck) -> ChildFuture
where
    Outer: Future<Output = Result<Inner, E>> + Send + 'static,
    Inner: Future + Send + 'static,
    Inner::Output: Outcome,
    E: IntoExit,
{
    Box::pin(async move {
        let inner = {
            let mut outer = pin!(outer);
            poll_fn(|cx| poll_outer(outer.as_mut(), cx)).await
        };
        match inner {
            Ok(inner) => {
                ack.send(InitResult::Started);
                inner.await.into_result()
            }
            Err(error) if is_ignore(&*error) => {
                ack.send(InitResult::Ignored);
                Ok(())
            }
            Err(error) => Err(Exit::from(error)),
        }
    })
}

type BoxedFuture<Inner> = Result<Pin<Box<Inner>>, Box<dyn Error + Send + Sync>>;

/// Boxes the inner future at once, since it may be large.
fn poll_outer<Outer, Inner, E>(outer: Pin<&mut Outer>, cx: &mut Context<'_>) -> Poll<BoxedFuture<Inner>>
where
    Outer: Future<Output = Result<Inner, E>>,
    E: IntoExit,
{
    match outer.poll(cx) {
        Poll::Ready(Ok(inner)) => Poll::Ready(Ok(Box::pin(inner))),
        Poll::Ready(Err(error)) => Poll::Ready(Err(error.into_boxed())),
        Poll::Pending => Poll::Pending,
    }
}

/// Returns whether an error, or one of its sources, is [`Ignore`].
fn is_ignore(error: &(dyn Error + 'static)) -> bool {
    std::iter::once(error).chain(sources(error)).any(|error| error.is::<Ignore>())
}

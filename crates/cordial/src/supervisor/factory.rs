//! What makes the future of each incarnation of a child.

use std::error::Error;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use crate::exit::Exit;
use crate::process::Outcome;

/// The future of one incarnation.
type Made = Pin<Box<dyn Future<Output = Result<(), Exit>> + Send>>;

type Make = Box<dyn FnMut(Ready) -> Made + Send>;

/// Makes the futures. There is one, which whoever calls it has for that time: no lock is held while it runs.
#[derive(Clone)]
pub(super) struct Factory(Arc<Mutex<Option<Make>>>);

/// Tells that the child has started. Dropped without that, it says that the child has not.
pub(super) struct Ready(Option<oneshot::Sender<()>>);

impl Ready {
    pub(super) fn new() -> (Ready, oneshot::Receiver<()>) {
        let (ready, is_ready) = oneshot::channel();
        (Ready(Some(ready)), is_ready)
    }

    /// For nobody.
    pub(super) fn unheard() -> Ready {
        Ready(None)
    }

    fn tell(self) {
        if let Some(ready) = self.0 {
            // Whoever no longer waits for the start has ended the child.
            let _ = ready.send(());
        }
    }
}

impl Factory {
    pub(super) fn of_task<F, Fut>(mut factory: F) -> Factory
    where
        F: FnMut() -> Fut + Send + 'static,
        Fut: Future + Send + 'static,
        Fut::Output: Outcome,
    {
        Factory::new(Box::new(move |ready| {
            let future = factory();
            ready.tell();
            Box::pin(async move { future.await.into_result() })
        }))
    }

    pub(super) fn of_init<F, Outer, Inner, E>(mut factory: F) -> Factory
    where
        F: FnMut() -> Outer + Send + 'static,
        Outer: Future<Output = Result<Inner, E>> + Send + 'static,
        Inner: Future + Send + 'static,
        Inner::Output: Outcome,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        Factory::new(Box::new(move |ready| {
            let outer = factory();
            Box::pin(async move {
                let inner = outer.await.map_err(|error| Exit::from(error.into()))?;
                ready.tell();
                inner.await.into_result()
            })
        }))
    }

    fn new(make: Make) -> Factory {
        Factory(Arc::new(Mutex::new(Some(make))))
    }

    /// The future of the next incarnation. May panic: it runs code of the user's.
    pub(super) fn make(&self, ready: Ready) -> Made {
        /// Gives it back, also when it panics.
        struct Lent<'a>(&'a Factory, Option<Make>);
        impl Drop for Lent<'_> {
            fn drop(&mut self) {
                *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = self.1.take();
            }
        }
        let make = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut lent = Lent(self, make);
        match &mut lent.1 {
            Some(make) => make(ready),
            // A child is started again when its last incarnation is gone, so nobody else can have it.
            None => Box::pin(async { Err(Exit::NoProcess) }),
        }
    }

    /// The same, made where it runs.
    pub(super) async fn run(self, ready: Ready) -> Result<(), Exit> {
        self.make(ready).await
    }
}

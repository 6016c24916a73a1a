//! The future of a server.

use std::convert::Infallible;
use std::fmt;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use cordial::{StartError, TaskSupervisor, within};
use tokio::sync::mpsc;

use super::process_list::ProcessList;

/// How long a server waits for connections that cut themselves off after the grace time, and then for those that it has killed.
const END_LIMIT: Duration = Duration::from_millis(200);

/// The future that runs a server: made by awaiting [`Serve`](super::Serve), or by its `into_future`.
///
/// # Cancel safety
///
/// Dropping the future closes the listener and asks each connection to shut down, without waiting. A connection that was just
/// accepted, so that its process has not begun to run, may then be closed without an answer, unless it is under a supervisor that
/// was set with [`under`](super::Serve::under).
#[must_use = "a server does nothing unless it is awaited"]
pub struct Serving {
    run: Pin<Box<dyn Future<Output = Result<(), StartError>> + Send>>,
}

impl Serving {
    pub(super) fn new(run: impl Future<Output = Result<(), StartError>> + Send + 'static) -> Serving {
        Serving { run: Box::pin(run) }
    }
}

impl Future for Serving {
    type Output = Result<(), StartError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.run.as_mut().poll(cx)
    }
}

impl fmt::Debug for Serving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serving").finish_non_exhaustive()
    }
}

/// The connections of a server. Dropping this value asks them to shut down.
pub(super) struct OpenConnections {
    pub(super) connections: Arc<ProcessList>,
    /// The task supervisor that the server started for its connections.
    pub(super) own_tasks: Option<TaskSupervisor>,
    /// Ready with `None` when all senders, one for each connection, are gone.
    pub(super) ended: mpsc::Receiver<Infallible>,
}

impl OpenConnections {
    /// Asks each connection to shut down, and waits until all have ended. A connection that has not ended after the grace
    /// time cuts itself off; one that cannot, because it is in a poll that does not return, is killed, and is not waited for
    /// beyond `END_LIMIT`.
    pub(super) async fn stop(mut self, grace: Duration) {
        self.connections.shut_down();
        // The timers of tokio stand still while code in `tokio::spawn` blocks its threads; the deadline of `within` does not.
        if within(grace.saturating_add(END_LIMIT), self.ended.recv()).await.is_err() {
            self.connections.kill();
            let _ = within(END_LIMIT, self.ended.recv()).await;
        }
        if let Some(tasks) = self.own_tasks.take() {
            tasks.stop().await;
        }
    }
}

impl Drop for OpenConnections {
    fn drop(&mut self) {
        match &self.own_tasks {
            // One poll of `stop` is enough: the supervisor then gives its children their grace time, and exits with `Normal`. Any
            // other exit would end its owner.
            Some(tasks) => {
                let _ = pin!(tasks.stop()).poll(&mut Context::from_waker(Waker::noop()));
            }
            None => self.connections.shut_down(),
        }
    }
}

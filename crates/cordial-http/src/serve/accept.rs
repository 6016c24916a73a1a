//! The loop that accepts connections.

use std::convert::Infallible;
use std::error::Error;
use std::future::poll_fn;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cordial::{Pid, Refusal, StartError, TaskSupervisor};
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::yield_now;
use tokio::time::sleep;
use tower_service::Service;

use super::connection::Connection;
use super::events::{AcceptFailures, connection_failed};
use super::options::Options;
use super::process_list::ProcessList;
use crate::listener::Listener;

/// The first and the longest wait after an error of `accept`, such as too many open files. A connection that ends may make
/// room at any time, so the waits are short.
const FIRST_WAIT: Duration = Duration::from_millis(5);
const LONGEST_WAIT: Duration = Duration::from_millis(500);

/// How long a connection waits before it is tried again, while its supervisor is being restarted.
const RESTART_WAIT: Duration = Duration::from_millis(10);

/// The accept loop: the listener, and the state that each connection needs.
pub(super) struct Acceptor<L, M, F> {
    pub(super) listener: L,
    pub(super) make_service: M,
    pub(super) handshake: F,
    pub(super) options: Options,
    pub(super) tasks: TaskSupervisor,
    pub(super) connections: Arc<ProcessList>,
    /// Cloned for each connection.
    pub(super) open: mpsc::Sender<Infallible>,
}

impl<L, M, F, H, I, S, B> Acceptor<L, M, F>
where
    L: Listener,
    M: Service<L::Addr, Response = S>,
    M::Error: Into<Box<dyn Error + Send + Sync>>,
    M::Future: Send + 'static,
    F: Fn(L::Io) -> H,
    H: Future<Output = io::Result<I>> + Send + 'static,
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    /// Accepts connections until one cannot be started, because the task supervisor is stopping or has ended, or because the runtime
    /// refuses the process.
    pub(super) async fn run(mut self) -> StartError {
        let permits = Arc::new(Semaphore::new(self.options.max_connections.min(Semaphore::MAX_PERMITS)));
        let mut failures = AcceptFailures::default();
        loop {
            // The permit is taken first: a connection that cannot be served waits in the queue of the operating system.
            let permit = permits.clone().acquire_owned().await.expect("the semaphore is never closed");
            let (stream, address) = self.accept(&mut failures).await;
            let label = Arc::from(format!("{address:?}"));
            let ready = poll_fn(|cx| self.make_service.poll_ready(cx)).await;
            if let Err(error) = ready.map_err(Into::<Box<dyn Error + Send + Sync>>::into) {
                connection_failed(&error);
                // A listener may always be ready: see `accept`.
                yield_now().await;
                continue;
            }
            let service = self.make_service.call(address);
            let (handshake, entry) = ((self.handshake)(stream), self.connections.add());
            let key = entry.key();
            let open = self.open.clone();
            let connection = Connection { label, options: self.options, entry, open, permit };
            let run = async move { connection.run(handshake, async { service.await.map_err(Into::into) }).await };
            match start(&self.tasks, run).await {
                Ok(pid) => {
                    self.connections.started(key, pid);
                    yield_now().await;
                }
                Err(error) => return error,
            }
        }
    }

    /// Waits for the next connection.
    async fn accept(&mut self, failures: &mut AcceptFailures) -> (L::Io, L::Addr) {
        let mut wait = FIRST_WAIT;
        loop {
            match self.listener.accept().await {
                Ok(accepted) => return accepted,
                // A listener may always be ready. The yield lets a request to shut down through.
                Err(error) if is_of_one_connection(&error) => yield_now().await,
                Err(error) => {
                    failures.emit(&error);
                    sleep(wait).await;
                    wait = (2 * wait).min(LONGEST_WAIT);
                }
            }
        }
    }
}

/// Starts the process of a connection. While the supervisor is being restarted, the connection waits.
async fn start(tasks: &TaskSupervisor, run: impl Future<Output = ()> + Send + 'static) -> Result<Pid, StartError> {
    // A refusal drops the future that was passed, but must not drop the connection. Therefore, that future takes the connection only when
    // it runs.
    let waiting = Arc::new(Mutex::new(Some(Box::pin(run))));
    loop {
        let run = waiting.clone();
        let started = tasks.start_child_when_room(async move {
            let run = run.lock().unwrap_or_else(PoisonError::into_inner).take();
            run.expect("one of the futures that share it was started").await;
        });
        match started.await {
            Err(StartError::Refused(Refusal::SupervisorRestarting)) => sleep(RESTART_WAIT).await,
            started => return started,
        }
    }
}

/// Returns whether an error of `accept` is about a connection that failed before it was accepted.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

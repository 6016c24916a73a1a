//! The harness: a network in memory, and a client of HTTP/1 that writes and reads text.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::get;
use cordial::{Exit, Task, Timeout};
use cordial_http::{Listener, Serving};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio::sync::mpsc;

/// How many bytes a stream in memory holds in each direction.
pub(crate) const IN_FLIGHT: usize = 16 * 1024;

/// Connects clients to a server in memory.
#[derive(Clone)]
pub(crate) struct Network(mpsc::UnboundedSender<DuplexStream>);

/// The listener of a [`Network`].
pub(crate) struct InMemory(mpsc::UnboundedReceiver<DuplexStream>);

impl Network {
    pub(crate) fn new() -> (Network, InMemory) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Network(sender), InMemory(receiver))
    }

    /// Connects, unless the listener is closed.
    pub(crate) fn try_connect(&self) -> Option<Client<DuplexStream>> {
        let (client, server) = tokio::io::duplex(IN_FLIGHT);
        self.0.send(server).is_ok().then(|| Client::new(client))
    }

    pub(crate) fn connect(&self) -> Client<DuplexStream> {
        self.try_connect().expect("the server listens")
    }
}

impl Listener for InMemory {
    type Io = DuplexStream;
    type Addr = u32;

    async fn accept(&mut self) -> io::Result<(DuplexStream, u32)> {
        match self.0.recv().await {
            Some(stream) => Ok((stream, 7)),
            None => std::future::pending().await,
        }
    }
}

/// Starts a server as a task, which ends when the handle is dropped.
#[track_caller]
pub(crate) fn start<S>(serve: S) -> Task<Result<(), Exit>>
where
    S: IntoFuture<IntoFuture = Serving> + Send + 'static,
{
    Task::spawn(async move { serve.into_future().await.map_err(Exit::from) }).timeout(Timeout::Infinity)
}

/// How long a test on the real scheduler may take before it fails. Long, because it only matters then.
pub(crate) const LIMIT: Duration = Duration::from_secs(600);

/// Runs a future on a runtime of its own with two workers.
pub(crate) fn run_real<F>(future: F) -> F::Output
where
    F: Future<Output: Send> + Send + 'static,
{
    let runtime = cordial::Runtime::builder().workers(2).build().unwrap();
    let output = runtime.block_on(async { tokio::time::timeout(LIMIT, future).await }).unwrap();
    let output = output.unwrap_or_else(|_| panic!("the test hangs: it has not ended within {LIMIT:?}"));
    assert!(runtime.shutdown(LIMIT).is_clean());
    output
}

/// An app with an endless body, which counts the chunks that the server has taken.
pub(crate) fn endless(n_taken: Arc<AtomicUsize>) -> Router {
    let body = move || async move {
        let chunks = std::iter::repeat_with(move || {
            n_taken.fetch_add(1, Ordering::SeqCst);
            Ok::<_, Infallible>(Bytes::from_static(&[0; 1024]))
        });
        Body::from_stream(futures::stream::iter(chunks))
    };
    Router::new().route("/", get(body))
}

/// A client of HTTP/1.
pub(crate) struct Client<S> {
    pub(crate) stream: S,
    /// What was received and is not part of a response that was returned.
    received: Vec<u8>,
}

/// A response.
#[derive(Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub(crate) fn new(stream: S) -> Client<S> {
        Client { stream, received: Vec::new() }
    }

    pub(crate) async fn send(&mut self, text: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(text.as_ref()).await
    }

    /// Sends a request. Fails if the server has closed the connection.
    pub(crate) async fn request(&mut self, path: &str) -> io::Result<()> {
        self.send(format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n")).await
    }

    /// Sends a request and waits for the response.
    pub(crate) async fn get(&mut self, path: &str) -> io::Result<Answer> {
        self.request(path).await?;
        self.answer().await
    }

    /// Waits for the next response.
    pub(crate) async fn answer(&mut self) -> io::Result<Answer> {
        let end = loop {
            if let Some(at) = self.received.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            self.receive().await?;
        };
        let head = String::from_utf8(self.received.drain(..end).collect()).unwrap();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a response has a status");
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
        while self.received.len() < length {
            self.receive().await?;
        }
        let body = String::from_utf8(self.received.drain(..length).collect()).unwrap();
        Ok(Answer { status, head, body })
    }

    /// Reads to the end of the connection. Returns what came.
    pub(crate) async fn rest(&mut self) -> String {
        while self.receive().await.is_ok() {}
        String::from_utf8_lossy(&std::mem::take(&mut self.received)).into_owned()
    }

    async fn receive(&mut self) -> io::Result<()> {
        match self.stream.read_buf(&mut self.received).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

impl Client<DuplexStream> {
    /// Sends bytes until the server takes no more for a millisecond. Returns how many it has taken.
    pub(crate) async fn stream_at_most(&mut self, bytes: &[u8]) -> usize {
        let mut n_sent = 0;
        while n_sent < bytes.len() {
            match tokio::time::timeout(Duration::from_millis(1), self.stream.write(&bytes[n_sent..])).await {
                Ok(Ok(n)) => n_sent += n,
                Ok(Err(_)) | Err(_) => break,
            }
        }
        n_sent
    }

    /// Reads up to `n` bytes and drops them. Returns how many there were.
    pub(crate) async fn read_some(&mut self, n: usize) -> usize {
        self.stream.read(&mut vec![0; n]).await.unwrap()
    }
}

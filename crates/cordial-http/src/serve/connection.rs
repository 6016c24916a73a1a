//! The process of one connection.

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cordial::process;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::{sleep, timeout};
use tower_service::Service;

use super::client_io::ClientIo;
use super::client_limits::{ClientLimits, ExceededLimit, HeaderTimer};
use super::events::{client_too_slow, connection_cut_off, connection_failed};
use super::options::Options;
use super::polled_when_woken::PolledWhenWoken;
use super::process_list::ProcessEntry;
use super::stream_executor::{MAX_STREAMS, StreamExecutor};

/// A connection before its process runs.
pub(super) struct Connection {
    /// The address of the client.
    pub(super) label: Arc<str>,
    pub(super) options: Options,
    pub(super) entry: ProcessEntry,
    /// Nothing is sent: the server waits until all senders are gone.
    pub(super) open: mpsc::Sender<Infallible>,
    pub(super) permit: OwnedSemaphorePermit,
}

type BoxError = Box<dyn Error + Send + Sync>;

impl Connection {
    /// Waits for the handshake and for the service, and serves requests. Ends when the client closes the connection or exceeds a
    /// limit. After a request to shut down, ends when the requests in flight are answered, at the latest after the grace time.
    pub(super) async fn run<H, I, M, S, B>(self, handshake: H, service: M)
    where
        H: Future<Output = io::Result<I>>,
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        M: Future<Output = Result<S, BoxError>>,
        S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Into<BoxError>,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<BoxError>,
    {
        let Connection { label, options, entry, open: _open, permit } = self;
        let shutdown = pin!(cordial::shutdown_requested());
        let mut shutdown = PolledWhenWoken::new(shutdown);
        entry.opted_in();
        process::set_label(label.clone());
        let limits = ClientLimits::new(options.header_limit, options.write_limit);
        let requests = Arc::new(AtomicU64::new(0));
        process::set_connection(label.clone(), requests.clone());
        let exceeded = pin!(limits.exceeded());
        let mut exceeded = PolledWhenWoken::new(exceeded);

        let setup = async { Ok::<_, BoxError>((handshake.await?, service.await?)) };
        let (stream, service) = tokio::select! {
            biased;
            // The setup is polled first, so that a request that has arrived before the shutdown is answered.
            setup = setup => match setup {
                Ok(setup) => setup,
                Err(error) => return connection_failed(&error),
            },
            () = &mut shutdown => return,
            limit = &mut exceeded => return client_too_slow(limit),
        };

        let streams = StreamExecutor::new(label, limits.clone());
        let builder = builder(&options, streams.clone(), &limits);
        let io = TokioIo::new(ClientIo::new(stream, limits.clone(), permit));
        let service = LimitedService { service: TowerToHyperService::new(service), limits: limits.clone(), requests };
        let mut connection = pin!(builder.serve_connection_with_upgrades(io, service));
        let is_idle = tokio::select! {
            biased;
            ended = connection.as_mut() => return close(ended, &limits).await,
            () = &mut shutdown => false,
            limit = &mut exceeded => {
                client_too_slow(limit);
                if limit != ExceededLimit::Idle {
                    return;
                }
                true
            }
        };
        // The connection ends after the requests in flight. In HTTP/2 the client is asked to send no more.
        connection.as_mut().graceful_shutdown();
        if is_idle {
            // Requests that are on their way are still answered.
            limits.restart_header_limit();
            tokio::select! {
                biased;
                ended = connection.as_mut() => return close(ended, &limits).await,
                () = &mut shutdown => {}
                _ = limits.exceeded() => return,
            }
        }
        streams.shut_down();
        limits.shorten_header_limit(REST_OF_HEADERS);
        tokio::select! {
            biased;
            ended = connection.as_mut() => close(ended, &limits).await,
            limit = limits.exceeded() => client_too_slow(limit),
            () = sleep(options.grace) => connection_cut_off(),
        }
    }
}

/// Reports the error of a connection that has ended, and closes the connection if hyper has not: after a request for an upgrade to HTTP/2
/// (h2c), which the server ignores, hyper returns the stream open.
async fn close(ended: Result<(), BoxError>, limits: &ClientLimits) {
    if let Err(error) = ended
        && !is_cancelled(&error)
    {
        connection_failed(&error);
    }
    if let Some(stream) = limits.stream_of_ignored_upgrade() {
        // The client may be gone. In any case the connection is closed.
        let _ = timeout(CLOSE_LIMIT, TokioIo::new(stream).shutdown()).await;
    }
}

/// Returns whether this is the error with which hyper ends a connection after `graceful_shutdown` if it does not know the version of HTTP
/// yet, because the client has sent nothing, or only a part of the preface of HTTP/2.
fn is_cancelled(error: &BoxError) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::Interrupted)
}

/// Returns the settings of one connection. Its first bytes decide between HTTP/1 and HTTP/2.
fn builder(options: &Options, streams: StreamExecutor, limits: &Arc<ClientLimits>) -> auto::Builder<StreamExecutor> {
    let mut builder = auto::Builder::new(streams);
    let mut http1 = builder.http1();
    http1.timer(HeaderTimer(limits.clone())).header_read_timeout(ANY_LIMIT);
    http1.max_buf_size(options.max_header_bytes.max(SMALLEST_BUFFER));
    let mut http2 = builder.http2();
    http2.max_header_list_size(u32::try_from(options.max_header_bytes).unwrap_or(u32::MAX));
    http2.timer(TokioTimer::new()).keep_alive_interval(PING_EVERY).keep_alive_timeout(PING_LIMIT);
    http2.max_concurrent_streams(MAX_STREAMS);
    http2.max_send_buf_size(SEND_BUFFER);
    // WebSockets over HTTP/2 need it.
    http2.enable_connect_protocol();
    builder
}

/// The smallest buffer of an HTTP/1 connection that hyper allows. Headers have to fit into the buffer.
const SMALLEST_BUFFER: usize = 8192;

/// hyper adds this limit to the present time, which `Duration::MAX` would overflow. [`HeaderTimer`] ignores it, and applies the
/// limit of the server.
const ANY_LIMIT: Duration = Duration::from_secs(1);

/// How many bytes of each HTTP/2 stream may wait for a client that does not read.
const SEND_BUFFER: usize = 64 * 1024;

/// The limit on headers when the server stops: a client that has begun to send headers has this long for the rest of them, and an HTTP/2
/// client without an open stream has this long to answer a ping.
const REST_OF_HEADERS: Duration = Duration::from_millis(500);

/// How long it may take to close a connection whose client has asked for an upgrade that the server ignores.
const CLOSE_LIMIT: Duration = Duration::from_secs(1);

/// An HTTP/2 client that has sent nothing for this long is sent a ping.
const PING_EVERY: Duration = Duration::from_secs(30);

/// How long a client may take to answer a ping.
const PING_LIMIT: Duration = Duration::from_secs(20);

/// A service that records when a request arrives, and counts the requests.
struct LimitedService<S> {
    service: TowerToHyperService<S>,
    limits: Arc<ClientLimits>,
    requests: Arc<AtomicU64>,
}

impl<S> hyper::service::Service<Request<Incoming>> for LimitedService<S>
where
    S: Service<Request<Incoming>> + Clone,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = <TowerToHyperService<S> as hyper::service::Service<Request<Incoming>>>::Future;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        self.limits.request_arrived(&mut request);
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.service.call(request)
    }
}

//! `serve` and its options.

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::future::{Ready, ready};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use cordial::{StartError, TaskSupervisor};
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tower_service::Service;

use super::accept::Acceptor;
use super::options::Options;
use super::process_list::ProcessList;
use super::serving::{OpenConnections, Serving};
use crate::listener::Listener;

/// Returns a server for the connections of `listener`. Awaiting it runs the server until the process that awaits it is asked
/// to shut down.
///
/// `make_service` is a service of `tower` that makes the service of each connection from the address of the client: axum's
/// `into_make_service()`, or [`shared`](crate::shared) for one service for all connections. The first bytes of a connection
/// decide between HTTP/1 and HTTP/2.
///
/// Each connection is a child of a task supervisor, with the address of the client as its label. A panic of the listener,
/// or in a call of the make-service or of the handshake function, is a panic of the process that awaits the server; the
/// futures that these calls return run in the process of the connection.
///
/// # Errors
///
/// The server returns a [`StartError`] if it cannot start connections any more: its task supervisor has ended, or the
/// runtime refuses processes. A supervisor that the server has started itself ends only with the process that awaits the server,
/// or with the runtime. Errors of single connections, and of `accept`, are events.
///
/// # Examples
///
/// ```
/// # async fn example() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
/// use axum::{Router, routing::get};
/// use tokio::net::TcpListener;
///
/// let app = Router::new().route("/", get(|| async { "hello" }));
/// let listener = TcpListener::bind("127.0.0.1:8080").await?;
/// cordial_http::serve(listener, app.into_make_service()).await?;
/// # Ok(())
/// # }
/// ```
pub fn serve<L, M, S, B>(listener: L, make_service: M) -> Serve<L, M>
where
    // The bounds of `IntoFuture`. Without them here, the compiler would say of an unfit service that a server is not a future.
    L: Listener,
    M: Service<L::Addr, Response = S> + Send + 'static,
    M::Error: Into<Box<dyn Error + Send + Sync>>,
    M::Future: Send + 'static,
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    Serve { listener, make_service, handshake: |stream| ready(Ok(stream)), tasks: None, options: Options::default() }
}

/// The handshake of a connection that needs none.
pub type Direct<I> = fn(I) -> Ready<io::Result<I>>;

/// A server with its options, made by [`serve`].
///
/// Awaiting it, or calling `into_future`, opts the calling process in to graceful shutdown. The server shuts down when that process is
/// asked to shut down, even if another process polls the future. Without [`under`](Serve::under), the call also starts a task
/// supervisor, which belongs to the calling process.
///
/// # Cancel safety
///
/// Dropping the future closes the listener, and asks each connection to shut down without waiting: requests in flight are still
/// answered within the grace time. [`Serving`] names an exception.
#[must_use = "a server does nothing unless it is awaited"]
pub struct Serve<L: Listener, M, F = Direct<<L as Listener>::Io>> {
    listener: L,
    make_service: M,
    handshake: F,
    tasks: Option<TaskSupervisor>,
    options: Options,
}

impl<L: Listener, M, F> Serve<L, M, F> {
    /// Sets the task supervisor of the connections. Default: one with the label `connections` that belongs to the process that
    /// awaits the server, and ends with the server.
    ///
    /// With a supervisor of the caller, the connections outlive a crash of that process by the grace time: when the server ends, in
    /// any way, the connections that it has accepted are asked to shut down, and answer requests in flight. Other children of the
    /// supervisor are not asked. While the supervisor is full or being restarted, the server accepts one connection, which waits for
    /// the supervisor, and no more.
    ///
    /// # Examples
    ///
    /// A server that is restarted if its process crashes, while its connections answer requests in flight:
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use axum::Router;
    /// use cordial::{ChildSpec, StartError, Strategy, Supervisor, TaskSupervisor};
    /// use tokio::net::TcpListener;
    ///
    /// async fn start_tree(app: Router) -> Result<Supervisor, StartError> {
    ///     let connections = TaskSupervisor::builder().label("connections").start();
    ///     let tree = Supervisor::builder(Strategy::OneForOne).child(connections.child_spec());
    ///     let http = ChildSpec::init("http", move || {
    ///         let (app, connections) = (app.clone(), connections.clone());
    ///         async {
    ///             let listener = TcpListener::bind("127.0.0.1:8080").await?;
    ///             Ok::<_, std::io::Error>(async move {
    ///                 cordial_http::serve(listener, app.into_make_service()).under(connections).await
    ///             })
    ///         }
    ///     });
    ///     tree.child(http.shutdown(Duration::from_secs(10))).start().await
    /// }
    /// ```
    pub fn under(self, tasks: TaskSupervisor) -> Serve<L, M, F> {
        Serve { tasks: Some(tasks), ..self }
    }

    /// Sets how many connections may be open at once. Default: 10 000. Further connections wait in the queue of the operating
    /// system, without a process, until one is closed. A connection that was upgraded counts until its stream is dropped. With 0
    /// no connection is ever accepted.
    ///
    /// Each connection needs an open file: raise that limit of the operating system (`ulimit -n`) as well. If it is
    /// reached, the server emits `accept_failed` and waits.
    pub fn max_connections(mut self, n: usize) -> Serve<L, M, F> {
        self.options.max_connections = n;
        self
    }

    /// Sets how long a client may take to send the headers of a request. Default: 30 s. Then the connection is closed.
    ///
    /// The time counts from the start of the connection's process, a [`handshake`](Serve::handshake) included. In HTTP/1, the
    /// time of each further request counts from the end of the previous response, so an open connection without a request is
    /// closed as well. In HTTP/2, after the first request, the limit applies while no stream is open. Its time counts from the end
    /// of the last stream, or from when the client last accepted a part of a response, if that is later. A client that exceeds it
    /// is asked to send no further request (GOAWAY), and has as long again to close the connection. [`Duration::MAX`] is no limit.
    pub fn header_limit(mut self, limit: Duration) -> Serve<L, M, F> {
        self.options.header_limit = limit;
        self
    }

    /// Sets how many bytes the headers of a request may have, the request line included. Default: 64 KiB. A larger request is
    /// answered with status 431, even if the request line alone is larger. With a limit of more than 64 KiB, the target of a
    /// request may still have at most 65 534 bytes in HTTP/1; a longer one is answered with 414. A request of HTTP/1 with more than
    /// 100 headers is answered with 431, whatever the limit is. In HTTP/1, at least 8 KiB are allowed, and the limit is also the
    /// size of the buffers of a connection.
    pub fn max_header_bytes(mut self, n: usize) -> Serve<L, M, F> {
        self.options.max_header_bytes = n;
        self
    }

    /// Sets how long the server waits for a client that accepts no data while the server has data to send. Default: 30 s. Then the
    /// connection is closed. The time starts anew whenever the client accepts data, so a slow client is served. Does not apply to a
    /// connection that was upgraded. [`Duration::MAX`] is no limit.
    pub fn write_limit(mut self, limit: Duration) -> Serve<L, M, F> {
        self.options.write_limit = limit;
        self
    }

    /// Sets how long requests in flight may take when the server is asked to shut down. Default: 4 s. After this time, their
    /// connections are closed, and the event `connection_cut_off` is emitted for each. A connection whose poll does not return is
    /// killed.
    ///
    /// A [`Supervisor`](cordial::Supervisor) grants a child 5 s by default. If you set a longer grace time here, set a longer
    /// [`ChildSpec::shutdown`](cordial::ChildSpec::shutdown) as well.
    ///
    /// If a supervisor that is set with [`under`](Serve::under) stops before the server does, it kills the connections after its own grace
    /// time, if that is shorter.
    pub fn grace(mut self, grace: Duration) -> Serve<L, M, F> {
        self.options.grace = grace;
        self
    }

    /// Sets what happens to each connection before HTTP, such as a TLS handshake. Default: nothing.
    ///
    /// The future runs in the process of the connection, within [`header_limit`](Serve::header_limit), so it delays no other
    /// connection. An error closes the connection, and is the event `connection_failed`.
    ///
    /// # Examples
    ///
    /// ```
    /// # mod tls { // stands for tokio_rustls
    /// #     use tokio::net::TcpStream;
    /// #     #[derive(Clone)]
    /// #     pub struct TlsAcceptor;
    /// #     impl TlsAcceptor {
    /// #         pub async fn accept(&self, stream: TcpStream) -> std::io::Result<TcpStream> { Ok(stream) }
    /// #     }
    /// # }
    /// # use tls::TlsAcceptor;
    /// use axum::Router;
    /// use tokio::net::{TcpListener, TcpStream};
    ///
    /// async fn serve_tls(listener: TcpListener, app: Router, acceptor: TlsAcceptor) -> Result<(), cordial::StartError> {
    ///     let handshake = move |stream: TcpStream| {
    ///         let acceptor = acceptor.clone();
    ///         async move { acceptor.accept(stream).await }
    ///     };
    ///     cordial_http::serve(listener, app.into_make_service()).handshake(handshake).await
    /// }
    /// ```
    pub fn handshake<G, H, I>(self, handshake: G) -> Serve<L, M, G>
    where
        G: Fn(L::Io) -> H + Send + 'static,
        H: Future<Output = io::Result<I>> + Send + 'static,
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Serve { listener, make_service, handshake: _, tasks, options } = self;
        Serve { listener, make_service, handshake, tasks, options }
    }
}

impl<L, M, F, H, I, S, B> IntoFuture for Serve<L, M, F>
where
    L: Listener,
    M: Service<L::Addr, Response = S> + Send + 'static,
    M::Error: Into<Box<dyn Error + Send + Sync>>,
    M::Future: Send + 'static,
    F: Fn(L::Io) -> H + Send + 'static,
    H: Future<Output = io::Result<I>> + Send + 'static,
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Output = Result<(), StartError>;
    type IntoFuture = Serving;

    #[track_caller]
    fn into_future(self) -> Serving {
        let Serve { listener, make_service, handshake, tasks, options } = self;
        // Called here, so that the process that awaits the server opts in to graceful shutdown, whichever process polls the future.
        let shutdown = cordial::shutdown_requested();
        let own_tasks = match &tasks {
            Some(_) => None,
            None => {
                let tasks = TaskSupervisor::builder().label("connections");
                // The connections end by themselves within their grace time. The supervisor kills those that are stuck in a poll.
                Some(tasks.shutdown(options.grace.saturating_add(Duration::from_millis(200))).start())
            }
        };
        let tasks =
            tasks.or_else(|| own_tasks.clone()).expect("without a supervisor of the caller, one was just started");
        let connections = Arc::new(ProcessList::default());
        let (open, ended) = mpsc::channel::<Infallible>(1);
        let open_connections = OpenConnections { connections: connections.clone(), own_tasks, ended };
        let acceptor = Acceptor { listener, make_service, handshake, options, tasks, connections, open };
        Serving::new(async move {
            let open_connections = open_connections;
            // Dropping the accept loop closes the listener, and drops its sender `open`: then only connections have senders of `ended`.
            let refused = tokio::select! {
                biased;
                () = shutdown => None,
                refused = acceptor.run() => Some(refused),
            };
            match refused {
                Some(error) => Err(error),
                None => {
                    open_connections.stop(options.grace).await;
                    Ok(())
                }
            }
        })
    }
}

impl<L: Listener + fmt::Debug, M, F> fmt::Debug for Serve<L, M, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serve")
            .field("listener", &self.listener)
            .field("tasks", &self.tasks)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

//! Where connections come from.

use std::io;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

/// After how long without data the system sends the first keepalive probe to a client, and how often it sends further ones. Without
/// probes, a connection on which the server only waits, such as one whose response is a stream of rare events, would stay forever
/// if the machine of the client lost its network.
const ASK_AFTER: Duration = Duration::from_secs(30);
#[cfg(any(target_os = "linux", target_os = "android", target_os = "macos", target_os = "windows"))]
const ASK_EVERY: Duration = Duration::from_secs(10);

/// A source of connections for [`serve`](crate::serve()).
///
/// Implemented for [`TcpListener`], and on Unix for `UnixListener`. On each TCP connection, the implementation disables Nagle's
/// algorithm (`TCP_NODELAY`) and lets the system notice lost clients (`SO_KEEPALIVE`, after 30 s). Implement the trait for any other
/// source: a listener that sets options of its sockets, or the receiver of a channel.
///
/// To wait for something on each connection, such as a TLS handshake, use [`Serve::handshake`](crate::Serve::handshake): a
/// wait in `accept` would delay all later connections.
///
/// # Examples
///
/// Connections that another part of the program hands over:
///
/// ```
/// use std::io;
///
/// use cordial_http::Listener;
/// use tokio::io::DuplexStream;
/// use tokio::sync::mpsc;
///
/// struct HandedOver(mpsc::Receiver<DuplexStream>);
///
/// impl Listener for HandedOver {
///     type Io = DuplexStream;
///     type Addr = ();
///
///     async fn accept(&mut self) -> io::Result<(DuplexStream, ())> {
///         match self.0.recv().await {
///             Some(stream) => Ok((stream, ())),
///             None => std::future::pending().await, // no connection will come any more
///         }
///     }
/// }
/// ```
pub trait Listener: Send + 'static {
    /// A connection.
    type Io: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// The address of the peer. The make-service gets it, and its `Debug` text is the label of the process of the connection.
    type Addr: std::fmt::Debug + Send + 'static;

    /// Waits for the next connection.
    ///
    /// # Errors
    ///
    /// Any error is taken as temporary: the server emits the event `accept_failed`, at most once a second, waits for a moment
    /// and calls `accept` again. Errors that concern a single connection
    /// ([`ConnectionAborted`](io::ErrorKind::ConnectionAborted), [`ConnectionRefused`](io::ErrorKind::ConnectionRefused),
    /// [`ConnectionReset`](io::ErrorKind::ConnectionReset)) are skipped at once.
    ///
    /// # Cancel safety
    ///
    /// The server drops the future only when the server ends, and then drops the listener.
    fn accept(&mut self) -> impl Future<Output = io::Result<(Self::Io, Self::Addr)>> + Send;
}

impl Listener for TcpListener {
    type Io = TcpStream;
    type Addr = std::net::SocketAddr;

    async fn accept(&mut self) -> io::Result<(TcpStream, std::net::SocketAddr)> {
        let (stream, address) = TcpListener::accept(self).await?;
        // Otherwise the end of a response may wait for an acknowledgment of the client. An error means that the
        // connection has failed already, and the first read returns that error.
        let _ = stream.set_nodelay(true);
        let keepalive = TcpKeepalive::new().with_time(ASK_AFTER);
        #[cfg(any(target_os = "linux", target_os = "android", target_os = "macos", target_os = "windows"))]
        let keepalive = keepalive.with_interval(ASK_EVERY);
        let _ = SockRef::from(&stream).set_tcp_keepalive(&keepalive);
        Ok((stream, address))
    }
}

#[cfg(unix)]
impl Listener for tokio::net::UnixListener {
    type Io = tokio::net::UnixStream;
    type Addr = tokio::net::unix::SocketAddr;

    async fn accept(&mut self) -> io::Result<(tokio::net::UnixStream, tokio::net::unix::SocketAddr)> {
        tokio::net::UnixListener::accept(self).await
    }
}

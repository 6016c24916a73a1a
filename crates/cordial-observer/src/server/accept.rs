//! Accepts connections, and serves HTTP/1 on each.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
#[cfg(unix)]
use tokio::net::UnixListener;
use tokio::task::yield_now;
use tokio::time::sleep;
use tower_service::Service;

use super::client_io::ClientIo;
use super::connection_slots::{ConnectionSlot, ConnectionSlots};
use super::socket::{EndedWhenDropped, Socket};
use crate::shared::ObserverShared;

/// How many connections of a listener may be open at once. A browser opens up to six of them to one host.
const MAX_CONNECTIONS: usize = 64;

/// How long a client may take for the head of a request; an idle connection is closed after the same time.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a client may take to acknowledge data. An open page receives data every second.
#[cfg(target_os = "linux")]
const LOST_AFTER: Duration = Duration::from_secs(30);

/// How large the head of a request may be, in bytes.
const MAX_HEAD: usize = 16 * 1024;

/// How many headers a request may have.
const MAX_HEADERS: usize = 64;

/// The client of a connection.
#[derive(Clone, Debug)]
pub(super) struct Client {
    /// Its address, as text, for the audit log.
    pub(super) address: Arc<str>,
    /// One of the [`MAX_CONNECTIONS`] slots.
    pub(super) slot: Arc<ConnectionSlot>,
}

/// Accepts connections of a TCP listener. Never returns.
pub(super) async fn tcp(shared: &Arc<ObserverShared>, listener: EndedWhenDropped<TcpListener>, app: &Router) {
    let slots = ConnectionSlots::new(MAX_CONNECTIONS);
    loop {
        match listener.accept().await {
            Ok((stream, address)) => {
                // Answers are small: the system must not delay them to wait for more data.
                let _ = stream.set_nodelay(true);
                let _ = notice_lost_client(&stream);
                spawn_connection(shared, app, &slots, stream, address.ip().to_string());
                yield_now().await;
            }
            Err(error) => pause_after(&error).await,
        }
    }
}

/// Accepts connections of a UNIX socket. Never returns.
#[cfg(unix)]
pub(super) async fn unix(shared: &Arc<ObserverShared>, listener: EndedWhenDropped<UnixListener>, app: &Router) {
    let slots = ConnectionSlots::new(MAX_CONNECTIONS);
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                spawn_connection(shared, app, &slots, stream, "UNIX socket".to_owned());
                yield_now().await;
            }
            Err(error) => pause_after(&error).await,
        }
    }
}

/// Lets the system end a connection whose client does not acknowledge data, for example because the machine of the client has lost its
/// network. Otherwise the open page of that client would keep its connection for about a quarter of an hour.
#[cfg(target_os = "linux")]
fn notice_lost_client(stream: &tokio::net::TcpStream) -> io::Result<()> {
    socket2::SockRef::from(stream).set_tcp_user_timeout(Some(LOST_AFTER))
}

/// Does nothing. Other systems end such a connection later: by default after a few minutes without an acknowledgment.
#[cfg(not(target_os = "linux"))]
fn notice_lost_client(_: &tokio::net::TcpStream) -> io::Result<()> {
    Ok(())
}

/// Waits before the next connection is accepted, unless a client has caused the error.
async fn pause_after(error: &io::Error) {
    let of_client = [io::ErrorKind::ConnectionAborted, io::ErrorKind::ConnectionReset];
    if !of_client.contains(&error.kind()) {
        // Too many open files, for example: the program may close some.
        sleep(Duration::from_millis(500)).await;
    }
}

/// Serves one connection in a task of the observer's runtime. Closes the connection if all slots are taken by connections that keep them.
///
/// The caller yields after each call: if many clients connect at once, the request of each is read before its slot is given to another one.
fn spawn_connection<S>(
    shared: &Arc<ObserverShared>,
    app: &Router,
    slots: &Arc<ConnectionSlots>,
    stream: S,
    client: String,
) where
    S: AsyncRead + AsyncWrite + Socket + Unpin + Send + 'static,
{
    let stream = EndedWhenDropped(stream);
    let taken = slots.take();
    if taken.as_ref().is_none_or(|(_, has_closed)| *has_closed) {
        shared.n_connections_closed.fetch_add(1, Ordering::Relaxed);
    }
    let Some((slot, _)) = taken else { return };
    let slot = Arc::new(slot);
    let client = Client { address: client.into(), slot: slot.clone() };
    let (own, app) = (shared.clone(), app.clone());
    let task = shared.thread.spawn(async move { serve(own, app, stream, client).await });
    slot.set_task(task.abort_handle());
}

async fn serve<S>(shared: Arc<ObserverShared>, app: Router, stream: EndedWhenDropped<S>, client: Client)
where
    S: AsyncRead + AsyncWrite + Socket + Unpin + Send + 'static,
{
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(client.clone());
        let mut app = app.clone();
        async move {
            let response = app.call(request.map(Body::new)).await;
            Ok::<_, Infallible>(response.unwrap_or_else(|never| match never {}))
        }
    });
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(MAX_HEAD).max_headers(MAX_HEADERS);
    let io = TokioIo::new(ClientIo::new(stream));
    // Only a client that does not read is counted. Other errors have other causes: the client has sent something other than HTTP, was too slow,
    // or has disconnected.
    if let Err(error) = http.serve_connection(io, service).await
        && super::client_io::is_stalled(&error)
    {
        shared.n_clients_dropped.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn the_system_ends_connections_of_lost_clients() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        super::notice_lost_client(&stream).unwrap();
        assert_eq!(socket2::SockRef::from(&stream).tcp_user_timeout().unwrap(), Some(super::LOST_AFTER));
    }
}

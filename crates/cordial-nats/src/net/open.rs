//! Opens a connection: checks the options, starts the thread, connects, and looks at the version of the server.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, ThreadId};
use std::time::Duration;

use async_nats::connection::State;
use async_nats::{Client, ConnectErrorKind, ConnectOptions, Event, ServerAddr};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::connection::Connection;
use super::credentials::{log_in, with_credentials_file};
use super::keep_alive::KeepAlives;
use super::permission_errors::LatestErrors;
use super::thread::serve;
use crate::connect_error::{ConnectError, without_codes, without_secrets};
use crate::options::{Login, Options, Transport};

/// How long the first connection may take, with its login.
const CONNECT_LIMIT: Duration = Duration::from_millis(2500);

/// How often the thread checks whether the client of a user has connected again.
const WATCH_PERIOD: Duration = Duration::from_millis(500);

/// The longest pause between two attempts to connect again, before up to a quarter of it is added or subtracted at random.
const MAX_RECONNECT_DELAY: Duration = Duration::from_secs(1);

/// Connects, on a thread of its own, or uses the user's client.
pub(crate) async fn open(options: &Options, name: &str) -> Result<Connection, ConnectError> {
    match &options.client {
        Some(client) => adopt(client.clone(), &options.servers).await,
        None => connect(options, name).await,
    }
}

/// Uses a client that the user has connected. Its events go to the user's callback.
async fn adopt(client: Client, servers: &str) -> Result<Connection, ConnectError> {
    let deadline = Instant::now() + CONNECT_LIMIT;
    while client.connection_state() != State::Connected {
        if Instant::now() >= deadline {
            let reason = format!("the client is not connected after {CONNECT_LIMIT:?}").into();
            return Err(ConnectError::NoServer { servers: servers.into(), reason });
        }
        tokio::time::sleep(WATCH_PERIOD / 20).await;
    }
    check_version(&client)?;
    let (connected, connects) = watch::channel(client.statistics().connects.load(Ordering::Relaxed));
    let (_, permission_errors) = watch::channel(LatestErrors::default());
    let (commands, receiver) = mpsc::unbounded_channel();
    let (futures, received_futures) = mpsc::unbounded_channel();
    let keep_alives = Arc::<KeepAlives>::default();
    let renewed = keep_alives.clone();
    let served = client.clone();
    start_thread(async move {
        let watched = served.clone();
        let watch = async move {
            loop {
                let n_connects = watched.statistics().connects.load(Ordering::Relaxed);
                connected.send_if_modified(|n| std::mem::replace(n, n_connects) != n_connects);
                tokio::time::sleep(WATCH_PERIOD).await;
            }
        };
        tokio::select! {
            () = serve(served, receiver, received_futures, renewed) => {}
            () = watch => {}
        }
    })?;
    Ok(Connection { client, commands, futures, client_thread: None, connects, permission_errors, keep_alives })
}

async fn connect(options: &Options, name: &str) -> Result<Connection, ConnectError> {
    let addresses = addresses(options)?;
    let (connected, connects) = watch::channel(0);
    let (denied, permission_errors) = watch::channel(LatestErrors::default());
    let client_options = client_options(options, name, &addresses).await?.event_callback(move |event| {
        match event {
            Event::Connected => connected.send_modify(|n| *n += 1),
            Event::ServerError(error) => denied.send_modify(|errors| errors.add(error.to_string().into())),
            _ => {}
        }
        async {}
    });
    let servers: Arc<str> = without_secrets(&options.servers).into();
    let (commands, receiver) = mpsc::unbounded_channel();
    let (futures, received_futures) = mpsc::unbounded_channel();
    let keep_alives = Arc::<KeepAlives>::default();
    let renewed = keep_alives.clone();
    let (result, wait) = oneshot::channel();
    let thread = start_thread(async move {
        match tokio::time::timeout(CONNECT_LIMIT, client_options.connect(addresses)).await {
            Ok(Ok(client)) => {
                if result.send(Ok(client.clone())).is_ok() {
                    serve(client, receiver, received_futures, renewed).await;
                }
            }
            Ok(Err(error)) => drop(result.send(Err(Some(error)))),
            Err(_) => drop(result.send(Err(None))),
        }
    })?;
    let client_thread = Some(thread);
    let is_tls_needed = options.transport == Transport::Safe;
    let client = match wait.await {
        Ok(Ok(client)) => client,
        Ok(Err(Some(error))) => return Err(refused(&error, servers, is_tls_needed)),
        Ok(Err(None)) => {
            return Err(ConnectError::NoServer {
                servers,
                reason: format!("no answer within {CONNECT_LIMIT:?}").into(),
            });
        }
        Err(_) => return Err(ConnectError::Thread(Arc::new(io::Error::other("the thread has ended")))),
    };
    check_version(&client)?;
    Ok(Connection { client, commands, futures, client_thread, connects, permission_errors, keep_alives })
}

/// Runs a future to its end, on a thread with a runtime of its own. Not as a task of the calling runtime: the future has to renew leases even while
/// user code occupies every thread of that runtime.
fn start_thread(future: impl Future<Output = ()> + Send + 'static) -> Result<ThreadId, ConnectError> {
    let (give_runtime, runtime) = std::sync::mpsc::channel::<Runtime>();
    let run = move || {
        if let Ok(runtime) = runtime.recv() {
            // As a task: to wake the future of `block_on`, tokio writes to a file descriptor, even from its own thread. Fails if the future panics,
            // which the panic hook has reported.
            let _ = runtime.block_on(runtime.spawn(future));
        }
    };
    let failed = |error| ConnectError::Thread(Arc::new(error));
    let started = thread::Builder::new().name("cordial-nats".to_owned()).spawn(run).map_err(failed)?;
    // Only now: if no thread has started, the caller would have to drop the runtime, and a task of tokio must not do that.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let _ = give_runtime.send(runtime);
    Ok(started.thread().id())
}

fn addresses(options: &Options) -> Result<Vec<ServerAddr>, ConnectError> {
    let mut addresses = Vec::new();
    for text in options.servers.split(',').map(str::trim) {
        let invalid =
            |reason: String| ConnectError::Address { address: without_secrets(text).into(), reason: reason.into() };
        let address: ServerAddr = text.parse().map_err(|error: io::Error| invalid(without_codes(&error)))?;
        if address.host().is_empty() {
            return Err(invalid("it has no host".to_owned()));
        }
        if address.is_websocket() {
            return Err(invalid("WebSocket connections are not supported".to_owned()));
        }
        addresses.push(address);
    }
    Ok(addresses)
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

async fn client_options(
    options: &Options,
    name: &str,
    addresses: &[ServerAddr],
) -> Result<ConnectOptions, ConnectError> {
    let file = |path: &std::path::Path, error: &dyn std::fmt::Display| ConnectError::File {
        path: path.display().to_string().into(),
        reason: without_codes(error).into(),
    };
    let client = match &options.login {
        Login::Anonymous => ConnectOptions::new(),
        Login::CredentialsFile(path) => {
            // The client would report an unreadable file as a refused login.
            log_in(path, b"").await?;
            with_credentials_file(path.clone())
        }
        Login::Token(token) => ConnectOptions::with_token(token.clone()),
        Login::UserAndPassword(user, password) => {
            ConnectOptions::with_user_and_password(user.clone(), password.clone())
        }
    };
    let mut client = client
        .name(name)
        .connection_timeout(CONNECT_LIMIT)
        // A partition does not close the connection. The client closes it when the next ping is due after two pings without an answer.
        .ping_interval(Duration::from_secs(2))
        .reconnect_delay_callback(|attempts| {
            let delay = Duration::from_millis(50) * u32::try_from(attempts.min(6)).map_or(64, |n| 1 << n);
            delay.min(MAX_RECONNECT_DELAY).mul_f64(0.75 + fastrand::f64() / 2.0)
        });
    if let Some(path) = &options.root_certificates {
        std::fs::metadata(path).map_err(|error| file(path, &error))?;
        client = client.add_root_certificates(path.clone());
    }
    if let Some((certificate, key)) = &options.client_certificate {
        for path in [certificate, key] {
            std::fs::metadata(path).map_err(|error| file(path, &error))?;
        }
        client = client.add_client_certificate(certificate.clone(), key.clone());
    }
    let is_remote = addresses.iter().any(|address| !is_loopback(address.host()));
    let is_safe = options.transport == Transport::Safe;
    if is_safe && !is_remote {
        // Servers announce the addresses of others, which may be on other machines: the client would connect there without TLS.
        client = client.ignore_discovered_servers();
    }
    Ok(client.require_tls(is_safe && is_remote))
}

fn refused(error: &async_nats::ConnectError, servers: Arc<str>, is_tls_needed: bool) -> ConnectError {
    let mut reason = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        let text = inner.to_string();
        if !reason.contains(&text) {
            reason = format!("{reason}: {text}");
        }
        source = inner.source();
    }
    // If a server of another kind has answered, the text contains its answer, with line ends.
    reason.retain(|c| !c.is_control());
    let reason: Arc<str> = without_codes(&reason).into();
    match error.kind() {
        ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => ConnectError::Login { servers },
        ConnectErrorKind::Tls => ConnectError::Tls { servers, reason },
        ConnectErrorKind::ServerParse => ConnectError::Address { address: servers, reason },
        // A server without TLS answers a handshake with bytes that are not TLS.
        _ if is_tls_needed
            && ["corrupt message", "tls", "TLS", "ertificate"].iter().any(|word| reason.contains(word)) =>
        {
            ConnectError::Tls { servers, reason }
        }
        _ if reason.contains("uthorization") => ConnectError::Login { servers },
        _ => ConnectError::NoServer { servers, reason },
    }
}

fn check_version(client: &Client) -> Result<(), ConnectError> {
    if client.is_server_compatible(2, 9, 0) {
        return Ok(());
    }
    Err(ConnectError::TooOld { version: client.server_info().version.into() })
}

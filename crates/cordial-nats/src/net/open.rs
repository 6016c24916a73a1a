//! Opens a connection: checks the options, starts the thread of the connection, connects, and checks the version of the server.

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
use crate::connect_error::{ConnectError, ends_in_login, without_codes, without_secrets};
use crate::options::{Login, Options, Transport};

/// How long an attempt to connect to an address may take, including the login. Also how long `open` waits for a client of the user.
const CONNECT_LIMIT: Duration = Duration::from_millis(2500);

/// How often the thread checks whether a client that the user has connected has connected again.
const WATCH_PERIOD: Duration = Duration::from_millis(500);

/// The longest delay before an attempt to connect again. Each delay is multiplied by a random factor from 0.75 to 1.25.
const MAX_RECONNECT_DELAY: Duration = Duration::from_secs(1);

/// Connects a new client, or uses the one that the user has connected. Both get a thread, but only a new client lives on it.
pub(crate) async fn open(options: &Options, name: &str) -> Result<Connection, ConnectError> {
    match &options.client {
        Some(client) => adopt(client.clone(), &options.servers).await,
        None => connect(options, name).await,
    }
}

/// Uses a client that the user has connected. Such a client reports its events to the callback of the user. So the thread reads the counter of
/// connects instead, and errors of permissions stay unknown here.
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
    let mut n_seen = client.statistics().connects.load(Ordering::Relaxed);
    let (connected, connects) = watch::channel(Some(Instant::now()));
    let (_, permission_errors) = watch::channel(LatestErrors::default());
    let (commands, receiver) = mpsc::unbounded_channel();
    let (starts, received_starts) = mpsc::unbounded_channel();
    let keep_alives = Arc::<KeepAlives>::default();
    let renewed = keep_alives.clone();
    let served = client.clone();
    start_thread(async move {
        let watched = served.clone();
        let watch = async move {
            loop {
                let n_connects = watched.statistics().connects.load(Ordering::Relaxed);
                if n_connects != n_seen {
                    n_seen = n_connects;
                    connected.send_replace(Some(Instant::now()));
                }
                tokio::time::sleep(WATCH_PERIOD).await;
            }
        };
        tokio::select! {
            () = serve(served, receiver, received_starts, renewed) => {}
            () = watch => {}
        }
    })?;
    Ok(Connection::new(client, commands, starts, None, connects, permission_errors, keep_alives))
}

async fn connect(options: &Options, name: &str) -> Result<Connection, ConnectError> {
    let addresses = addresses(options)?;
    // The client tries the addresses one after the other, in any order, so that each of them may be the only one that answers.
    let limit = CONNECT_LIMIT.saturating_mul(u32::try_from(addresses.len()).unwrap_or(u32::MAX));
    let (connected, connects) = watch::channel(None);
    let (denied, permission_errors) = watch::channel(LatestErrors::default());
    let client_options =
        client_options(options, name, &addresses, connects.clone()).await?.event_callback(move |event| {
            match event {
                Event::Connected => drop(connected.send_replace(Some(Instant::now()))),
                Event::ServerError(error) => denied.send_modify(|errors| errors.add(error.to_string().into())),
                _ => {}
            }
            async {}
        });
    let servers: Arc<str> = without_secrets(&options.servers).into();
    let (commands, receiver) = mpsc::unbounded_channel();
    let (starts, received_starts) = mpsc::unbounded_channel();
    let keep_alives = Arc::<KeepAlives>::default();
    let renewed = keep_alives.clone();
    let (result, wait) = oneshot::channel();
    let thread = start_thread(async move {
        match tokio::time::timeout(limit, client_options.connect(addresses)).await {
            Ok(Ok(client)) => {
                if result.send(Ok(client.clone())).is_ok() {
                    serve(client, receiver, received_starts, renewed).await;
                }
            }
            Ok(Err(error)) => drop(result.send(Err(Some(error)))),
            Err(_) => drop(result.send(Err(None))),
        }
    })?;
    let client_thread = Some(thread);
    let is_safe = options.transport == Transport::Safe;
    let client = match wait.await {
        Ok(Ok(client)) => client,
        Ok(Err(Some(error))) => return Err(connect_error(&error, servers, is_safe)),
        Ok(Err(None)) => return Err(no_answer(servers)),
        Err(_) => return Err(ConnectError::Thread(Arc::new(io::Error::other("the thread has ended")))),
    };
    check_version(&client)?;
    Ok(Connection::new(client, commands, starts, client_thread, connects, permission_errors, keep_alives))
}

/// Starts a thread with a tokio runtime of its own, which runs a future to its end. The future is not a task of the calling runtime, because it has
/// to renew leases even while user code occupies every thread of that runtime.
fn start_thread(future: impl Future<Output = ()> + Send + 'static) -> Result<ThreadId, ConnectError> {
    let (give_runtime, runtime) = std::sync::mpsc::channel::<Runtime>();
    let run = move || {
        if let Ok(runtime) = runtime.recv() {
            // The future runs as a task, because each wake-up of the future of `block_on` writes to a file descriptor, even on the same thread. An
            // error means that the future has panicked, which the panic hook has reported.
            let _ = runtime.block_on(runtime.spawn(future));
        }
    };
    let failed = |error| ConnectError::Thread(Arc::new(error));
    let started = thread::Builder::new().name("cordial-nats".to_owned()).spawn(run).map_err(failed)?;
    // The runtime is built after the thread has started. If it were built before, and no thread started, this function would drop it, which panics
    // in a task of tokio.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let _ = give_runtime.send(runtime);
    Ok(started.thread().id())
}

fn addresses(options: &Options) -> Result<Vec<ServerAddr>, ConnectError> {
    let mut addresses = Vec::new();
    let texts: Vec<_> = options.servers.split(',').map(str::trim).collect();
    for (at, &text) in texts.iter().enumerate() {
        if ends_in_login(&texts[at..]) {
            let reason = "a comma separates addresses; in a user or a password, write it as %2C".into();
            return Err(ConnectError::Address { address: without_secrets(&options.servers).into(), reason });
        }
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
    connects: watch::Receiver<Option<Instant>>,
) -> Result<ConnectOptions, ConnectError> {
    let file = |path: &std::path::Path, error: &dyn std::fmt::Display| ConnectError::File {
        path: path.display().to_string().into(),
        reason: without_codes(error).into(),
    };
    let client = match &options.login {
        Login::Anonymous => ConnectOptions::new(),
        Login::CredentialsFile(path) => {
            // The file is read once before the client reads it, because the client would report an unreadable file as a refused login.
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
        // A network partition does not close the connection, so the client has to: it does so when a third ping is due and two have no answer.
        .ping_interval(Duration::from_secs(2))
        .reconnect_delay_callback(move |attempts| {
            // Called before the first connection as well, which needs no delay.
            if connects.borrow().is_none() {
                return Duration::ZERO;
            }
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
        // A server announces the addresses of the other servers of its cluster. They may be on other machines, and the client would connect to
        // them without TLS.
        client = client.ignore_discovered_servers();
    }
    Ok(client.require_tls(is_safe && is_remote))
}

fn connect_error(error: &async_nats::ConnectError, servers: Arc<str>, is_safe: bool) -> ConnectError {
    let mut reason = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        let text = inner.to_string();
        if !reason.contains(&text) {
            reason = format!("{reason}: {text}");
        }
        source = inner.source();
    }
    // A server that does not speak the protocol of NATS has its answer in the text, including line ends.
    reason.retain(|c| !c.is_control());
    let reason: Arc<str> = without_codes(&reason).into();
    match error.kind() {
        ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => ConnectError::Login { servers },
        ConnectErrorKind::Tls => ConnectError::Tls { servers, reason },
        ConnectErrorKind::TimedOut => no_answer(servers),
        ConnectErrorKind::ServerParse => ConnectError::Address { address: servers, reason },
        // A server without TLS answers a handshake with bytes that are not TLS. The client does not report that as an error of TLS.
        _ if is_safe && ["corrupt message", "tls", "TLS", "ertificate"].iter().any(|word| reason.contains(word)) => {
            ConnectError::Tls { servers, reason }
        }
        _ if reason.contains("uthorization") => ConnectError::Login { servers },
        _ => ConnectError::NoServer { servers, reason },
    }
}

fn no_answer(servers: Arc<str>) -> ConnectError {
    ConnectError::NoServer { servers, reason: format!("no answer within {CONNECT_LIMIT:?}").into() }
}

fn check_version(client: &Client) -> Result<(), ConnectError> {
    if client.is_server_compatible(2, 9, 0) {
        return Ok(());
    }
    Err(ConnectError::TooOld { version: client.server_info().version.into() })
}

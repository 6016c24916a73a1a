//! HTTP/2: each stream is a process that ends with its connection. On the virtual clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use cordial::{Shutdown, Task, TaskSupervisor, Timeout, testing};
use cordial_http::{TaskLayer, serve, shared};
use http_body_util::BodyExt;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::sync::Barrier;
use tokio::time::{Instant, sleep, timeout};

use crate::harness::{Network, endless, start};

const SECOND: Duration = Duration::from_secs(1);

/// Runs the client's side of a connection.
#[derive(Clone)]
struct ClientExecutor;

impl<F> hyper::rt::Executor<F> for ClientExecutor
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, future: F) {
        Task::start(async { drop(future.await) });
    }
}

pub(crate) async fn connect(network: &Network) -> SendRequest<Body> {
    let io = TokioIo::new(network.connect().stream);
    let (sender, connection) = handshake(ClientExecutor, io).await.unwrap();
    Task::start(async { drop(connection.await) });
    sender
}

fn request(path: &str) -> Request<Body> {
    Request::get(format!("http://test{path}")).body(Body::empty()).unwrap()
}

pub(crate) async fn get_text(mut client: SendRequest<Body>, path: &str) -> Result<(StatusCode, String), hyper::Error> {
    let response = client.send_request(request(path)).await?;
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    Ok((status, String::from_utf8(body.to_vec()).unwrap()))
}

#[test]
fn streams_of_one_connection_run_side_by_side() {
    testing::run(async {
        let (network, listener) = Network::new();
        let barrier = Arc::new(Barrier::new(3));
        let meet = get(move || async move {
            barrier.wait().await;
            "met"
        });
        let _server = start(serve(listener, shared(Router::new().route("/", meet))));
        let client = connect(&network).await;
        let get = || get_text(client.clone(), "/");
        let (a, b, c) = tokio::join!(get(), get(), get());
        for answer in [a, b, c] {
            assert_eq!(answer.unwrap(), (StatusCode::OK, "met".to_owned()));
        }
    });
}

/// Without a `TaskLayer` a panic resets its stream. The other streams of the connection go on.
#[test]
fn a_panic_ends_one_stream() {
    testing::run(async {
        let (network, listener) = Network::new();
        let panics = get(|| async { panic!("no luck") as () });
        let waits = get(|| async { sleep(2 * SECOND).await });
        let app = Router::new().route("/panic", panics.clone()).route("/2s", waits);
        let layered = Router::new().route("/500", panics).layer(TaskLayer::new(TaskSupervisor::start()));
        let _server = start(serve(listener, shared(app.merge(layered))));
        let client = connect(&network).await;
        let (waited, panicked, caught) = tokio::join!(
            get_text(client.clone(), "/2s"),
            get_text(client.clone(), "/panic"),
            get_text(client.clone(), "/500"),
        );
        assert_eq!(waited.unwrap().0, StatusCode::OK);
        assert!(panicked.is_err());
        assert_eq!(caught.unwrap().0, StatusCode::INTERNAL_SERVER_ERROR);
    });
}

#[test]
fn streams_in_flight_are_answered_when_the_server_stops() {
    testing::run(async {
        let (network, listener) = Network::new();
        let waits = get(|| async { sleep(2 * SECOND).await });
        let server = start(serve(listener, shared(Router::new().route("/2s", waits))).grace(5 * SECOND));
        let client = connect(&network).await;
        let answer = Task::spawn(get_text(client.clone(), "/2s")).timeout(Timeout::Infinity);
        sleep(SECOND).await;
        assert_eq!(server.shutdown(Shutdown::Infinity).await, Some(Ok(Ok(()))));
        assert_eq!(answer.await.unwrap().unwrap().0, StatusCode::OK);
        assert!(get_text(client, "/2s").await.is_err());
    });
}

#[test]
fn streams_end_with_their_connection() {
    testing::run(async {
        let (network, listener) = Network::new();
        let n_running = Arc::new(AtomicUsize::new(0));
        let counts = n_running.clone();
        let waits = get(move || async move {
            struct Counted(Arc<AtomicUsize>);
            impl Drop for Counted {
                fn drop(&mut self) {
                    self.0.fetch_sub(1, Ordering::SeqCst);
                }
            }
            counts.fetch_add(1, Ordering::SeqCst);
            let _counted = Counted(counts);
            std::future::pending::<()>().await;
        });
        let connections = TaskSupervisor::start();
        let server = serve(listener, shared(Router::new().route("/", waits))).under(connections.clone());
        let _server = start(server);
        let client = connect(&network).await;
        let _requests: Vec<Task<_>> = (0..3).map(|_| Task::spawn(get_text(client.clone(), "/"))).collect();
        sleep(SECOND).await;
        assert_eq!(n_running.load(Ordering::SeqCst), 3);
        cordial::process::exit(connections.children()[0], cordial::Exit::Killed);
        sleep(SECOND).await;
        assert_eq!(n_running.load(Ordering::SeqCst), 0);
    });
}

#[test]
fn headers_that_are_too_large_are_refused() {
    testing::run(async {
        let (network, listener) = Network::new();
        let app = Router::new().route("/", get(|| async { "hello" }));
        let _server = start(serve(listener, shared(app)).max_header_bytes(16 * 1024));
        let mut client = connect(&network).await;
        let mut large = request("/");
        large.headers_mut().insert("x", "x".repeat(64 * 1024).parse().unwrap());
        // A client that sends four times as much as it may loses its connection.
        let error = client.send_request(large).await.unwrap_err();
        assert!(format!("{error:?}").contains("ENHANCE_YOUR_CALM"), "{error:?}");
        assert_eq!(get_text(connect(&network).await, "/").await.unwrap().1, "hello");
    });
}

/// The flow control of HTTP/2 bounds what waits for a client that does not read.
#[test]
fn a_client_that_does_not_read_costs_little() {
    testing::run(async {
        let (network, listener) = Network::new();
        let n_taken = Arc::new(AtomicUsize::new(0));
        let _server = start(serve(listener, shared(endless(n_taken.clone()))));
        let mut client = connect(&network).await;
        let _response = client.send_request(request("/")).await.unwrap();
        sleep(60 * SECOND).await;
        let n_taken = n_taken.load(Ordering::SeqCst);
        assert!(n_taken < 3000, "{n_taken} KiB are waiting for the client");
    });
}

/// The first frames of a client that reads and writes bytes: the preface, SETTINGS, and HEADERS of GET /.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const GET: &[u8] = b"\0\0\x09\x01\x05\0\0\0\x01\x82\x86\x84\x41\x04test";

/// A client may allow a stream any amount of data and read none of it.
#[test]
fn a_large_window_of_a_client_that_does_not_read_costs_little() {
    testing::run(async {
        let (network, listener) = Network::new();
        let n_taken = Arc::new(AtomicUsize::new(0));
        let _server = start(serve(listener, shared(endless(n_taken.clone()))).write_limit(10 * SECOND));
        let mut client = network.connect();
        client.send(PREFACE).await.unwrap();
        // SETTINGS: a window of 2^31 - 1 for each stream. WINDOW_UPDATE: the same for the connection.
        client.send(b"\0\0\x06\x04\0\0\0\0\0\0\x04\x7f\xff\xff\xff").await.unwrap();
        client.send(b"\0\0\x04\x08\0\0\0\0\0\x7f\xff\0\0").await.unwrap();
        client.send(GET).await.unwrap();
        sleep(9 * SECOND).await;
        let n_taken = n_taken.load(Ordering::SeqCst);
        assert!((64..150).contains(&n_taken), "{n_taken} KiB are waiting for the client");
        sleep(2 * SECOND).await;
        assert!(client.rest().await.len() < 64 * 1024, "the connection is closed");
    });
}

/// As in HTTP/1. Otherwise a client that answers pings would occupy one of the `max_connections` forever.
#[test]
fn a_connection_without_streams_is_closed_after_the_limit() {
    testing::run(async {
        let (network, listener) = Network::new();
        let app = Router::new()
            .route("/", get(|| async { "hello" }))
            .route("/100s", get(|| async { sleep(100 * SECOND).await }));
        let server = serve(listener, shared(app)).header_limit(10 * SECOND).max_connections(1);
        let _server = start(server);
        let client = connect(&network).await;
        for _ in 0..5 {
            assert_eq!(get_text(client.clone(), "/").await.unwrap().1, "hello");
            sleep(9 * SECOND).await;
        }
        let (long, short) = tokio::join!(get_text(client.clone(), "/100s"), get_text(client.clone(), "/"));
        assert_eq!((long.unwrap().0, short.unwrap().0), (StatusCode::OK, StatusCode::OK));
        let idle_since = Instant::now();
        let next = get_text(connect(&network).await, "/");
        assert_eq!(timeout(100 * SECOND, next).await.expect("the idle connection was closed").unwrap().1, "hello");
        assert_eq!(idle_since.elapsed().as_secs(), 10);
        assert!(get_text(client, "/").await.is_err());
    });
}

const MEGABYTE: usize = 1024 * 1024;

/// Starts to receive a response of one megabyte, which the server hands to the connection at once.
async fn download(network: &Network) -> Body {
    let io = TokioIo::new(network.connect().stream);
    let mut builder = hyper::client::conn::http2::Builder::new(ClientExecutor);
    builder.initial_stream_window_size(WINDOW).initial_connection_window_size(WINDOW);
    let (mut client, connection) = builder.handshake(io).await.unwrap();
    Task::start(async { drop(connection.await) });
    Body::new(client.send_request(request("/")).await.unwrap().into_body())
}

const WINDOW: u32 = 64 * 1024;

/// Reads up to 64 KiB in each period. Returns how many bytes arrived before the end or an error.
async fn read_slowly(mut body: Body, period: Duration) -> usize {
    let (mut n_read, mut n_until_pause) = (0, WINDOW as usize);
    while let Some(Ok(frame)) = body.frame().await {
        n_read += frame.into_data().unwrap().len();
        if n_read >= n_until_pause {
            n_until_pause += WINDOW as usize;
            sleep(period).await;
        }
    }
    n_read
}

fn megabyte() -> Router {
    Router::new().route("/", get(|| async { vec![b'x'; MEGABYTE] }))
}

/// The stream of a response that is still being sent has ended for the server, but the connection is not idle.
#[test]
fn a_slow_download_may_take_longer_than_the_limit_on_headers() {
    testing::run(async {
        let (network, listener) = Network::new();
        let _server = start(serve(listener, shared(megabyte())).header_limit(5 * SECOND));
        let since = Instant::now();
        assert_eq!(read_slowly(download(&network).await, 3 * SECOND).await, MEGABYTE);
        assert!(since.elapsed() > 30 * SECOND);
    });
}

#[test]
fn a_slow_download_has_the_grace_time_when_the_server_stops() {
    for (grace, is_whole) in [(60 * SECOND, true), (10 * SECOND, false)] {
        testing::run(async move {
            let (network, listener) = Network::new();
            let server = start(serve(listener, shared(megabyte())).grace(grace));
            let download = Task::spawn(read_slowly(download(&network).await, 3 * SECOND)).timeout(Timeout::Infinity);
            sleep(SECOND).await;
            let since = Instant::now();
            assert_eq!(server.shutdown(Shutdown::Infinity).await, Some(Ok(Ok(()))));
            assert!(since.elapsed() < grace + SECOND);
            assert_eq!(download.await.unwrap() == MEGABYTE, is_whole);
        });
    }
}

/// The client does not answer the ping of the server.
#[test]
fn a_silent_client_without_streams_does_not_delay_a_shutdown() {
    testing::run(async {
        let (network, listener) = Network::new();
        let app = Router::new().route("/", get(|| async { "hello" }));
        let server = start(serve(listener, shared(app)).grace(10 * SECOND));
        let mut client = network.connect();
        client.send(PREFACE).await.unwrap();
        client.send([0, 0, 0, 4, 0, 0, 0, 0, 0]).await.unwrap(); // SETTINGS
        client.send(GET).await.unwrap();
        sleep(SECOND).await;
        let since = Instant::now();
        assert_eq!(server.shutdown(Shutdown::Infinity).await, Some(Ok(Ok(()))));
        assert!(since.elapsed() <= SECOND);
        assert!(client.rest().await.contains("hello"), "the request was answered");
    });
}

/// After the limit the server asks the client to end the connection. After the same time again it closes the connection.
#[test]
fn a_client_that_keeps_an_idle_connection_open_is_cut_off() {
    testing::run(async {
        let (network, listener) = Network::new();
        let app = Router::new().route("/", get(|| async { "hello" }));
        let _server = start(serve(listener, shared(app)).header_limit(5 * SECOND));
        let mut client = network.connect();
        client.send(PREFACE).await.unwrap();
        client.send([0, 0, 0, 4, 0, 0, 0, 0, 0]).await.unwrap(); // SETTINGS
        client.send(GET).await.unwrap();
        let since = Instant::now();
        assert!(client.rest().await.contains("hello"));
        assert_eq!(since.elapsed().as_secs(), 10);
    });
}

/// The events of a stream, such as `crash`, say which client it is.
#[test]
fn a_stream_is_labeled_with_the_address_of_the_client() {
    testing::run(async {
        let (network, listener) = Network::new();
        let label = || async {
            let own = cordial::process::current().unwrap();
            cordial::process::info(own).unwrap().label.as_deref().unwrap_or_default().to_owned()
        };
        let _server = start(serve(listener, shared(Router::new().route("/", get(label)))));
        assert_eq!(get_text(connect(&network).await, "/").await.unwrap().1, "7");
    });
}

/// A client that has vanished does not answer a ping, so its connection is closed.
#[test]
fn a_client_that_has_vanished_is_noticed() {
    testing::run(async {
        let (network, listener) = Network::new();
        let connections = TaskSupervisor::start();
        let app = Router::new().route("/", get(|| async { "hello" }));
        let _server = start(serve(listener, shared(app)).under(connections.clone()));
        let mut client = network.connect();
        client.send(PREFACE).await.unwrap();
        client.send([0, 0, 0, 4, 0, 0, 0, 0, 0]).await.unwrap(); // SETTINGS
        client.send(GET).await.unwrap();
        sleep(29 * SECOND).await;
        assert_eq!(connections.children().len(), 1);
        sleep(31 * SECOND).await;
        assert!(connections.children().is_empty());
        assert!(client.rest().await.contains("hello"), "the request was answered");
    });
}

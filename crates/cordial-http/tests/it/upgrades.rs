//! Connections that change to another protocol.

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use cordial::{Shutdown, Task, TaskSupervisor, Timeout, testing};
use cordial_http::{TaskLayer, hyper_service, serve, shared};
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http2::SendRequest;
use hyper::service::service_fn;
use hyper::upgrade::Upgraded;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::sleep;
use tower_layer::Layer;

use crate::harness::{Network, start};

/// Answers with a change of protocol, and then sends back what it receives.
async fn echo(mut request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, Infallible> {
    let upgrade = hyper::upgrade::on(&mut request);
    Task::start(async move {
        let mut stream = TokioIo::new(upgrade.await.expect("the client changes the protocol"));
        let mut buffer = [0; 64];
        while let Ok(n @ 1..) = stream.read(&mut buffer).await {
            stream.write_all(&buffer[..n]).await.expect("the client reads");
        }
    });
    let response = Response::builder().status(StatusCode::SWITCHING_PROTOCOLS);
    let response = response.header("connection", "upgrade").header("upgrade", "websocket");
    Ok(response.body(Empty::new()).unwrap())
}

const UPGRADE: &str = "GET / HTTP/1.1\r\nhost: test\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";

#[test]
fn the_limits_do_not_apply_to_an_upgraded_connection() {
    testing::run(async {
        let (network, listener) = Network::new();
        let service = TaskLayer::new(TaskSupervisor::start()).layer(hyper_service(service_fn(echo)));
        let _server = start(serve(listener, shared(service)));
        let mut client = network.connect();
        client.send(UPGRADE).await.unwrap();
        assert_eq!(client.answer().await.unwrap().status, 101);
        for word in ["one", "two"] {
            sleep(Duration::from_secs(1000)).await;
            client.send(word).await.unwrap();
            let mut received = [0; 3];
            client.stream.read_exact(&mut received).await.unwrap();
            assert_eq!(received, word.as_bytes());
        }
    });
}

/// The server receives what the client sends together with its request, and what the client sends after the server has closed the
/// sending side of the server.
#[test]
fn an_upgraded_connection_loses_no_data() {
    testing::run(async {
        let (network, listener) = Network::new();
        let _server = start(serve(listener, shared(hyper_service(service_fn(close_and_count)))));
        let mut client = network.connect();
        client.send(format!("{UPGRADE}early")).await.unwrap();
        assert_eq!(client.answer().await.unwrap().status, 101);
        client.send("late").await.unwrap();
        // The server has closed its sending side by now.
        sleep(Duration::from_secs(10)).await;
        client.send("later").await.unwrap();
        client.stream.shutdown().await.unwrap();
        sleep(Duration::from_secs(1)).await;
        assert_eq!(N_READ.load(Ordering::SeqCst), "earlylatelater".len());
    });
}

/// How many bytes `close_and_count` has read.
static N_READ: AtomicUsize = AtomicUsize::new(0);

/// Answers with a change of protocol, closes its sending side, and continues to read.
async fn close_and_count(mut request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, Infallible> {
    let upgrade = hyper::upgrade::on(&mut request);
    Task::start(async move {
        let mut stream = TokioIo::new(upgrade.await.expect("the client changes the protocol"));
        let mut buffer = [0; 5];
        stream.read_exact(&mut buffer).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
        N_READ.fetch_add(buffer.len() + rest.len(), Ordering::SeqCst);
    });
    let response = Response::builder().status(StatusCode::SWITCHING_PROTOCOLS);
    Ok(response.header("connection", "upgrade").header("upgrade", "websocket").body(Empty::new()).unwrap())
}

/// An upgraded connection counts for `max_connections` until its stream is dropped. A server that stops does not wait for it.
#[test]
fn an_upgraded_connection_counts_until_its_stream_is_dropped() {
    testing::run(async {
        let (network, listener) = Network::new();
        let server = start(serve(listener, shared(hyper_service(service_fn(echo)))).max_connections(1));
        let mut client = network.connect();
        client.send(UPGRADE).await.unwrap();
        client.answer().await.unwrap();
        let mut next = network.connect();
        next.send(UPGRADE).await.unwrap();
        assert!(tokio::time::timeout(Duration::from_secs(5), next.answer()).await.is_err());
        drop(client);
        assert_eq!(next.answer().await.unwrap().status, 101);
        assert_eq!(server.shutdown(Shutdown::Infinity).await, Some(Ok(Ok(()))));
        next.send("on").await.unwrap();
        let mut received = [0; 2];
        next.stream.read_exact(&mut received).await.unwrap();
        assert_eq!(&received, b"on");
    });
}

/// In HTTP/2, a single stream is upgraded, not the connection. The upgraded stream counts as an open stream: the connection is not
/// idle, and a server that stops waits for the stream, up to the grace time.
#[test]
fn an_upgraded_stream_counts_as_an_open_stream() {
    testing::run(async {
        let (network, listener) = Network::new();
        let grace = Duration::from_secs(3);
        let server = serve(listener, shared(hyper_service(service_fn(echo_stream))));
        let server = start(server.header_limit(Duration::from_secs(10)).grace(grace));
        let mut client = connect(&network).await;
        let mut stream = upgraded(&mut client).await;
        for word in ["one", "two"] {
            sleep(Duration::from_secs(1000)).await;
            stream.write_all(word.as_bytes()).await.unwrap();
            let mut received = [0; 3];
            stream.read_exact(&mut received).await.unwrap();
            assert_eq!(received, word.as_bytes());
        }
        let asked = tokio::time::Instant::now();
        let stop = Task::spawn(server.shutdown(Shutdown::Infinity)).timeout(Timeout::Infinity);
        sleep(Duration::from_secs(1)).await;
        stream.write_all(b"end").await.unwrap();
        let mut received = [0; 3];
        stream.read_exact(&mut received).await.unwrap();
        assert_eq!(stop.await.unwrap(), Some(Ok(Ok(()))));
        assert_eq!(asked.elapsed().as_secs(), grace.as_secs());
        assert!(!matches!(stream.read(&mut received).await, Ok(1..)));
    });
}

/// Connects, and waits until the client knows that the server permits upgrades.
async fn connect(network: &Network) -> SendRequest<Body> {
    let client = crate::http2::connect(network).await;
    sleep(Duration::from_secs(1)).await;
    client
}

/// Opens a stream of HTTP/2 that is upgraded.
async fn upgraded(client: &mut SendRequest<Body>) -> TokioIo<Upgraded> {
    let mut request = Request::connect("http://test/").body(Body::empty()).unwrap();
    request.extensions_mut().insert(hyper::ext::Protocol::from_static("websocket"));
    let response = client.send_request(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    TokioIo::new(hyper::upgrade::on(response).await.unwrap())
}

/// A connection has at most 200 streams.
#[test]
fn each_of_the_200_streams_of_a_connection_can_be_upgraded() {
    testing::run(async {
        let (network, listener) = Network::new();
        let _server = start(serve(listener, shared(hyper_service(service_fn(echo_stream)))));
        let mut client = connect(&network).await;
        let mut streams = Vec::new();
        for n in 1..=200 {
            let mut stream = upgraded(&mut client).await;
            stream.write_all(b"x").await.unwrap();
            let mut received = [0];
            stream.read_exact(&mut received).await.unwrap_or_else(|error| panic!("stream {n}: {error}"));
            streams.push(stream);
        }
    });
}

/// Upgrades a stream of HTTP/2, and sends back what it receives.
async fn echo_stream(mut request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, Infallible> {
    let upgrade = hyper::upgrade::on(&mut request);
    Task::start(async move {
        let mut stream = TokioIo::new(upgrade.await.expect("the client changes the protocol"));
        let mut buffer = [0; 64];
        while let Ok(n @ 1..) = stream.read(&mut buffer).await {
            if stream.write_all(&buffer[..n]).await.is_err() {
                return;
            }
        }
    });
    Ok(Response::new(Empty::new()))
}

//! Connections that change to another protocol.

use std::convert::Infallible;
use std::time::Duration;

use cordial::{Shutdown, Task, TaskSupervisor, testing};
use cordial_http::{TaskLayer, hyper_service, serve, shared};
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
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
fn a_connection_that_is_upgraded_goes_on_without_the_limits() {
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

/// An upgraded connection keeps its place until its stream is dropped, but a server that stops does not wait for it.
#[test]
fn a_connection_that_is_upgraded_keeps_its_place() {
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

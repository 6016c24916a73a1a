//! Less common parts of HTTP: on the virtual clock.

use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::{get, post};
use cordial::{TaskSupervisor, testing};
use cordial_http::{TaskLayer, serve, shared};
use http_body_util::BodyExt;
use tokio::time::{sleep, timeout};

use crate::harness::{Network, start};

const SECOND: Duration = Duration::from_secs(1);

fn app() -> Router {
    Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/length", post(|body: Bytes| async move { body.len().to_string() }))
        .route("/unread", post(|| async { "not read" }))
}

/// A client that sends `expect: 100-continue` gets status 100 when the task of its request reads the body, and never if the task does not read it.
#[test]
fn a_client_is_asked_to_continue_when_its_body_is_read() {
    testing::run(async {
        let (network, listener) = Network::new();
        let app = app().layer(TaskLayer::new(TaskSupervisor::start()));
        let _server = start(serve(listener, shared(app)));
        for (path, statuses) in [("/length", &[100, 200][..]), ("/unread", &[200])] {
            let mut client = network.connect();
            let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n");
            client.send(head).await.unwrap();
            for status in statuses {
                assert_eq!(client.answer().await.unwrap().status, *status, "{path}");
                if *status == 100 {
                    client.send("12345").await.unwrap();
                }
            }
        }
    });
}

/// If the handler has not read the body of a request, but the whole body has arrived, the next request is handled.
#[test]
fn a_connection_continues_after_a_body_that_is_not_read() {
    testing::run(async {
        let (network, listener) = Network::new();
        let _server = start(serve(listener, shared(app())));
        let mut client = network.connect();
        for _ in 0..3 {
            client.send("POST /unread HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\n12345").await.unwrap();
            assert_eq!(client.answer().await.unwrap().body, "not read");
        }
        client.send("HEAD / HTTP/1.1\r\nhost: x\r\n\r\nGET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let head = client.answer().await;
        assert!(head.is_ok());
    });
}

/// A head of many small headers is refused like one that has too many bytes.
#[test]
fn a_request_has_at_most_100_headers() {
    for (n, status) in [(99, 200), (100, 431)] {
        testing::run(async move {
            let (network, listener) = Network::new();
            let _server = start(serve(listener, shared(app())));
            let mut client = network.connect();
            client.send(format!("GET / HTTP/1.1\r\nhost: x\r\n{}\r\n", "a: b\r\n".repeat(n))).await.unwrap();
            assert_eq!(client.answer().await.unwrap().status, status);
        });
    }
}

#[test]
fn requests_whose_length_is_ambiguous_are_refused() {
    for lengths in [
        "content-length: 1\r\ncontent-length: 2",
        "content-length: +1",
        "content-length: 18446744073709551616",
        "transfer-encoding: gzip",
        "transfer-encoding: chunked, gzip",
    ] {
        testing::run(async move {
            let (network, listener) = Network::new();
            let _server = start(serve(listener, shared(app())));
            let mut client = network.connect();
            client.send(format!("POST /length HTTP/1.1\r\nhost: x\r\n{lengths}\r\n\r\n1")).await.unwrap();
            assert_eq!(client.answer().await.unwrap().status, 400, "{lengths}");
            assert_eq!(client.rest().await, "");
        });
    }
}

#[test]
fn a_body_in_chunks_has_its_trailers() {
    testing::run(async {
        let (network, listener) = Network::new();
        let collect = |body: Body| async move {
            let whole = body.collect().await.unwrap();
            let trailer = whole.trailers().map(|trailers| trailers["x"].to_str().unwrap().to_owned());
            format!("{} {trailer:?}", whole.to_bytes().len())
        };
        let app = Router::new().route("/", post(collect)).layer(TaskLayer::new(TaskSupervisor::start()));
        let _server = start(serve(listener, shared(app)));
        let mut client = network.connect();
        let head = "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
        client.send(format!("{head}3\r\nabc\r\n2\r\nde\r\n0\r\nx: y\r\n\r\n")).await.unwrap();
        assert_eq!(client.answer().await.unwrap().body, "5 Some(\"y\")");
        client.send(format!("{head}ffffffffffffffffff\r\n")).await.unwrap();
        assert_ne!(client.answer().await.map_or(400, |answer| answer.status), 200);
    });
}

/// The client can see that the response is not whole.
#[test]
fn a_response_whose_body_fails_has_no_end() {
    testing::run(async {
        let (network, listener) = Network::new();
        let body = || async {
            let chunks = [Ok(Bytes::from("first")), Err(std::io::Error::other("no luck"))];
            Body::from_stream(futures::stream::iter(chunks))
        };
        let panics = || async {
            let chunks =
                (0..2).map(|n| if n == 0 { Ok::<_, std::io::Error>(Bytes::from("first")) } else { panic!("no luck") });
            Body::from_stream(futures::stream::iter(chunks))
        };
        let app = Router::new().route("/error", get(body)).route("/panic", get(panics));
        let _server = start(serve(listener, shared(app)));
        for path in ["/error", "/panic"] {
            let mut client = network.connect();
            client.request(path).await.unwrap();
            let all = timeout(SECOND, client.rest()).await.expect("the connection is closed");
            assert!(!all.contains("0\r\n\r\n"), "{all}");
        }
    });
}

/// A client that disappears in the middle of its body ends the task that reads it.
#[test]
fn half_of_a_body_ends_the_task_that_reads_it() {
    testing::run(async {
        let (network, listener) = Network::new();
        let tasks = TaskSupervisor::start();
        let read = |body: Body| async move {
            let _ = body.collect().await;
        };
        let app = Router::new().route("/", post(read)).layer(TaskLayer::new(tasks.clone()));
        let connections = TaskSupervisor::start();
        let _server = start(serve(listener, shared(app)).under(connections.clone()));
        for head in ["content-length: 100", "transfer-encoding: chunked"] {
            let mut client = network.connect();
            client.send(format!("POST / HTTP/1.1\r\nhost: x\r\n{head}\r\n\r\n5\r\nabcde\r\n")).await.unwrap();
            sleep(SECOND).await;
            assert_eq!(tasks.children().len(), 1);
            drop(client);
            sleep(SECOND).await;
            assert!(tasks.children().is_empty() && connections.children().is_empty(), "{head}");
        }
    });
}

/// Frames of HTTP/2.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const GET: &[u8] = b"\x82\x86\x84\x41\x04test";

/// Each of these clients costs the server little, and is cut off or answered; the next client is served.
#[test]
fn floods_of_frames_are_survived() {
    type Flood = fn(u32) -> Vec<u8>;
    let floods: [(&str, Flood); 6] = [
        ("streams that are reset at once", |n| {
            [frame(1, 5, 2 * n + 1, GET), frame(3, 0, 2 * n + 1, &[0, 0, 0, 8])].concat()
        }),
        ("pings", |_| frame(6, 0, 0, &[0; 8])),
        ("settings", |_| frame(4, 0, 0, &[])),
        ("continuations", |n| if n == 0 { frame(1, 1, 1, GET) } else { frame(9, 0, 1, b"\0\x01x\x01y") }),
        ("empty data", |n| if n == 0 { frame(1, 4, 1, GET) } else { frame(0, 0, 1, &[]) }),
        ("windows of nothing", |n| if n == 0 { frame(1, 4, 1, GET) } else { frame(8, 0, 1, &[0, 0, 0, 0]) }),
    ];
    for (what, flood) in floods {
        testing::run(async move {
            let (network, listener) = Network::new();
            let tasks = TaskSupervisor::start();
            let app = Router::new().route("/", get(std::future::pending::<()>).post(std::future::pending::<()>));
            let app = app.route("/fine", get(|| async { "fine" })).layer(TaskLayer::new(tasks.clone()));
            let connections = TaskSupervisor::start();
            let server = serve(listener, shared(app)).under(connections.clone());
            let _server = start(server.header_limit(10 * SECOND).write_limit(10 * SECOND));
            let mut client = network.connect();
            let mut bytes = [PREFACE, &frame(4, 0, 0, &[])].concat();
            (0..20_000).for_each(|n| bytes.extend(flood(n)));
            let sent = client.stream_at_most(&bytes).await;
            println!("{what}: the server has taken {sent} of {} bytes", bytes.len());
            assert!(tasks.children().len() <= 200, "{what}: {} tasks", tasks.children().len());
            assert_eq!(network.connect().get("/fine").await.unwrap().body, "fine", "{what}");
            drop(client);
            sleep(20 * SECOND).await;
            assert!(tasks.children().is_empty() && connections.children().is_empty(), "{what}");
        });
    }
}

//! Clients that are slow, send too much, do not read, or are many: on the virtual clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use cordial::{Shutdown, testing};
use cordial_http::{serve, shared};
use tokio::time::{Instant, sleep, timeout};

use crate::harness::{IN_FLIGHT, Network, endless, start};

const LIMIT: Duration = Duration::from_secs(10);

fn app() -> Router {
    Router::new().route("/", get(|| async { "hello" }))
}

/// A client that sends a byte now and then keeps its connection no longer than the limit.
#[test]
fn a_client_that_sends_its_headers_slowly_is_cut_off() {
    testing::run(async {
        let (network, listener) = Network::new();
        let _server = start(serve(listener, shared(app())).header_limit(LIMIT));
        let started = Instant::now();
        let mut slow = network.connect();
        slow.send("GET / HTTP/1.1\r\nhost: test\r\n").await.unwrap();
        let mut n_sent = 0;
        while slow.send("x: y\r\n").await.is_ok() {
            n_sent += 1;
            sleep(Duration::from_millis(300)).await;
        }
        assert!(n_sent > 10, "it was cut off after {n_sent} headers");
        assert_eq!(started.elapsed().as_secs(), LIMIT.as_secs());
        assert_eq!(network.connect().get("/").await.unwrap().status, 200);
    });
}

/// The first bytes decide the version of HTTP: a client that does not send them is limited as well.
#[test]
fn a_client_that_sends_nothing_is_cut_off() {
    for first in ["", "PRI * HTTP/2", "G"] {
        testing::run(async move {
            let (network, listener) = Network::new();
            let _server = start(serve(listener, shared(app())).header_limit(LIMIT));
            let started = Instant::now();
            let mut silent = network.connect();
            silent.send(first).await.unwrap();
            assert_eq!(timeout(2 * LIMIT, silent.rest()).await.as_deref(), Ok(""));
            assert_eq!(started.elapsed().as_secs(), LIMIT.as_secs(), "{first:?}");
        });
    }
}

/// The limit counts from the end of the last response, and each request starts it anew.
#[test]
fn a_connection_without_requests_is_closed_after_the_limit() {
    testing::run(async {
        let (network, listener) = Network::new();
        let _server = start(serve(listener, shared(app())).header_limit(LIMIT));
        let mut client = network.connect();
        for _ in 0..5 {
            assert_eq!(client.get("/").await.unwrap().status, 200);
            sleep(LIMIT - Duration::from_millis(10)).await;
        }
        client.get("/").await.unwrap();
        let idle_since = Instant::now();
        assert_eq!(client.rest().await, "");
        assert_eq!(idle_since.elapsed().as_secs(), LIMIT.as_secs());
    });
}

/// Limits on headers do not apply while a handler runs.
#[test]
fn a_handler_may_take_longer_than_the_limits_of_the_client() {
    testing::run(async {
        let (network, listener) = Network::new();
        let app = Router::new().route("/", get(|| async { sleep(10 * LIMIT).await }));
        let _server = start(serve(listener, shared(app)).header_limit(LIMIT).write_limit(LIMIT));
        assert_eq!(network.connect().get("/").await.unwrap().status, 200);
    });
}

#[test]
fn headers_that_are_too_large_are_refused() {
    let megabyte = "x".repeat(1024 * 1024);
    for request in
        [format!("GET /{megabyte} HTTP/1.1\r\nhost: x\r\n\r\n"), format!("GET / HTTP/1.1\r\nx: {megabyte}\r\n\r\n")]
    {
        testing::run(async move {
            let (network, listener) = Network::new();
            let _server = start(serve(listener, shared(app())));
            let mut client = network.connect();
            client.stream_at_most(request.as_bytes()).await;
            assert_eq!(client.answer().await.unwrap().status, 431);
            assert_eq!(client.rest().await, "");
            // What the client sends afterwards is discarded for half a second, so that the client gets the response. Then the connection is closed.
            sleep(Duration::from_secs(1)).await;
            assert!(client.send("x").await.is_err());
        });
    }
}

#[test]
fn the_size_of_headers_can_be_set() {
    for (n, status) in [(10_000, 200), (30_000, 431)] {
        testing::run(async move {
            let (network, listener) = Network::new();
            let _server = start(serve(listener, shared(app())).max_header_bytes(16 * 1024));
            let mut client = network.connect();
            let request = format!("GET / HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "x".repeat(n));
            client.stream_at_most(request.as_bytes()).await;
            assert_eq!(client.answer().await.unwrap().status, status);
        });
    }
}

/// The target of a request may have 65 534 bytes, whatever the limit is. A request line that does not fit into the buffer is
/// taken as headers that are too large.
#[test]
fn a_target_that_is_too_long_has_a_status_of_its_own() {
    for (limit, status) in [(64 * 1024, 431), (256 * 1024, 414)] {
        testing::run(async move {
            let (network, listener) = Network::new();
            let _server = start(serve(listener, shared(app())).max_header_bytes(limit));
            let mut client = network.connect();
            let request = format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "x".repeat(70_000));
            client.stream_at_most(request.as_bytes()).await;
            assert_eq!(client.answer().await.unwrap().status, status);
        });
    }
}

#[test]
fn a_client_that_does_not_read_is_cut_off_and_costs_little() {
    testing::run(async {
        let (network, listener) = Network::new();
        let n_taken = Arc::new(AtomicUsize::new(0));
        let _server = start(serve(listener, shared(endless(n_taken.clone()))).write_limit(LIMIT));
        let mut client = network.connect();
        client.request("/").await.unwrap();
        sleep(LIMIT + Duration::from_secs(1)).await;
        let n_taken = n_taken.load(Ordering::SeqCst);
        assert!(n_taken < 200, "{n_taken} KiB are waiting for the client");
        let mut n_received = 0;
        while n_received <= IN_FLIGHT {
            match client.read_some(IN_FLIGHT).await {
                0 => break,
                n => n_received += n,
            }
        }
        assert!(n_received <= IN_FLIGHT, "the connection is closed");
    });
}

/// A client that reads slowly, but reads, is served.
#[test]
fn a_client_that_reads_slowly_is_served() {
    testing::run(async {
        let (network, listener) = Network::new();
        let large = "x".repeat(300 * 1024);
        let app = Router::new().route("/", get(move || async move { large }));
        let _server = start(serve(listener, shared(app)).write_limit(LIMIT).header_limit(LIMIT));
        let mut client = network.connect();
        client.request("/").await.unwrap();
        let started = Instant::now();
        let mut n_read = 0;
        while n_read < 300 * 1024 {
            sleep(Duration::from_secs(2)).await;
            let n = client.read_some(8 * 1024).await;
            assert!(n > 0, "the connection was closed after {n_read} bytes");
            n_read += n;
        }
        assert!(started.elapsed() > 3 * LIMIT);
    });
}

/// Further connections wait, and are served when another one has ended.
#[test]
fn the_number_of_connections_is_limited() {
    testing::run(async {
        let (network, listener) = Network::new();
        let _server = start(serve(listener, shared(app())).max_connections(3));
        let mut open: Vec<_> = (0..3).map(|_| network.connect()).collect();
        for client in &mut open {
            client.get("/").await.unwrap();
        }
        let mut waiting = network.connect();
        waiting.request("/").await.unwrap();
        assert!(timeout(Duration::from_secs(1), waiting.answer()).await.is_err());
        assert_eq!(open[0].get("/").await.unwrap().status, 200, "the others are served meanwhile");
        open.pop();
        assert_eq!(waiting.answer().await.unwrap().status, 200);
    });
}

/// Limits may have their largest and their smallest values. Even with the smallest ones, a request that has arrived is answered.
#[test]
fn limits_may_have_any_value() {
    for (n, limit, grace) in [(usize::MAX, Duration::MAX, Duration::MAX), (1, LIMIT, Duration::ZERO)] {
        testing::run(async move {
            let (network, listener) = Network::new();
            let server = serve(listener, shared(app())).max_header_bytes(n).max_connections(n).header_limit(limit);
            let server = start(server.write_limit(limit).grace(grace));
            let mut client = network.connect();
            assert_eq!(client.get("/").await.unwrap().status, 200);
            client.request("/").await.unwrap();
            assert_eq!(server.shutdown(Shutdown::Infinity).await, Some(Ok(Ok(()))));
            assert_eq!(client.answer().await.unwrap().body, "hello");
        });
    }
}

#[test]
fn a_limit_may_be_infinite() {
    testing::run(async {
        let (network, listener) = Network::new();
        let server = serve(listener, shared(app())).header_limit(Duration::MAX).write_limit(Duration::MAX);
        let _server = start(server.grace(Duration::MAX));
        let mut client = network.connect();
        sleep(Duration::from_secs(1_000_000)).await;
        assert_eq!(client.get("/").await.unwrap().status, 200);
    });
}

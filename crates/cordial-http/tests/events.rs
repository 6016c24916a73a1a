//! The events of a server. One test, since `tracing` caches for the whole program which events are enabled.
#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

#[expect(dead_code, reason = "the other tests use more of it")]
#[path = "it/harness/mod.rs"]
mod harness;

use std::fmt::Debug;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use cordial::{Shutdown, TaskSupervisor, testing};
use cordial_http::{Listener, TaskLayer, serve, shared};
use tokio::io::DuplexStream;
use tokio::time::sleep;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};

use crate::harness::{InMemory, Network, start};

const SECOND: Duration = Duration::from_secs(1);

/// Keeps each event of `cordial-http`, and each `crash`, as a line: level, name and fields.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl<S: Subscriber> Layer<S> for Log {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        if metadata.target().starts_with("cordial_http") || metadata.name() == "crash" {
            let mut line = Line(format!("{} {}", metadata.level(), metadata.name()));
            event.record(&mut line);
            self.0.lock().unwrap().push(line.0);
        }
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if ["error", "left_out", "limit", "label", "exit"].contains(&field.name()) {
            self.0.push_str(&format!(" {}={value:?}", field.name()));
        }
    }
}

/// Runs a server in a simulation, and returns its events.
fn events<F>(run: impl FnOnce(Network, InMemory) -> F) -> Vec<String>
where
    F: Future<Output = ()> + Send + 'static,
{
    let log = Log::default();
    let subscriber = tracing_subscriber::registry().with(log.clone());
    tracing::subscriber::with_default(subscriber, || {
        let (network, listener) = Network::new();
        testing::run(run(network, listener));
    });
    let lines = log.0.lock().unwrap();
    lines.clone()
}

fn app() -> Router {
    Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/panic", get(|| async { panic!("no luck") as () }))
        .route("/60s", get(|| async { sleep(60 * SECOND).await }))
}

/// A listener that fails three times in each round of four.
struct Failing(InMemory, u32);

impl Listener for Failing {
    type Io = DuplexStream;
    type Addr = u32;

    async fn accept(&mut self) -> io::Result<(DuplexStream, u32)> {
        self.1 += 1;
        if self.1.is_multiple_of(4) { self.0.accept().await } else { Err(io::Error::other("no files")) }
    }
}

#[test]
fn failures_of_a_server_are_emitted_as_events() {
    let panics = events(|network, listener| async move {
        let layered = app().layer(TaskLayer::new(TaskSupervisor::start()));
        let _server = start(serve(listener, shared(layered)));
        assert_eq!(network.connect().get("/panic").await.unwrap().status, 500);
    });
    assert_eq!(panics.len(), 1, "{panics:?}");
    assert!(panics[0].starts_with("ERROR crash") && panics[0].contains("GET /panic"), "{panics:?}");
    assert!(panics[0].contains("no luck"), "{panics:?}");

    let without_layer = events(|network, listener| async move {
        let _server = start(serve(listener, shared(app())));
        assert!(network.connect().get("/panic").await.is_err());
        assert_eq!(network.connect().get("/").await.unwrap().status, 200);
    });
    assert_eq!(without_layer.len(), 1, "{without_layer:?}");
    assert!(without_layer[0].starts_with("ERROR crash"), "{without_layer:?}");

    let accept = events(|network, listener| async move {
        let _server = start(serve(Failing(listener, 0), shared(app())));
        for _ in 0..2 {
            assert_eq!(network.connect().get("/").await.unwrap().status, 200);
            sleep(2 * SECOND).await;
        }
    });
    // Six errors in the first second: three before the first connection, and three after it.
    let expected = ["WARN accept_failed error=no files left_out=0", "WARN accept_failed error=no files left_out=5"];
    assert_eq!(accept, expected);

    let slow = events(|network, listener| async move {
        let _server = start(serve(listener, shared(app())));
        network.connect().rest().await;
    });
    assert_eq!(slow, [format!("{} client_too_slow limit=\"header_limit\"", Level::DEBUG)]);

    let wrong = events(|network, listener| async move {
        let _server = start(serve(listener, shared(app())));
        let mut client = network.connect();
        client.send("not HTTP\r\n\r\n").await.unwrap();
        assert!(client.rest().await.starts_with("HTTP/1.1 400"));
    });
    assert_eq!(wrong.len(), 1, "{wrong:?}");
    assert!(wrong[0].starts_with("DEBUG connection_failed"), "{wrong:?}");

    let cut_off = events(|network, listener| async move {
        let server = start(serve(listener, shared(app())));
        let mut client = network.connect();
        client.request("/60s").await.unwrap();
        sleep(SECOND).await;
        server.shutdown(Shutdown::Infinity).await;
    });
    assert_eq!(cut_off, ["WARN connection_cut_off"]);

    let silent = events(|network, listener| async move {
        let server = start(serve(listener, shared(app())));
        let (mut silent, mut begins_http2, mut idle) = (network.connect(), network.connect(), network.connect());
        begins_http2.send("PRI * HTTP/2").await.unwrap();
        assert_eq!(idle.get("/").await.unwrap().status, 200);
        sleep(SECOND).await;
        server.shutdown(Shutdown::Infinity).await;
        assert_eq!((silent.rest().await, begins_http2.rest().await, idle.rest().await), Default::default());
    });
    assert_eq!(silent, [] as [&str; 0], "a stop of the server is no failure of a connection");
}

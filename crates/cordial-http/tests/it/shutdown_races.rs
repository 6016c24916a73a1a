//! Requests and clients that meet the end of a server: on the virtual clock, in many orders.

use std::future::{Ready, poll_fn};
use std::io;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use cordial::{Shutdown, Task, TaskSupervisor, Timeout, testing};
use cordial_http::{Listener, serve, shared};
use tokio::io::DuplexStream;
use tokio::time::{Instant, sleep};
use tower_service::Service;

use crate::harness::{Client, IN_FLIGHT, Network, start};

const SECOND: Duration = Duration::from_secs(1);

/// How many orders of the scheduler each test tries.
const SEEDS: u64 = 100;

fn app() -> Router {
    Router::new().route("/", get(|| async { "hello" })).route("/2s", get(|| async { sleep(2 * SECOND).await }))
}

/// Lets another process run, as the seed decides. tokio's function waits until no other process is ready.
async fn yield_once() {
    let mut has_yielded = false;
    poll_fn(|cx| {
        if mem::replace(&mut has_yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// A connection whose process runs for the first time after the request to shut down is answered like any other.
#[test]
fn a_request_that_has_arrived_on_a_new_connection_is_answered() {
    for seed in 0..SEEDS {
        testing::run_seeded(seed, async {
            let (network, listener) = Network::new();
            let connections = TaskSupervisor::start();
            let server = start(serve(listener, shared(app())).under(connections.clone()));
            let mut client = network.connect();
            client.request("/").await.unwrap();
            while connections.children().is_empty() {
                yield_once().await;
            }
            assert_eq!(server.shutdown(Shutdown::Infinity).await, Some(Ok(Ok(()))));
            assert_eq!(client.answer().await.unwrap().body, "hello");
            assert_eq!(client.rest().await, "");
        });
    }
}

/// Half a header is not a request in flight. Its client has a moment to send the rest, and not the whole grace time.
#[test]
fn half_a_header_delays_the_end_for_a_moment_only() {
    for half in ["GET / HTTP/1.1\r\nhost: te", "GET / HT"] {
        testing::run(async move {
            let (network, listener) = Network::new();
            let server = start(serve(listener, shared(app())).grace(60 * SECOND));
            let mut client = network.connect();
            client.send(half).await.unwrap();
            sleep(SECOND).await;
            let asked = Instant::now();
            assert_eq!(server.shutdown(Shutdown::Infinity).await, Some(Ok(Ok(()))));
            assert!(asked.elapsed() <= SECOND, "{half:?}: {:?}", asked.elapsed());
            assert_eq!(client.rest().await, "");
        });
    }
}

/// The rest of a header that comes in time makes a request in flight, which has the whole grace time.
#[test]
fn a_header_that_is_completed_in_time_is_answered() {
    testing::run(async {
        let (network, listener) = Network::new();
        let server = start(serve(listener, shared(app())).grace(5 * SECOND));
        let mut client = network.connect();
        client.send("GET /2s HTTP/1.1\r\nhost: te").await.unwrap();
        sleep(SECOND).await;
        let stop = Task::spawn(server.shutdown(Shutdown::Infinity)).timeout(Timeout::Infinity);
        sleep(SECOND / 10).await;
        client.send("st\r\n\r\n").await.unwrap();
        assert_eq!(client.answer().await.unwrap().status, 200);
        assert_eq!(stop.await.unwrap(), Some(Ok(Ok(()))));
    });
}

/// A listener that always has another connection, or another error of a connection.
struct AlwaysReady {
    n_accepted: Arc<AtomicUsize>,
    result: fn() -> io::Result<DuplexStream>,
}

impl Listener for AlwaysReady {
    type Io = DuplexStream;
    type Addr = usize;

    async fn accept(&mut self) -> io::Result<(DuplexStream, usize)> {
        let n = self.n_accepted.fetch_add(1, Ordering::SeqCst);
        assert!(n < 100_000, "the request to shut down does not get through");
        (self.result)().map(|stream| (stream, n))
    }
}

/// The clients of the first listener are gone at once; their connections end while the next ones are accepted.
#[test]
fn a_listener_that_is_always_ready_lets_a_shutdown_through() {
    let results: [fn() -> io::Result<DuplexStream>; 2] =
        [|| Ok(tokio::io::duplex(IN_FLIGHT).1), || Err(io::ErrorKind::ConnectionAborted.into())];
    for result in results {
        testing::run(async move {
            let n_accepted = Arc::new(AtomicUsize::new(0));
            let listener = AlwaysReady { n_accepted: n_accepted.clone(), result };
            let server = start(serve(listener, shared(app())).max_connections(usize::MAX));
            while n_accepted.load(Ordering::SeqCst) < 10 {
                yield_once().await;
            }
            assert_eq!(server.shutdown(Shutdown::Infinity).await, Some(Ok(Ok(()))));
        });
    }
}

/// A make-service that is never ready.
struct Closed;

impl Service<usize> for Closed {
    type Response = Router;
    type Error = io::Error;
    type Future = Ready<io::Result<Router>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Err(io::Error::other("no service is made any more")))
    }

    fn call(&mut self, _: usize) -> Self::Future {
        unreachable!("it was never ready")
    }
}

#[test]
fn a_make_service_that_fails_lets_a_shutdown_through() {
    testing::run(async {
        let n_accepted = Arc::new(AtomicUsize::new(0));
        let result = || Ok(tokio::io::duplex(IN_FLIGHT).1);
        let server = start(serve(AlwaysReady { n_accepted: n_accepted.clone(), result }, Closed));
        while n_accepted.load(Ordering::SeqCst) < 10 {
            yield_once().await;
        }
        assert_eq!(server.shutdown(Shutdown::Infinity).await, Some(Ok(Ok(()))));
    });
}

/// A client that sends its request while the server stops gets an answer or the end of the connection, never half of an
/// answer.
#[test]
fn a_request_beside_a_shutdown_is_answered_in_full_or_refused() {
    for seed in 0..SEEDS {
        testing::run_seeded(seed, async {
            let (network, listener) = Network::new();
            let server = start(serve(listener, shared(app())));
            let mut client: Client<DuplexStream> = network.connect();
            client.get("/").await.unwrap();
            let stop = Task::spawn(server.shutdown(Shutdown::Infinity)).timeout(Timeout::Infinity);
            let sent = client.request("/").await;
            match client.answer().await {
                Ok(answer) => assert_eq!(answer.body, "hello"),
                Err(error) => assert!(error.kind() == io::ErrorKind::UnexpectedEof || sent.is_err(), "{error}"),
            }
            assert_eq!(client.rest().await, "");
            assert_eq!(stop.await.unwrap(), Some(Ok(Ok(()))));
        });
    }
}

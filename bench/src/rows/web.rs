//! What does a server of axum cost under `cordial-http`, and how late are its answers while handlers compute?

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use cordial::{Task, TaskSupervisor};
use cordial_http::TaskLayer;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::http::{Persistent, REQUEST, answers_per_second};
use crate::measure::{Bench, Pair, in_tokio, now, spin};
use crate::subprocess;
use crate::usage::resident_bytes;

/// How many handlers compute beside the requests that are measured.
const COMPUTING: usize = 4;

fn app() -> Router {
    let answer = || async { "hello" };
    Router::new().route("/", get(answer)).route("/compute", get(|| async { spin() }))
}

async fn bind() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("the loopback interface exists");
    let address = listener.local_addr().expect("the listener is bound");
    (listener, address)
}

/// Starts our server.
fn ours(bench: &Bench, app: fn() -> Router) -> SocketAddr {
    bench.ours(async move {
        let (listener, address) = bind().await;
        Task::start(async move { cordial_http::serve(listener, app().into_make_service()).await });
        address
    })
}

/// Starts axum on tokio.
fn peer(bench: &Bench) -> SocketAddr {
    bench.peer(async {
        let (listener, address) = bind().await;
        drop(in_tokio(async move { axum::serve(listener, app()).await }));
        address
    })
}

fn with_layer() -> Router {
    app().layer(TaskLayer::new(TaskSupervisor::builder().unlinked().start()))
}

/// Bytes of memory per connection whose client has made a request and then makes none.
pub(crate) fn memory_of_idle(_: &Bench) -> Pair {
    Pair { ours: subprocess::measure("connections ours"), peer: subprocess::measure("connections peer") }
}

/// Which server a part of this program measures.
#[derive(Clone, Copy)]
pub(crate) enum Side {
    Ours,
    Peer,
}

/// Returns how many bytes this program grows by for each of 10 000 idle connections, or as many as it may open. Both ends of a connection
/// are in this program; that of the client is only a number.
pub(crate) fn bytes_per_idle_connection(bench: &Bench, side: Side) -> f64 {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).expect("a program may raise its own limit");
    let n = limit.maximum.map_or(IDLE, |files| IDLE.min(files.saturating_sub(RESERVED_FILES) / 2));
    let address = match side {
        Side::Ours => ours(bench, app),
        Side::Peer => peer(bench),
    };
    let mut clients = Vec::with_capacity(n as usize + 1);
    clients.push(idle_connection(address));
    let before = resident_bytes();
    clients.extend((0..n).map(|_| idle_connection(address)));
    (resident_bytes() - before) / n as f64
}

const IDLE: u64 = 10_000;

/// Open files of this program that are not connections.
const RESERVED_FILES: u64 = 100;

/// Connects, makes a request and reads the answer.
fn idle_connection(address: SocketAddr) -> std::net::TcpStream {
    let mut stream = std::net::TcpStream::connect(address).expect("the server listens");
    stream.write_all(REQUEST).expect("the server reads");
    let (mut answer, mut n) = ([0; 512], 0);
    while !answer[..n].ends_with(b"hello") {
        n += stream.read(&mut answer[n..]).expect("the server answers");
    }
    stream
}

/// Answers per second over 64 persistent connections.
pub(crate) fn answers(bench: &Bench) -> Pair {
    Pair { ours: answers_per_second(ours(bench, app)), peer: answers_per_second(peer(bench)) }
}

/// The same with a task for each request.
pub(crate) fn answers_of_tasks(bench: &Bench) -> Pair {
    Pair { ours: answers_per_second(ours(bench, with_layer)), peer: answers_per_second(peer(bench)) }
}

/// Two runtimes of tokio: a handler of axum that computes on the second one delays no socket, because the sockets belong to the first one.
pub(crate) fn answers_of_two_runtimes(bench: &Bench) -> Pair {
    let sockets = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let sockets = sockets.expect("a runtime can be built");
    let (listener, address) = sockets.block_on(bind());
    let listener = OnRuntime { listener, sockets: sockets.handle().clone() };
    let server = bench.tokio.spawn(async move { axum::serve(listener, app()).await });
    let pair = Pair { ours: answers_per_second(address), peer: answers_per_second(peer(bench)) };
    server.abort();
    sockets.shutdown_background();
    pair
}

/// A listener whose connections belong to the runtime `sockets`, and not to the one that accepts them.
struct OnRuntime {
    listener: TcpListener,
    sockets: tokio::runtime::Handle,
}

impl axum::serve::Listener for OnRuntime {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        let (stream, client) = self.listener.accept().await.expect("the system accepts connections");
        let stream = stream.into_std().expect("a socket can change its runtime");
        let _runtime = self.sockets.enter();
        (TcpStream::from_std(stream).expect("a socket can change its runtime"), client)
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// Whether the requests that are measured share a connection.
#[derive(Clone, Copy)]
enum Connections {
    Kept,
    New,
}

/// The 99th percentile of the time to an answer on one connection, while four handlers compute for 2 s.
pub(crate) fn beside_computing(bench: &Bench) -> Pair {
    let p99 = |address| latency_p99(address, Connections::Kept);
    Pair { ours: p99(ours(bench, app)), peer: p99(peer(bench)) }
}

/// The same with a task for each request.
pub(crate) fn beside_computing_tasks(bench: &Bench) -> Pair {
    let p99 = |address| latency_p99(address, Connections::Kept);
    Pair { ours: p99(ours(bench, with_layer)), peer: p99(peer(bench)) }
}

/// The same with a new connection for each request.
pub(crate) fn connect_beside_computing(bench: &Bench) -> Pair {
    let p99 = |address| latency_p99(address, Connections::New);
    Pair { ours: p99(ours(bench, app)), peer: p99(peer(bench)) }
}

fn latency_p99(address: SocketAddr, connections: Connections) -> f64 {
    let client = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a client can be built");
    client.block_on(async {
        let mut kept = Persistent::connect(address).await;
        let started = now();
        let computing = futures::future::join_all((0..COMPUTING).map(|_| answer_to(address, "/compute", "")));
        let measured = async {
            let mut latencies = Vec::new();
            while started.elapsed() < Duration::from_secs(2) {
                tokio::time::sleep(Duration::from_millis(1)).await;
                let asked = now();
                match connections {
                    Connections::Kept => kept.answer().await,
                    Connections::New => answer_to(address, "/", "hello").await,
                }
                latencies.push(asked.elapsed().as_secs_f64());
            }
            latencies
        };
        let (_, mut latencies) = futures::future::join(computing, measured).await;
        latencies.sort_by(f64::total_cmp);
        latencies[latencies.len() * 99 / 100]
    })
}

/// Makes a request on a connection of its own, and waits for the end of the answer.
async fn answer_to(address: SocketAddr, path: &str, body: &str) {
    let mut stream = TcpStream::connect(address).await.expect("the server listens");
    let request = format!("GET {path} HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("the server reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("the server answers");
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with(body), "{answer}");
}

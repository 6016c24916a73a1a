//! What does a server with tokio's sockets cost, when it runs in our tasks?

use std::net::SocketAddr;
use std::time::Duration;

use cordial::Task;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::measure::{Bench, Pair, in_tokio, now};

const CONNECTIONS: usize = 64;
const LENGTH: Duration = Duration::from_millis(700);
pub(super) const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: bench\r\n\r\n";
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

/// Answers per second over 64 persistent connections. The client runs on one thread and is the same for both sides.
pub(crate) fn answers(bench: &Bench) -> Pair {
    let ours = answers_per_second(bench.ours(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("the loopback interface exists");
        let address = listener.local_addr().expect("the listener is bound");
        Task::start(async move {
            for _ in 0..CONNECTIONS {
                let (stream, _) = listener.accept().await.expect("a client connects");
                Task::start(async move { serve(stream).await });
            }
        });
        address
    }));
    let peer = answers_per_second(bench.peer(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("the loopback interface exists");
        let address = listener.local_addr().expect("the listener is bound");
        drop(in_tokio(async move {
            for _ in 0..CONNECTIONS {
                let (stream, _) = listener.accept().await.expect("a client connects");
                drop(in_tokio(serve(stream)));
            }
        }));
        address
    }));
    Pair { ours, peer }
}

async fn serve(mut stream: TcpStream) {
    let mut request = [0; 256];
    while let Ok(1..) = stream.read(&mut request).await {
        if stream.write_all(ANSWER).await.is_err() {
            return;
        }
    }
}

/// Returns the answers per second of a server whose answers end with `hello` and are all equally long.
pub(super) fn answers_per_second(address: SocketAddr) -> f64 {
    let client = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a client can be built");
    client.block_on(async {
        let started = now();
        let clients = (0..CONNECTIONS).map(|_| request_repeatedly(address));
        let answers: usize = futures::future::join_all(clients).await.into_iter().sum();
        answers as f64 / started.elapsed().as_secs_f64()
    })
}

async fn request_repeatedly(address: SocketAddr) -> usize {
    let mut connection = Persistent::connect(address).await;
    let started = now();
    let mut answers = 0;
    while started.elapsed() < LENGTH {
        connection.answer().await;
        answers += 1;
    }
    answers
}

/// A connection for many requests, whose answers end with `hello` and are all equally long.
pub(super) struct Persistent {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Persistent {
    /// Connects, and makes a request to learn the length of an answer.
    pub(super) async fn connect(address: SocketAddr) -> Persistent {
        let mut stream = TcpStream::connect(address).await.expect("the server listens");
        stream.write_all(REQUEST).await.expect("the server reads");
        let mut answer = Vec::new();
        while !answer.ends_with(b"hello") {
            assert_ne!(stream.read_buf(&mut answer).await.expect("the server answers"), 0, "the server answers");
        }
        Persistent { stream, answer }
    }

    /// Makes a request, and waits for the answer.
    pub(super) async fn answer(&mut self) {
        self.stream.write_all(REQUEST).await.expect("the server reads");
        self.stream.read_exact(&mut self.answer).await.expect("the server answers");
    }
}

//! What do tokio's sockets cost in our tasks?

use std::net::SocketAddr;
use std::time::Duration;

use cordial::Task;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::measure::{Bench, Pair, in_tokio, now};

const CONNECTIONS: usize = 64;
const LENGTH: Duration = Duration::from_millis(700);
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

/// Answers per second over connections that are kept; the client is a thread of its own, and the same for both.
pub(crate) fn answers(bench: &Bench) -> Pair {
    let ours = measure(bench.ours(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback is there");
        let address = listener.local_addr().expect("it is bound");
        Task::start(async move {
            for _ in 0..CONNECTIONS {
                let (stream, _) = listener.accept().await.expect("a client comes");
                Task::start(async move { serve(stream).await });
            }
        });
        address
    }));
    let peer = measure(bench.peer(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback is there");
        let address = listener.local_addr().expect("it is bound");
        drop(in_tokio(async move {
            for _ in 0..CONNECTIONS {
                let (stream, _) = listener.accept().await.expect("a client comes");
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

fn measure(address: SocketAddr) -> f64 {
    let client = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a client can be built");
    client.block_on(async {
        let started = now();
        let clients = (0..CONNECTIONS).map(|_| ask_again_and_again(address));
        let answers: usize = futures::future::join_all(clients).await.into_iter().sum();
        answers as f64 / started.elapsed().as_secs_f64()
    })
}

async fn ask_again_and_again(address: SocketAddr) -> usize {
    let mut stream = TcpStream::connect(address).await.expect("the server listens");
    let started = now();
    let mut answers = 0;
    let mut answer = [0; ANSWER.len()];
    while started.elapsed() < LENGTH {
        stream.write_all(b"GET / HTTP/1.1\r\nhost: bench\r\n\r\n").await.expect("the server reads");
        stream.read_exact(&mut answer).await.expect("the server answers");
        answers += 1;
    }
    answers
}

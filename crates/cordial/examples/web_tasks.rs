//! An axum server whose handlers run as tasks: one that computes for seconds delays nobody.
#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "an example shows something, and measures it")]

use std::error::Error;
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use cordial::{TaskSupervisor, Timeout};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Runs a handler as a task. axum's own futures run on tokio's threads, where a computation would block the others; a
/// handler that panics is an answer like any other.
async fn as_task<F>(tasks: TaskSupervisor, handler: F) -> Result<String, (StatusCode, String)>
where
    F: Future<Output = String> + Send + 'static,
{
    let answer = tasks.spawn(handler).timeout(Timeout::Infinity).await;
    answer.map_err(|exit| (StatusCode::INTERNAL_SERVER_ERROR, exit.to_string()))
}

async fn compute() -> String {
    let begun = Instant::now();
    let mut n = 0_u64;
    while begun.elapsed() < Duration::from_secs(2) {
        n = std::hint::black_box(n + 1);
    }
    format!("computed for {:?}", begun.elapsed())
}

async fn ask(address: std::net::SocketAddr, path: &str) -> std::io::Result<()> {
    let begun = Instant::now();
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    println!("{path} after {:4} ms: {}", begun.elapsed().as_millis(), answer.lines().last().unwrap_or_default());
    Ok(())
}

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    cordial::run(async {
        let tasks = TaskSupervisor::builder().label("requests").max_children(10_000).start();
        let (slow, quick) = (tasks.clone(), tasks.clone());
        let app = Router::new()
            .route("/slow", get(move || as_task(slow.clone(), compute())))
            .route("/quick", get(move || as_task(quick.clone(), async { "hello".to_owned() })));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        tasks.start_child(async move { axum::serve(listener, app).await })?;
        let slow: Vec<_> = (0..4).map(|_| ask(address, "/slow")).collect();
        let (slow, quick) = tokio::join!(futures::future::join_all(slow), async {
            tokio::time::sleep(Duration::from_millis(500)).await; // all cores compute by now
            ask(address, "/quick").await
        });
        slow.into_iter().chain([quick]).collect::<Result<(), _>>().map_err(Into::into)
    })?
}

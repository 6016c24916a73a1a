//! An axum server whose handlers run as tasks: a handler that computes for seconds does not delay other requests.
#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "an example prints, and measures time")]

use std::error::Error;
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use cordial::{TaskSupervisor, Timeout};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Runs a handler as a task. axum itself runs handlers on tokio's threads, where a computation blocks other requests. If
/// the handler panics, the response has status 500.
async fn as_task<F>(tasks: TaskSupervisor, handler: F) -> Result<String, (StatusCode, String)>
where
    F: Future<Output = String> + Send + 'static,
{
    let body = tasks.spawn(handler).timeout(Timeout::Infinity).await;
    body.map_err(|exit| (StatusCode::INTERNAL_SERVER_ERROR, exit.to_string()))
}

async fn compute() -> String {
    let started = Instant::now();
    let mut n = 0_u64;
    while started.elapsed() < Duration::from_secs(2) {
        n = std::hint::black_box(n + 1);
    }
    format!("computed for {:?}", started.elapsed())
}

async fn get_page(address: std::net::SocketAddr, path: &str) -> std::io::Result<()> {
    let started = Instant::now();
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes()).await?;
    let mut response = String::new();
    stream.read_to_string(&mut response).await?;
    println!("{path} after {:4} ms: {}", started.elapsed().as_millis(), response.lines().last().unwrap_or_default());
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
        let slow: Vec<_> = (0..4).map(|_| get_page(address, "/slow")).collect();
        let (slow, quick) = tokio::join!(futures::future::join_all(slow), async {
            tokio::time::sleep(Duration::from_millis(500)).await; // by now four tasks compute
            get_page(address, "/quick").await
        });
        slow.into_iter().chain([quick]).collect::<Result<(), _>>().map_err(Into::into)
    })?
}

//! An axum server with handlers that compute for 2 s, panic or never end. Other requests take milliseconds meanwhile.
//! With the argument `stay` it serves until Ctrl-C: try `curl -i http://127.0.0.1:8080/panic`.
#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "an example prints, and measures time")]

use std::error::Error;
use std::time::{Duration, Instant};

use axum::{Router, routing::get};
use cordial::{Shutdown, Task, TaskSupervisor, Timeout};
use cordial_http::TaskLayer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

async fn compute() -> String {
    let (started, mut n) = (Instant::now(), 0_u64);
    while started.elapsed() < Duration::from_secs(2) {
        n = std::hint::black_box(n + 1);
    }
    "computed for 2 s".to_owned()
}

fn app() -> Router {
    let requests = TaskSupervisor::builder().label("requests").max_children(1000).start();
    Router::new()
        .route("/compute", get(compute))
        .route("/health", get(|| async { "well" }))
        .route("/panic", get(|| async { panic!("no luck") as () }))
        .route("/forever", get(|| async { std::future::pending::<()>().await }))
        .layer(TaskLayer::new(requests).limit(Duration::from_secs(3)))
}

async fn request(address: std::net::SocketAddr, path: &'static str) -> std::io::Result<()> {
    let started = Instant::now();
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    println!("{path:9} {} after {:4} ms", answer.lines().next().unwrap_or_default(), started.elapsed().as_millis());
    Ok(())
}

fn main() -> std::process::ExitCode {
    cordial::main(async {
        if std::env::args().any(|arg| arg == "stay") {
            let listener = TcpListener::bind("127.0.0.1:8080").await?;
            return Ok(cordial_http::serve(listener, app().into_make_service()).await?);
        }
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let server = Task::spawn(async { cordial_http::serve(listener, app().into_make_service()).await });
        let paths = ["/compute", "/compute", "/compute", "/compute", "/forever", "/panic", "/health", "/health"];
        let clients = paths.map(|path| Task::spawn(request(address, path)).or_exit());
        Task::await_many(clients).timeout(Timeout::Infinity).await?;
        server.shutdown(Shutdown::default()).await;
        Ok::<(), Box<dyn Error + Send + Sync>>(())
    })
}

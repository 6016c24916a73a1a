//! An axum server that shuts down gracefully: on Ctrl-C or SIGTERM it answers the requests that it works on, and refuses new ones.
//! With the argument `stay` it serves until Ctrl-C. Without it, it sends itself a request, and asks itself to shut down.
#![expect(clippy::print_stdout, reason = "an example prints")]

use std::{error::Error, process::ExitCode, time::Duration};

use axum::{Router, routing::get};
use cordial::{Exit, Task, process};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

async fn answer() -> &'static str {
    println!("working on an answer");
    tokio::time::sleep(Duration::from_millis(500)).await;
    "the answer\n"
}

async fn serve(listener: TcpListener) -> std::io::Result<()> {
    let app = Router::new().route("/", get(answer));
    // The call opts this process in to graceful shutdown, although axum polls the future in a task of tokio.
    axum::serve(listener, app).with_graceful_shutdown(cordial::shutdown_requested()).await?;
    println!("every request is answered");
    Ok(())
}

/// Sends a request, and asks the server to shut down before the answer is there.
async fn send_request(address: std::net::SocketAddr, server: cordial::Pid) -> std::io::Result<()> {
    let (mut stream, mut response) = (TcpStream::connect(address).await?, String::new());
    stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await?;
    tokio::time::sleep(Duration::from_millis(100)).await;
    process::exit(server, Exit::Shutdown(None)); // as Ctrl-C does
    stream.read_to_string(&mut response).await?;
    println!("{}", response.lines().last().unwrap_or_default());
    Ok(())
}

fn main() -> ExitCode {
    cordial::main(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        println!("listening on http://{address}");
        let own = process::current().expect("the root process");
        let stays = std::env::args().any(|arg| arg == "stay");
        let client = (!stays).then(|| Task::spawn(send_request(address, own)));
        serve(listener).await?;
        if let Some(client) = client {
            client.await??;
        }
        Ok::<(), Box<dyn Error + Send + Sync>>(())
    })
}

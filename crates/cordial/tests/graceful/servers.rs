//! Servers that poll the future of a graceful shutdown in tasks of tokio.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::Request;
use axum::routing::{get, post};
use cordial::{Exit, Runtime, Task};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::yield_now;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

use crate::races::{LIMIT, ROUNDS};

/// A handler that says when it works on a request, and needs some turns to answer.
#[derive(Clone)]
struct Handler {
    begun: Arc<Mutex<Option<oneshot::Sender<()>>>>,
    n_yields: usize,
}

impl Handler {
    async fn answer(self) -> &'static str {
        self.begun.lock().unwrap().take().expect("one request").send(()).unwrap();
        for _ in 0..self.n_yields {
            yield_now().await;
        }
        "the answer"
    }
}

/// Shuts the server down while it works on the only request, `ROUNDS` times. The client must get the answer.
fn check<S, C>(serve: fn(TcpListener, Handler) -> S, request: fn(SocketAddr) -> C)
where
    S: Future<Output = Result<(), Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
    C: Future<Output = Result<String, Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    let runtime = Runtime::builder().workers(2).build().unwrap();
    let rounds = async move {
        for round in 0..ROUNDS {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            let address = listener.local_addr()?;
            let (begun, has_begun) = oneshot::channel();
            let handler = Handler { begun: Arc::new(Mutex::new(Some(begun))), n_yields: round % 8 };
            let server = Task::spawn(serve(listener, handler));
            let client = Task::spawn(request(address)).timeout(LIMIT);
            has_begun.await.expect("the request is handled");
            let end = server.shutdown(LIMIT).await.expect("the server returns a value")?;
            end.map_err(Exit::from)?;
            let answer = client.await?.map_err(|error| Exit::from(format!("round {round}: {error:?}")))?;
            assert!(answer.ends_with("the answer"), "round {round}: {answer:?}");
        }
        Ok::<(), Exit>(())
    };
    runtime.block_on(rounds).unwrap().unwrap();
}

#[test]
fn axum_answers_what_it_works_on() {
    async fn serve(listener: TcpListener, handler: Handler) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let app = Router::new().route("/", get(move || handler.clone().answer()));
        Ok(axum::serve(listener, app).with_graceful_shutdown(cordial::shutdown_requested()).await?)
    }
    async fn request(address: SocketAddr) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await?;
        let mut response = String::new();
        stream.read_to_string(&mut response).await?;
        Ok(response)
    }
    check(serve, request);
}

/// The service is one of axum, so that no code is generated from a description of it.
#[test]
fn tonic_answers_what_it_works_on() {
    async fn serve(listener: TcpListener, handler: Handler) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let routes = Routes::from(Router::new().route("/test.Echo/Say", post(move || handler.clone().answer())));
        let server = Server::builder().add_routes(routes);
        Ok(server.serve_with_incoming_shutdown(TcpIncoming::from(listener), cordial::shutdown_requested()).await?)
    }
    async fn request(address: SocketAddr) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
        let (mut client, connection) = h2::client::handshake(TcpStream::connect(address).await?).await?;
        let connection = Task::spawn(connection).timeout(LIMIT);
        let request = Request::post(format!("http://{address}/test.Echo/Say")).body(())?;
        let (response, _) = client.send_request(request, true)?;
        let mut body = response.await?.into_body();
        let mut answer = Vec::new();
        while let Some(data) = body.data().await {
            answer.extend_from_slice(&data?);
        }
        drop((client, body));
        connection.await?.map_err(io::Error::other)?;
        Ok(String::from_utf8(answer)?)
    }
    check(serve, request);
}

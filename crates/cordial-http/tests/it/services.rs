//! Services and sources of connections of every kind.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::get;
use cordial::testing;
use cordial_http::{Listener, hyper_service, serve, shared};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use tokio::io::{AsyncReadExt, DuplexStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tonic_health::ServingStatus;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::harness::{Client, Network, run_real, start};

async fn hello(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::from(format!("hello {}", request.uri().path()))))
}

#[test]
fn a_service_of_hyper_is_served() {
    testing::run(async {
        let (network, listener) = Network::new();
        let _server = start(serve(listener, shared(hyper_service(service_fn(hello)))));
        assert_eq!(network.connect().get("/x").await.unwrap().body, "hello /x");
    });
}

/// An `Err` of the service closes the connection, as it does with hyper alone.
#[test]
fn an_error_of_a_service_closes_its_connection() {
    testing::run(async {
        let (network, listener) = Network::new();
        let fails = |_: Request<Incoming>| async { Err::<Response<Full<Bytes>>, _>(io::Error::other("no luck")) };
        let _server = start(serve(listener, shared(hyper_service(service_fn(fails)))));
        for _ in 0..2 {
            assert!(network.connect().get("/").await.is_err());
        }
    });
}

#[test]
fn axum_gets_the_address_of_the_client() {
    run_real(async {
        let app = Router::new()
            .route("/", get(|ConnectInfo(address): ConnectInfo<SocketAddr>| async move { address.to_string() }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let _server = start(serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()));
        let stream = TcpStream::connect(address).await.unwrap();
        let own = stream.local_addr().unwrap().to_string();
        assert_eq!(Client::new(stream).get("/").await.unwrap().body, own);
    });
}

#[cfg(unix)]
#[test]
fn a_unix_socket_is_served() {
    run_real(async {
        let path = std::env::temp_dir().join(format!("cordial-http-{}", std::process::id()));
        let listener = tokio::net::UnixListener::bind(&path).unwrap();
        let _server = start(serve(listener, shared(hyper_service(service_fn(hello)))));
        let stream = tokio::net::UnixStream::connect(&path).await.unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(Client::new(stream).get("/").await.unwrap().status, 200);
    });
}

#[test]
fn a_service_of_tonic_is_served() {
    run_real(async {
        let (reporter, service) = tonic_health::server::health_reporter();
        reporter.set_service_status("shop", ServingStatus::Serving).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let _server = start(serve(listener, shared(service)));
        let channel =
            tonic::transport::Endpoint::try_from(format!("http://{address}")).unwrap().connect().await.unwrap();
        let mut client = HealthClient::new(channel);
        let shop = HealthCheckRequest { service: "shop".into() };
        let answer = client.check(shop.clone()).await.unwrap();
        assert_eq!(answer.into_inner().status, ServingStatus::Serving as i32);
        // A stream of messages, in flight while the server asks for it to end.
        let mut updates = client.watch(shop).await.unwrap().into_inner();
        assert_eq!(updates.message().await.unwrap().unwrap().status, ServingStatus::Serving as i32);
        reporter.set_service_status("shop", ServingStatus::NotServing).await;
        assert_eq!(updates.message().await.unwrap().unwrap().status, ServingStatus::NotServing as i32);
    });
}

/// A handshake runs in the process of its connection: one that takes long delays no other, and is limited as headers are.
#[test]
fn a_handshake_delays_no_other_connection() {
    testing::run(async {
        let (network, listener) = Network::new();
        let handshake = |mut stream: DuplexStream| async move {
            match stream.read_u8().await? {
                b'!' => Ok(stream),
                _ => Err(io::ErrorKind::InvalidData.into()),
            }
        };
        let limit = Duration::from_secs(10);
        let server = serve(listener, shared(hyper_service(service_fn(hello)))).handshake(handshake);
        let _server = start(server.header_limit(limit));
        let started = Instant::now();
        let (mut silent, mut wrong, mut right) = (network.connect(), network.connect(), network.connect());
        wrong.send("?").await.unwrap();
        right.send("!").await.unwrap();
        assert_eq!(right.get("/").await.unwrap().body, "hello /");
        assert_eq!(wrong.rest().await, "");
        assert_eq!(started.elapsed(), Duration::ZERO, "neither has waited for the silent client");
        assert_eq!(silent.rest().await, "");
        assert_eq!(started.elapsed().as_secs(), limit.as_secs());
    });
}

/// A listener whose first results are errors.
struct Failing(VecDeque<io::ErrorKind>, crate::harness::InMemory);

impl Listener for Failing {
    type Io = DuplexStream;
    type Addr = u32;

    async fn accept(&mut self) -> io::Result<(DuplexStream, u32)> {
        match self.0.pop_front() {
            Some(kind) => Err(kind.into()),
            None => self.1.accept().await,
        }
    }
}

#[test]
fn errors_of_a_listener_do_not_end_the_server() {
    testing::run(async {
        let (network, listener) = Network::new();
        let errors = [io::ErrorKind::ConnectionAborted, io::ErrorKind::Other, io::ErrorKind::OutOfMemory];
        let listener = Failing(errors.into_iter().collect(), listener);
        let _server = start(serve(listener, shared(hyper_service(service_fn(hello)))));
        assert_eq!(network.connect().get("/").await.unwrap().status, 200);
    });
}

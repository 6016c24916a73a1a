//! Requests of HTTP/1 on one connection.

use axum::Router;
use axum::routing::{get, post};
use cordial::process::{self, ProcessKind};
use cordial::{Exit, TaskSupervisor, testing};
use cordial_http::{serve, shared};

use crate::harness::{Network, start};

fn app() -> Router {
    Router::new().route("/", get(|| async { "hello" })).route("/echo", post(|body: String| async { body }))
}

#[test]
fn a_connection_is_kept_alive() {
    testing::run(async {
        let (network, listener) = Network::new();
        let _server = start(serve(listener, app().into_make_service()));
        let mut client = network.connect();
        for _ in 0..3 {
            let answer = client.get("/").await.unwrap();
            assert_eq!((answer.status, &*answer.body), (200, "hello"));
        }
        client.send("GET / HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n").await.unwrap();
        assert!(client.rest().await.ends_with("hello"));
    });
}

#[test]
fn requests_that_are_sent_ahead_are_answered_in_order() {
    testing::run(async {
        let (network, listener) = Network::new();
        let _server = start(serve(listener, app().into_make_service()));
        let mut client = network.connect();
        for n in 0..10 {
            client.send(format!("POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\n{n}")).await.unwrap();
        }
        for n in 0..10 {
            assert_eq!(client.answer().await.unwrap().body, n.to_string());
        }
    });
}

#[test]
fn each_connection_is_a_child_that_shows_its_client_and_counts_its_requests() {
    testing::run(async {
        let (network, listener) = Network::new();
        let connections = TaskSupervisor::builder().label("web").start();
        let _server = start(serve(listener, shared(app())).under(connections.clone()));
        let (mut one, mut other) = (network.connect(), network.connect());
        one.get("/").await.unwrap();
        other.get("/").await.unwrap();
        let children = connections.children();
        assert_eq!(children.len(), 2);
        let info = process::info(children[0]).unwrap();
        assert_eq!((info.label.as_deref(), info.kind), (Some("7"), ProcessKind::Connection));
        let connection = info.connection.unwrap();
        assert_eq!((&*connection.peer, connection.requests), ("7", 1));
        one.get("/").await.unwrap();
        let counted = children.iter().map(|pid| process::info(*pid).unwrap().connection.unwrap().requests);
        assert_eq!(counted.collect::<Vec<u64>>(), [2, 1]);
        drop(one);
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        assert_eq!(connections.children().len(), 1);
    });
}

/// A server whose supervisor has ended could start no connection any more.
#[test]
fn a_server_ends_with_an_error_when_its_supervisor_has_ended() {
    testing::run(async {
        let (network, listener) = Network::new();
        let connections = TaskSupervisor::start();
        let server = start(serve(listener, shared(app())).under(connections.clone()));
        let mut client = network.connect();
        client.get("/").await.unwrap();
        connections.stop().await;
        let _refused = network.connect();
        let exit = server.await.unwrap().unwrap_err();
        assert!(matches!(exit, Exit::Error(_)), "{exit:?}");
    });
}

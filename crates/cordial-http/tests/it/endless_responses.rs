//! Responses without an end, and handlers that wait, are notified when the server stops. On the virtual clock.

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use cordial::{Shutdown, Task, TaskSupervisor, Timeout, testing};
use cordial_http::{TaskLayer, serve, shared};
use futures::StreamExt;
use http_body_util::BodyExt;
use hyper::Request;
use tokio::time::sleep;

use crate::harness::{Network, start};
use crate::http2;

const SECOND: Duration = Duration::from_secs(1);

/// Two routes that end when the server is asked to shut down: `/ticks` has a body of one line each second, and the handler of `/` waits.
fn app() -> Router {
    let ticks = || async {
        let ticks = futures::stream::unfold((), |()| async {
            sleep(SECOND).await;
            Some((Ok::<_, Infallible>("tick\n"), ()))
        });
        Body::from_stream(ticks.take_until(async { cordial::shutdown_requested().await }))
    };
    let waits = || async {
        cordial::shutdown_requested().await;
        "was asked"
    };
    Router::new().route("/ticks", get(ticks)).route("/", get(waits))
}

fn with_tasks() -> Router {
    app().layer(TaskLayer::new(TaskSupervisor::start()))
}

async fn ticks_in_http1(app: Router) {
    let (network, listener) = Network::new();
    let server = start(serve(listener, shared(app)));
    let mut client = network.connect();
    client.request("/ticks").await.unwrap();
    sleep(SECOND * 5 / 2).await;
    assert_eq!(server.shutdown(Shutdown::Infinity).await, Some(Ok(Ok(()))));
    let received = client.rest().await;
    assert!(received.ends_with("\r\n\r\n5\r\ntick\n\r\n5\r\ntick\n\r\n0\r\n\r\n"), "{received}");
}

async fn ticks_in_http2(app: Router) {
    let (network, listener) = Network::new();
    let server = start(serve(listener, shared(app)));
    let mut client = http2::connect(&network).await;
    let request = Request::get("http://test/ticks").body(Body::empty()).unwrap();
    let body = client.send_request(request).await.unwrap().into_body();
    sleep(SECOND * 5 / 2).await;
    assert_eq!(server.shutdown(Shutdown::Infinity).await, Some(Ok(Ok(()))));
    assert_eq!(body.collect().await.unwrap().to_bytes(), "tick\ntick\n");
}

#[test]
fn a_body_without_an_end_ends_when_the_server_stops() {
    testing::run(ticks_in_http1(app()));
    testing::run(ticks_in_http2(app()));
}

#[test]
fn a_body_without_an_end_ends_when_the_server_stops_with_a_task_for_each_request() {
    testing::run(async { ticks_in_http1(with_tasks()).await });
    testing::run(async { ticks_in_http2(with_tasks()).await });
}

#[test]
fn a_handler_that_waits_is_notified_when_the_server_stops() {
    testing::run(async {
        let (network, listener) = Network::new();
        let server = start(serve(listener, shared(app())));
        let mut http1 = network.connect();
        http1.request("/").await.unwrap();
        let http2 = http2::connect(&network).await;
        let answer = Task::spawn(http2::get_text(http2, "/")).timeout(Timeout::Infinity);
        sleep(SECOND).await;
        assert_eq!(server.shutdown(Shutdown::Infinity).await, Some(Ok(Ok(()))));
        assert_eq!(http1.answer().await.unwrap().body, "was asked");
        assert_eq!(answer.await.unwrap().unwrap().1, "was asked");
    });
}

//! `TaskLayer`: on the virtual clock.

use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use cordial::{Exit, Inherited, Task, TaskSupervisor, process, testing};
use cordial_http::{TaskLayer, serve, shared};
use tokio::time::{Instant, sleep};

use crate::harness::{Network, start};

const SECOND: Duration = Duration::from_secs(1);

fn app() -> Router {
    Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/panic", get(|| async { panic!("no luck") as () }))
        .route("/2s", get(|| async { sleep(2 * SECOND).await }))
        .route("/60s", get(|| async { sleep(60 * SECOND).await }))
}

#[test]
fn a_panic_is_answered_with_500_and_the_connection_goes_on() {
    testing::run(async {
        let (network, listener) = Network::new();
        let app = app().layer(TaskLayer::new(TaskSupervisor::start()));
        let _server = start(serve(listener, shared(app)));
        let mut client = network.connect();
        assert_eq!(client.get("/").await.unwrap().body, "hello");
        let answer = client.get("/panic").await.unwrap();
        assert_eq!((answer.status, &*answer.body), (500, ""));
        assert_eq!(client.get("/").await.unwrap().body, "hello");
    });
}

static TENANT: Inherited<String> = Inherited::new();

/// A middleware that opens a scope around the rest of the layers.
async fn tenant(request: Request, next: Next) -> Response {
    let tenant = request.headers().get("host").unwrap().to_str().unwrap().to_owned();
    TENANT.scope(tenant, next.run(request)).await
}

#[test]
fn a_scope_that_a_layer_opens_reaches_the_handler_and_what_it_spawns_but_not_the_next_request() {
    testing::run(async {
        let (network, listener) = Network::new();
        let read = || TENANT.get().map_or_else(|| "none".to_owned(), |tenant| (*tenant).clone());
        let app = Router::new()
            .route(
                "/",
                get(move || async move { format!("{} {}", read(), Task::spawn(async move { read() }).await.unwrap()) }),
            )
            .layer(TaskLayer::new(TaskSupervisor::start()))
            .layer(from_fn(tenant))
            .route("/outside", get(move || async move { read() }));
        let _server = start(serve(listener, shared(app)));
        let mut client = network.connect();
        let host = client.get("/").await.unwrap().body;
        let (in_handler, in_task) = host.split_once(' ').unwrap();
        assert_ne!(in_handler, "none");
        assert_eq!(in_handler, in_task);
        assert_eq!(client.get("/outside").await.unwrap().body, "none");
    });
}

#[test]
fn a_limit_that_has_passed_is_answered_with_504_and_ends_the_task() {
    testing::run(async {
        let (network, listener) = Network::new();
        let tasks = TaskSupervisor::start();
        let app = app().layer(TaskLayer::new(tasks.clone()).limit(5 * SECOND));
        let _server = start(serve(listener, shared(app)));
        let mut client = network.connect();
        assert_eq!(client.get("/2s").await.unwrap().status, 200);
        let started = Instant::now();
        assert_eq!(client.get("/60s").await.unwrap().status, 504);
        assert_eq!(started.elapsed().as_secs(), 5);
        sleep(SECOND).await;
        assert!(tasks.children().is_empty());
    });
}

#[test]
fn a_full_supervisor_is_answered_with_503() {
    testing::run(async {
        let (network, listener) = Network::new();
        let tasks = TaskSupervisor::builder().max_children(1).start();
        let app = app().layer(TaskLayer::new(tasks.clone()));
        let _server = start(serve(listener, shared(app)));
        let (mut one, mut other) = (network.connect(), network.connect());
        one.request("/2s").await.unwrap();
        sleep(SECOND).await;
        assert_eq!(other.get("/").await.unwrap().status, 503);
        assert_eq!(one.answer().await.unwrap().status, 200);
        assert_eq!(other.get("/").await.unwrap().status, 200);
        tasks.stop().await;
        assert_eq!(other.get("/").await.unwrap().status, 503);
    });
}

#[test]
fn a_task_is_shut_down_when_its_caller_is_gone() {
    testing::run(async {
        let (network, listener) = Network::new();
        let tasks = TaskSupervisor::start();
        let _server = start(serve(listener, shared(app().layer(TaskLayer::new(tasks.clone())))));
        let mut client = network.connect();
        client.request("/60s").await.unwrap();
        sleep(SECOND).await;
        let task = tasks.children()[0];
        let info = process::info(task).unwrap();
        assert_eq!(info.label.as_deref(), Some("GET /60s"));
        let gone_at = Instant::now();
        drop(client);
        assert_eq!(process::monitor(task).await, Exit::Shutdown(None));
        assert!(gone_at.elapsed() < SECOND);
    });
}

/// A layer around this one finds the exit, for a response of its own.
#[test]
fn the_response_of_a_failure_carries_the_exit() {
    testing::run(async {
        let (network, listener) = Network::new();
        let explain = |response: Response| async move {
            match response.extensions().get().cloned() {
                Some(Exit::Panic(report)) => {
                    let sorry = format!("sorry: {}", report.message());
                    (response.status(), sorry).into_response()
                }
                _ => response,
            }
        };
        let app = app().layer(TaskLayer::new(TaskSupervisor::start())).layer(axum::middleware::map_response(explain));
        let _server = start(serve(listener, shared(app)));
        let answer = network.connect().get("/panic").await.unwrap();
        assert_eq!((answer.status, &*answer.body), (500, "sorry: no luck"));
    });
}

/// The path is in the label, the query is not.
#[test]
fn a_label_is_short_and_without_secrets() {
    testing::run(async {
        let (network, listener) = Network::new();
        let long = format!("/{}", "a".repeat(500));
        let labels = |_: axum::http::Uri| async {
            let own = process::current().unwrap();
            process::info(own).unwrap().label.as_deref().unwrap_or_default().to_owned()
        };
        let app = Router::new().fallback(labels).layer(TaskLayer::new(TaskSupervisor::start()));
        let _server = start(serve(listener, shared(app)));
        let mut client = network.connect();
        assert_eq!(client.get("/a/b?token=secret").await.unwrap().body, "GET /a/b");
        assert_eq!(client.get(&long).await.unwrap().body, format!("GET /{}", "a".repeat(99)));
        client.send(format!("{} / HTTP/1.1\r\nhost: x\r\n\r\n", "METHOD".repeat(1000))).await.unwrap();
        let label = client.answer().await.unwrap().body;
        assert!(label.starts_with("METHODMETHOD") && label.ends_with(" /") && label.len() < 100, "{label}");
    });
}

/// A request that is answered within the grace time of the server is not cut off by the layer.
#[test]
fn a_task_in_flight_is_answered_when_the_server_stops() {
    testing::run(async {
        let (network, listener) = Network::new();
        let app = app().layer(TaskLayer::new(TaskSupervisor::start()));
        let server = start(serve(listener, shared(app)));
        let mut client = network.connect();
        client.request("/2s").await.unwrap();
        sleep(SECOND).await;
        let (stop, answer) = tokio::join!(server.shutdown(cordial::Shutdown::Infinity), client.answer());
        assert_eq!(stop, Some(Ok(Ok(()))));
        assert_eq!(answer.unwrap().status, 200);
    });
}

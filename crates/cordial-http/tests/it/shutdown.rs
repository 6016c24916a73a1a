//! How a server shuts down. The tests run on the virtual clock.

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use cordial::{Backoff, Exit, Shutdown, Strategy, Supervisor, Task, TaskSupervisor, Timeout, process, testing};
use cordial_http::{serve, shared};
use tokio::time::{Instant, sleep};

use crate::harness::{Network, start};

const SECOND: Duration = Duration::from_secs(1);

fn app() -> Router {
    let sleeps = |duration| get(move || async move { sleep(duration).await });
    Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/2s", sleeps(2 * SECOND))
        .route("/60s", sleeps(60 * SECOND))
}

#[test]
fn a_request_in_flight_is_answered_and_other_connections_are_closed_or_refused() {
    testing::run(async {
        let (network, listener) = Network::new();
        let server = start(serve(listener, shared(app())).grace(5 * SECOND));
        let (mut busy, mut idle) = (network.connect(), network.connect());
        idle.get("/").await.unwrap();
        busy.request("/2s").await.unwrap();
        sleep(SECOND).await;
        let stop = Task::spawn(server.shutdown(Shutdown::Infinity)).timeout(Timeout::Infinity);
        assert_eq!(idle.rest().await, "", "a connection without a request is closed");
        sleep(SECOND / 10).await;
        assert!(network.try_connect().is_none(), "the listener is closed");
        let answer = busy.answer().await.unwrap();
        assert_eq!(answer.status, 200);
        assert!(answer.head.contains("connection: close"), "{}", answer.head);
        assert_eq!(busy.rest().await, "");
        assert_eq!(stop.await.unwrap(), Some(Ok(Ok(()))));
    });
}

#[test]
fn a_request_that_takes_longer_than_the_grace_time_is_cut_off() {
    testing::run(async {
        let (network, listener) = Network::new();
        let server = start(serve(listener, shared(app())).grace(5 * SECOND));
        let mut client = network.connect();
        client.request("/60s").await.unwrap();
        sleep(SECOND).await;
        let asked = Instant::now();
        assert_eq!(server.shutdown(Shutdown::Infinity).await, Some(Ok(Ok(()))));
        assert_eq!(asked.elapsed().as_secs(), 5);
        assert_eq!(client.rest().await, "");
    });
}

/// When the root ends, the server is asked to shut down, and 100 ms later every other process that is not a child.
#[test]
fn a_server_answers_what_is_in_flight_while_its_program_ends() {
    let (sender, answer) = std::sync::mpsc::channel();
    testing::run(async move {
        let (network, listener) = Network::new();
        let _server = start(serve(listener, shared(app())));
        let tasks = TaskSupervisor::start();
        let ends_late = async {
            cordial::shutdown_requested().await;
            sleep(SECOND / 10).await;
        };
        tasks.start_child(ends_late).unwrap();
        Task::start(async move {
            let _guard = process::defer_shutdown();
            sender.send(network.connect().get("/2s").await).unwrap();
        });
        sleep(SECOND).await;
    });
    assert_eq!(answer.recv().unwrap().unwrap().status, 200);
}

/// The connections of the server end. The supervisor of the caller and its other child continue to run.
#[test]
fn a_server_under_a_supervisor_ends_its_own_connections_only() {
    testing::run(async {
        let (network, listener) = Network::new();
        let tasks = TaskSupervisor::start();
        let other = tasks.start_child(std::future::pending::<()>()).unwrap();
        let server = start(serve(listener, shared(app())).under(tasks.clone()).grace(SECOND));
        let (mut idle, mut busy) = (network.connect(), network.connect());
        idle.get("/").await.unwrap();
        busy.request("/60s").await.unwrap();
        sleep(SECOND).await;
        server.shutdown(Shutdown::Infinity).await;
        assert_eq!(tasks.children(), [other]);
    });
}

/// A connection that arrives while its supervisor is being restarted waits for that.
#[test]
fn a_client_that_connects_while_the_supervisor_is_restarted_is_served_afterwards() {
    testing::run(async {
        let (network, listener) = Network::new();
        let tasks = TaskSupervisor::start();
        let spec = tasks.child_spec().backoff(Backoff::exponential(10 * SECOND, 10 * SECOND));
        let _tree = Supervisor::builder(Strategy::OneForOne).child(spec).start().await.unwrap();
        let _server = start(serve(listener, shared(app())).under(tasks.clone()));
        assert_eq!(network.connect().get("/").await.unwrap().status, 200);
        process::exit(tasks.pid(), Exit::Killed);
        sleep(SECOND).await;
        let (mut one, mut other) = (network.connect(), network.connect());
        let (one, other) = tokio::join!(one.get("/"), other.get("/"));
        assert_eq!((one.unwrap().status, other.unwrap().status), (200, 200));
        assert_eq!(tasks.incarnation(), 2);
    });
}

/// A supervisor that stops asks the connections to shut down. They answer requests in flight within the grace time of the supervisor.
#[test]
fn a_supervisor_that_stops_lets_its_connections_answer() {
    testing::run(async {
        let (network, listener) = Network::new();
        let tasks = TaskSupervisor::builder().shutdown(3 * SECOND).start();
        let _server = start(serve(listener, shared(app())).under(tasks.clone()));
        let mut client = network.connect();
        client.request("/2s").await.unwrap();
        sleep(SECOND).await;
        let stop = Task::spawn(async move { tasks.stop().await }).timeout(Timeout::Infinity);
        assert_eq!(client.answer().await.unwrap().status, 200);
        assert!(stop.await.unwrap().is_clean());
    });
}

#[test]
fn a_server_that_is_dropped_asks_its_connections_to_end() {
    for is_under_supervisor in [false, true] {
        testing::run(async move {
            let (network, listener) = Network::new();
            let tasks = TaskSupervisor::start();
            let server = serve(listener, shared(app()));
            let mut server = if is_under_supervisor { server.under(tasks.clone()) } else { server }.into_future();
            let (mut idle, mut busy) = (network.connect(), network.connect());
            tokio::select! {
                _ = &mut server => unreachable!("nothing asks the server to end"),
                () = async {
                    idle.get("/").await.unwrap();
                    busy.request("/2s").await.unwrap();
                    sleep(SECOND).await;
                } => {}
            }
            drop(server);
            assert!(network.try_connect().is_none(), "the listener is closed");
            assert_eq!(idle.rest().await, "");
            assert_eq!(busy.answer().await.unwrap().status, 200);
            sleep(SECOND).await;
            let snapshot = cordial::process::snapshot().to_string();
            assert!(!snapshot.contains("connections"), "{snapshot}");
        });
    }
}

/// If the process that owns a server is killed, the connections end with it, unless they are under another supervisor.
#[test]
fn a_killed_server_closes_its_connections() {
    testing::run(async {
        let (network, listener) = Network::new();
        let server = start(serve(listener, shared(app())));
        let mut client = network.connect();
        client.request("/60s").await.unwrap();
        sleep(SECOND).await;
        server.shutdown(Shutdown::BrutalKill).await;
        assert_eq!(client.rest().await, "");
    });
}

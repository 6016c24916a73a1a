//! A cluster that uses a client which the program has connected by itself.

use std::time::Duration;

use cordial::{Strategy, Supervisor, process};
use cordial_nats::{Cluster, ConnectError, Options};

use crate::free_port::free_port;
use crate::functions::{DOUBLE, SLEEP, functions};
use crate::harness::{LIMIT, Server, Store, in_several_tries, run, with_server, within};
use crate::jobs::start_worker;

#[test]
fn a_ready_client_serves_workers_callers_and_submitters() {
    let Some(mut server) = Server::with_config("authorization { user: a, password: b }", Store::Here) else { return };
    run(async move {
        let options = || async_nats::ConnectOptions::new().user_and_password("a".to_owned(), "b".to_owned());
        let client = options().connect(server.url()).await.unwrap();
        let cluster = Cluster::connect(client).await.unwrap();
        let tree = start_worker(&cluster, "g", 2).await;
        assert_eq!(cluster.call(DOUBLE, 4).await, Ok(8));
        let other = options().connect(server.url()).await.unwrap();
        let other = Cluster::connect(Options::from(other).prefix("other")).await.unwrap();
        assert!(other.call(DOUBLE, 4).await.is_err(), "another prefix is another fleet");
        // The server goes and comes back, as with a connection of the cluster's own.
        let job = cluster.submit(SLEEP, 1000).group("g").await.unwrap();
        server.kill();
        server.restart();
        assert_eq!(job.timeout(LIMIT).await, Ok(1000));
        tree.stop().await;
    });
}

#[test]
fn each_of_many_calls_has_its_heartbeats_although_the_queue_of_the_client_is_short() {
    // If the queue were filled ten times a second, a round of heartbeats would take more than three seconds.
    const CAPACITY: usize = 6;
    const N_CALLS: usize = 200;
    with_server(|server| async move {
        let client = async_nats::ConnectOptions::new().client_capacity(CAPACITY).connect(server.url()).await.unwrap();
        let worker = Cluster::connect(client).await.unwrap();
        let tree = start_worker(&worker, "g", N_CALLS).await;
        let cluster = Cluster::connect(server.url()).await.unwrap();
        // A call fails if its node is silent for 2.5 s. A busy machine can be as slow.
        in_several_tries(|_| async {
            let calls: Vec<_> = (0..N_CALLS).map(|_| cluster.call(SLEEP, 6000).timeout(LIMIT)).collect();
            let mut errors = Vec::new();
            for call in calls {
                errors.extend(call.await.err().map(|exit| exit.to_string()));
            }
            if errors.is_empty() { Ok(()) } else { Err(format!("{} of {N_CALLS} calls: {}", errors.len(), errors[0])) }
        })
        .await;
        tree.stop().await;
    });
}

#[test]
fn a_client_that_is_not_connected_is_named_within_three_seconds() {
    with_server(|_server| async move {
        let options = async_nats::ConnectOptions::new().retry_on_initial_connect();
        let client = options.connect(format!("nats://127.0.0.1:{}", free_port())).await.unwrap();
        let error = within(Duration::from_secs(3), || Cluster::connect(client.clone())).await.unwrap_err();
        assert!(matches!(error, ConnectError::NoServer { .. }), "{error}");
        assert!(error.to_string().contains("the given client"), "{error}");
    });
}

#[test]
fn each_wait_ends_after_the_program_has_drained_its_client() {
    with_server(|server| async move {
        let client = async_nats::connect(server.url()).await.unwrap();
        let cluster = Cluster::connect(client.clone()).await.unwrap();
        let job = cluster.submit(SLEEP, 1).group("g").await.unwrap();
        let keyed = cluster.submit(SLEEP, 1).group("g").key("k").await.unwrap();
        client.drain().await.unwrap();
        for job in [job, keyed] {
            let error = job.timeout(LIMIT).await.unwrap_err().to_string();
            assert!(error.contains("the connection has ended"), "{error}");
        }
    });
}

#[test]
fn a_worker_ends_with_an_error_that_says_so_after_the_program_has_drained_its_client() {
    with_server(|server| async move {
        let client = async_nats::connect(server.url()).await.unwrap();
        let cluster = Cluster::connect(client.clone()).await.unwrap();
        let worker = cluster.worker(functions()).group("g").slots(1);
        let tree = Supervisor::builder(Strategy::OneForOne).child(worker.child_spec("worker")).unlinked();
        let tree = tree.start().await.unwrap();
        let gives_up = process::monitor(tree.pid());
        client.drain().await.unwrap();
        let exit = tokio::time::timeout(LIMIT, gives_up).await.expect("the worker does not wait forever");
        let text = exit.to_string();
        assert!(text.contains("the connection has ended") && text.contains("drained its NATS client"), "{text}");
        // The job of a worker that has ended runs elsewhere.
        let other = Cluster::connect(server.url()).await.unwrap();
        let tree = start_worker(&other, "g", 1).await;
        assert_eq!(other.submit(DOUBLE, 4).group("g").await.unwrap().timeout(LIMIT).await, Ok(8));
        tree.stop().await;
    });
}

//! The server is killed and comes back.

use std::time::Duration;

use cordial::Task;
use cordial_nats::Cluster;

use crate::functions::{DOUBLE, SLEEP};
use crate::harness::with_server;
use crate::jobs::start_worker;

#[test]
fn jobs_outlive_a_killed_server_and_the_submitter_gets_its_answers() {
    with_server(|mut server| async move {
        let cluster = Cluster::connect(server.url()).await.unwrap();
        let tree = start_worker(&cluster, "g", 4).await;
        let mut jobs = Vec::new();
        for n in 0..20 {
            jobs.push(cluster.submit(SLEEP, n * 20).group("g").await.unwrap());
        }
        server.kill();
        // What is asked for while the server is gone has an error that says so.
        let error = cluster.submit(DOUBLE, 1).group("g").key("later").await.unwrap_err().to_string();
        assert!(error.contains("did not answer"), "{error}");
        let error = cluster.call(DOUBLE, 1).await.unwrap_err().to_string();
        assert!(error.contains("its connection is lost"), "{error}");
        server.restart();
        for (n, job) in jobs.into_iter().enumerate() {
            assert_eq!(job.timeout(Duration::from_secs(30)).await, Ok(n as u64 * 20));
        }
        let job = cluster.submit(DOUBLE, 1).group("g").key("later").await.unwrap();
        assert_eq!(job.timeout(Duration::from_secs(30)).await, Ok(2));
        tree.stop().await;
    });
}

#[test]
fn a_piece_is_kept_after_the_servers_had_no_stream_for_it_for_a_while() {
    with_server(|server| async move {
        let cluster = Cluster::connect(server.url()).await.unwrap();
        let job = cluster.submit(DOUBLE, 1).group("g").await.unwrap();
        let client = async_nats::connect(server.url()).await.unwrap();
        client.request("$JS.API.STREAM.DELETE.cordial-results", "".into()).await.unwrap();
        let (keeper, id) = (cluster.clone(), job.id().clone());
        let keeps = Task::spawn(async move { keeper.keep_piece(&id, 1, 0, "piece".into()).await });
        // As long as the servers of a cluster may need to elect a leader.
        tokio::time::sleep(Duration::from_secs(8)).await;
        let other = Cluster::connect(server.url()).await.unwrap();
        let _other = other.submit(DOUBLE, 1).group("g").await.unwrap();
        keeps.timeout(Duration::from_secs(30)).await.unwrap().unwrap();
        assert_eq!(cluster.piece(job.id(), 1, 0).await.unwrap().as_deref(), Some(&b"piece"[..]));
    });
}

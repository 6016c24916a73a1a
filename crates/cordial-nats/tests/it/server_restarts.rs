//! The server is killed and comes back.

use std::time::Duration;

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

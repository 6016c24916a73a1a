//! What a node says about results that the server does not keep.

use cordial_nats::{Cluster, Node};

use crate::errors::limit_stream;
use crate::functions::{BYTES, DOUBLE, SLEEP};
use crate::harness::{LIMIT, wait_for, wait_node, wait_running, wait_until, with_server};
use crate::jobs::start_worker;

/// Asks the only node until it answers.
async fn node(cluster: &Cluster) -> Node {
    wait_node(cluster, cluster.name()).await
}

/// Waits until the node has a problem.
async fn problem(cluster: &Cluster) -> String {
    wait_for("the node has a problem", || async { node(cluster).await.problem }).await
}

/// Waits until the node has no problem.
async fn wait_no_problem(cluster: &Cluster) {
    wait_until("the problem ends", || async { node(cluster).await.problem.is_none() }).await;
}

#[test]
fn a_node_says_that_the_server_does_not_keep_its_result_until_it_does() {
    with_server(|server| async move {
        let cluster = Cluster::connect(server.url()).await.unwrap();
        let tree = start_worker(&cluster, "g", 1).await;
        let client = async_nats::connect(server.url()).await.unwrap();
        // There is room for the first attempt of the job, and not for its result.
        limit_stream(&client, "cordial-results", "max_msgs", 1).await;
        let job = cluster.submit(DOUBLE, 21).group("g").await.unwrap();
        let text = problem(&cluster).await;
        let expected =
            format!("the server does not keep the result of the job {}: maximum messages exceeded", job.id());
        assert!(
            text.starts_with(&expected) && text.ends_with("; make room in its store, or raise its limits"),
            "{text}"
        );
        limit_stream(&client, "cordial-results", "max_msgs", -1).await;
        assert_eq!(job.timeout(LIMIT).await, Ok(42));
        wait_no_problem(&cluster).await;
        tree.stop().await;
    });
}

#[test]
fn a_node_has_the_problem_of_a_run_while_others_succeed_and_not_after_that_run() {
    with_server(|server| async move {
        let cluster = Cluster::connect(server.url()).await.unwrap();
        let tree = start_worker(&cluster, "g", 4).await;
        let client = async_nats::connect(server.url()).await.unwrap();
        // There is room for the small results.
        limit_stream(&client, "cordial-results", "max_bytes", 50_000).await;
        let large = cluster.submit(BYTES, 100_000).group("g").await.unwrap();
        let is_of_large = |problem: &String| problem.contains(&large.id().to_string());
        assert!(is_of_large(&problem(&cluster).await));
        for number in 0..20 {
            let job = cluster.submit(DOUBLE, number).group("g").await.unwrap();
            assert_eq!(job.timeout(LIMIT).await, Ok(2 * number));
            assert!(node(&cluster).await.problem.is_some_and(|problem| is_of_large(&problem)), "job {number}");
        }
        let still_runs = cluster.submit(SLEEP, 120_000).group("g").await.unwrap();
        wait_running(&cluster, 2).await;
        assert!(cluster.cancel(large.id()).await.unwrap());
        wait_no_problem(&cluster).await;
        assert_eq!(node(&cluster).await.running, 1);
        assert!(still_runs.cancel().await.unwrap());
        tree.stop().await;
    });
}

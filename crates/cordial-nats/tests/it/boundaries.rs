//! Options with the smallest and the largest values.

use std::time::Duration;

use cordial::{Strategy, Supervisor};
use cordial_nats::{Cluster, Options};
use futures_util::{FutureExt, StreamExt};

use crate::functions::{DOUBLE, functions};
use crate::harness::{LIMIT, with_server};
use crate::jobs::start_worker;

/// Runs a job on a worker with these options.
fn runs_a_job(options: impl FnOnce(Options) -> Options, slots: usize) {
    with_server(|server| {
        let options = options(Options::new(server.url()));
        async move {
            let cluster = Cluster::connect(options).await.unwrap();
            let worker = cluster.worker(functions()).group("g").slots(slots);
            let worker = Supervisor::builder(Strategy::OneForOne).child(worker.child_spec("worker"));
            let tree = worker.start().await.unwrap();
            let job = cluster.submit(DOUBLE, 21).group("g").await.unwrap();
            assert_eq!(job.timeout(LIMIT).await, Ok(42));
            tree.stop().await;
            drop(server);
        }
    });
}

#[test]
fn a_worker_with_the_longest_lease_runs_jobs() {
    runs_a_job(|options| options.lease(Duration::MAX), 1);
}

#[test]
fn a_worker_with_the_largest_number_of_slots_runs_jobs() {
    runs_a_job(|options| options, usize::MAX);
}

#[test]
fn a_group_for_no_job_has_room_for_one() {
    with_server(|server| async move {
        let options = Options::new(server.url()).max_jobs(0);
        let cluster = Cluster::connect(options.clone()).await.unwrap();
        let job = cluster.submit(DOUBLE, 21).group("g").await.unwrap();
        let full = cluster.submit(DOUBLE, 22).group("g").await.unwrap_err();
        assert!(full.to_string().contains("accepts no more jobs"), "{full}");
        let cluster = Cluster::connect(options).await.unwrap();
        let worker = cluster.worker(functions()).group("g").slots(1);
        let tree = Supervisor::builder(Strategy::OneForOne).child(worker.child_spec("worker")).start().await.unwrap();
        assert_eq!(job.timeout(LIMIT).await, Ok(42));
        tree.stop().await;
    });
}

#[test]
fn a_worker_asks_for_no_more_than_an_operator_allows() {
    with_server(|server| async move {
        let cluster = Cluster::connect(server.url()).await.unwrap();
        start_worker(&cluster, "g", 16).await.stop().await;
        let client = async_nats::connect(server.url()).await.unwrap();
        limit_consumer(&client, &[("max_batch", 3), ("max_expires", 2_000_000_000)]).await;
        let tree = start_worker(&cluster, "g", 16).await;
        for n in 0..20 {
            let job = cluster.submit(DOUBLE, n).group("g").await.unwrap();
            assert_eq!(job.timeout(LIMIT).await, Ok(2 * n));
        }
        tree.stop().await;
    });
}

/// Sets these fields of the consumer of the group `g`, as an operator does.
async fn limit_consumer(client: &async_nats::Client, fields: &[(&str, u64)]) {
    let info = client.request("$JS.API.CONSUMER.INFO.cordial-jobs-g.workers", "".into()).await.unwrap();
    let mut config = serde_json::from_slice::<serde_json::Value>(&info.payload).unwrap()["config"].take();
    for (field, value) in fields {
        config[*field] = (*value).into();
    }
    let update = serde_json::json!({ "stream_name": "cordial-jobs-g", "config": config }).to_string();
    let subject = "$JS.API.CONSUMER.DURABLE.CREATE.cordial-jobs-g.workers";
    let updated = client.request(subject, update.into()).await.unwrap();
    assert!(!String::from_utf8_lossy(&updated.payload).contains("\"error\""), "{updated:?}");
}

#[test]
fn a_worker_has_no_more_open_requests_than_the_consumer_has_room_for() {
    with_server(|server| async move {
        let cluster = Cluster::connect(server.url()).await.unwrap();
        start_worker(&cluster, "g", 16).await.stop().await;
        let client = async_nats::connect(server.url()).await.unwrap();
        // With one job for each request, the slots need more requests than the 4096 for which a consumer of this library has room.
        limit_consumer(&client, &[("max_batch", 1)]).await;
        let mut refusals = client.subscribe("_INBOX.>").await.unwrap();
        client.flush().await.unwrap();
        let tree = start_worker(&cluster, "g", 5000).await;
        let mut jobs = Vec::new();
        for n in 0..300 {
            jobs.push(cluster.submit(DOUBLE, n).group("g").await.unwrap());
        }
        for (n, job) in (0..).zip(jobs) {
            assert_eq!(job.timeout(LIMIT).await, Ok(2 * n));
        }
        client.flush().await.unwrap();
        let refused = std::iter::from_fn(|| refusals.next().now_or_never().flatten());
        let refused: Vec<_> = refused.filter(|message| message.status.is_some_and(|status| status == 409)).collect();
        assert!(refused.is_empty(), "{} requests: {:?}", refused.len(), refused[0].description);
        tree.stop().await;
    });
}

//! Leases and requests to end a job, while user code blocks all threads of its runtime from the delivery on; and what a worker that stops
//! says of itself.

use std::path::Path;
use std::time::Duration;

use cordial::{Strategy, Supervisor, Task, Timeout};
use cordial_nats::Cluster;

use crate::faults::{submit, wait_runs};
use crate::harness::with_server;
use crate::processes::{self, BLOCK, HOLD, LEASE, OS_PID, Process, RECORD, Record, options, runs};
use crate::proxy::Proxy;

const LIMIT: Duration = Duration::from_secs(40);

/// Returns what the server says of the consumer of the group `g`.
pub(crate) async fn consumer_info(client: &async_nats::Client) -> serde_json::Value {
    let answer = client.request("$JS.API.CONSUMER.INFO.cordial-jobs-g.workers", "".into()).await.unwrap();
    serde_json::from_slice(&answer.payload).unwrap()
}

/// Returns how many jobs of the group `g` are delivered and not acknowledged.
async fn n_delivered(client: &async_nats::Client) -> u64 {
    consumer_info(client).await["num_ack_pending"].as_u64().unwrap()
}

/// Starts a worker of four slots whose two threads are blocked by the jobs 0 and 1. It has asked for two more jobs before.
async fn blocked_worker(cluster: &Cluster, url: &str, log: &Path) -> Process {
    let worker = Process::worker_of("unhelped", url, "blocked", 4);
    for number in 0..2 {
        drop(cluster.submit(HOLD, record(log, number)).group("g").attempts(1).await.unwrap());
    }
    wait_runs(log, 2).await;
    worker
}

fn record(log: &Path, number: u64) -> Record {
    Record { log: log.display().to_string(), number, ms: 0 }
}

#[test]
fn jobs_that_arrive_while_all_threads_are_blocked_keep_their_leases_and_can_be_cancelled() {
    with_server(|server| async move {
        let cluster = Cluster::connect(options(&server.url())).await.unwrap();
        let client = async_nats::connect(server.url()).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("runs");
        let blocked = blocked_worker(&cluster, &server.url(), &log).await;
        let waiting = cluster.submit(OS_PID, ()).group("g").attempts(1).await.unwrap();
        let cancelled = cluster.submit(RECORD, record(&log, 2)).group("g").attempts(1).await.unwrap();
        while n_delivered(&client).await < 4 {}
        // This one runs elsewhere, for longer than the lease.
        let _other = Process::worker(&server.url(), "other", 4);
        for job in submit(&cluster, &log, 3..4, LEASE.as_millis() as u64 * 2).await {
            assert_eq!(job.timeout(LIMIT).await, Ok(3));
        }
        assert!(cancelled.cancel().await.unwrap());
        // The thread that takes the request to end the job answers this one after it.
        while !cluster.nodes().await.unwrap().iter().any(|node| node.name == "blocked") {}
        std::fs::write(processes::release_of(&log), "").unwrap();
        assert_eq!(waiting.timeout(LIMIT).await, Ok(blocked.id()));
        while n_delivered(&client).await > 0 {}
        let numbers: Vec<u64> = runs(&log).iter().map(|(number, _)| *number).collect();
        assert!(!numbers.contains(&2), "the job was cancelled before it had begun: {numbers:?}");
    });
}

#[test]
fn a_worker_asks_for_no_more_jobs_than_it_has_free_slots_while_jobs_wait_in_it() {
    with_server(|server| async move {
        let cluster = Cluster::connect(options(&server.url())).await.unwrap();
        let client = async_nats::connect(server.url()).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("runs");
        let _blocked = blocked_worker(&cluster, &server.url(), &log).await;
        // Two of these wait in the worker until its threads are free.
        let jobs = submit(&cluster, &log, 2..10, 200).await;
        while n_delivered(&client).await < 4 {}
        std::fs::write(processes::release_of(&log), "").unwrap();
        for job in jobs {
            assert!(job.timeout(LIMIT).await.is_ok());
        }
        let delivered = consumer_info(&client).await["delivered"]["consumer_seq"].as_u64();
        assert_eq!(delivered, Some(10), "none of the ten jobs was given back and delivered again");
    });
}

#[test]
fn a_group_whose_worker_was_killed_is_not_served_while_its_job_waits() {
    with_server(|server| async move {
        let cluster = Cluster::connect(options(&server.url())).await.unwrap();
        let client = async_nats::connect(server.url()).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("runs");
        let mut worker = Process::worker(&server.url(), "killed", 1);
        let jobs = submit(&cluster, &log, 0..1, 60_000).await;
        wait_runs(&log, 1).await;
        while consumer_info(&client).await["num_waiting"] != 0 {}
        // All slots of the worker are taken. On a busy machine, its answer may come too late.
        while !cluster.is_served("g").await.unwrap() {}
        worker.kill();
        while cluster.is_served("g").await.unwrap() {}
        assert_eq!(n_delivered(&client).await, 1, "the job waits to be delivered again");
        drop(jobs);
    });
}

#[test]
fn a_run_whose_claim_is_confirmed_after_its_lease_does_not_begin() {
    with_server(|server| async move {
        let cluster = Cluster::connect(options(&server.url())).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let mut errors = Vec::new();
        // On a busy machine, the claim may have reached its limit when its answer arrives. Then it uses up the only attempt.
        for name in ["first", "second", "third"] {
            let proxy = Proxy::start(&server.url());
            let log = dir.path().join(name);
            let _worker = Process::worker(&proxy.url(), name, 1);
            proxy.cut_to_client_after("PUB cordial.attempt.");
            let job = cluster.submit(RECORD, record(&log, 7)).group("g").attempts(1).await.unwrap();
            proxy.wait_sent("PUB cordial.attempt.", 1).await;
            tokio::time::sleep(LEASE + LEASE / 20).await;
            proxy.mend();
            match job.timeout(LIMIT).await {
                Ok(_) => return assert_eq!(runs(&log), [(7, 2)]),
                Err(exit) => errors.push(exit),
            }
        }
        panic!("in none of three tries: {errors:?}");
    });
}

#[test]
fn a_drained_worker_that_is_shut_down_has_its_grace_time() {
    with_server(|server| async move {
        let cluster = Cluster::connect(options(&server.url())).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("runs");
        let worker = cluster.worker(processes::functions()).group("g").slots(1).grace(LIMIT);
        let tree = Supervisor::builder(Strategy::OneForOne).child(worker.child_spec("worker")).start().await.unwrap();
        let job = cluster.submit(RECORD, Record { log: log.display().to_string(), number: 7, ms: 5000 }).group("g");
        let job = job.await.unwrap();
        wait_runs(&log, 1).await;
        assert!(cluster.drain(cluster.name()).await.unwrap());
        while !cluster.nodes().await.unwrap().iter().any(|node| node.is_draining) {}
        assert!(tree.stop().await.is_clean());
        assert_eq!(job.timeout(LIMIT).await, Ok(7));
        assert_eq!(runs(&log).len(), 1);
    });
}

#[test]
fn a_worker_that_stops_says_so_while_it_finishes_a_job() {
    with_server(|server| async move {
        let cluster = Cluster::connect(options(&server.url())).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("runs");
        let worker = cluster.worker(processes::functions()).group("g").slots(2).grace(LIMIT);
        let tree = Supervisor::builder(Strategy::OneForOne).child(worker.child_spec("worker")).start().await.unwrap();
        let is_draining = || async {
            let nodes = cluster.nodes().await.unwrap();
            nodes.first().map(|node| node.is_draining)
        };
        while is_draining().await != Some(false) {}
        let job = cluster.submit(HOLD, record(&log, 7)).group("g").await.unwrap();
        wait_runs(&log, 1).await;
        let stop = Task::spawn(async move { tree.stop().await.is_clean() });
        while is_draining().await != Some(true) {}
        std::fs::write(processes::release_of(&log), "").unwrap();
        assert_eq!(job.timeout(LIMIT).await, Ok(7));
        assert_eq!(stop.timeout(Timeout::Infinity).await, Ok(true));
    });
}

#[test]
fn a_lease_is_kept_while_each_renewal_is_due_before_the_last_one_is_confirmed() {
    with_server(|server| async move {
        let cluster = Cluster::connect(options(&server.url())).await.unwrap();
        let proxy = Proxy::start(&server.url());
        let _far = Process::worker(&proxy.url(), "far", 1);
        let job = cluster.submit(BLOCK, LEASE.as_millis() as u64 * 3).group("g").attempts(1).await.unwrap();
        while cluster.nodes().await.unwrap().iter().all(|node| node.running == 0) {}
        proxy.delay_to_server(LEASE * 2 / 5);
        let _near = Process::worker(&server.url(), "near", 1);
        assert_eq!(job.timeout(LIMIT).await, Ok(LEASE.as_millis() as u64 * 3));
    });
}

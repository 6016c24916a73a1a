//! Leases and requests to end a job, while user code blocks all threads of its runtime from the delivery on; and what a worker that stops
//! says of itself.

use std::path::Path;
use std::time::Duration;

use cordial::{Strategy, Supervisor, Task};
use cordial_nats::Cluster;

use crate::faults::{submit, wait_runs};
use crate::harness::{LIMIT, in_several_tries, wait_node, wait_until, with_server};
use crate::processes::{self, HOLD, OS_PID, Process, RECORD, Record, options, runs};
use crate::proxy::Proxy;

/// The lease of a worker whose threads are blocked. If it were shorter, messages that wait for two seconds would count as late.
const LONG_LEASE: Duration = Duration::from_secs(10);

/// Returns what the server says of the consumer of the group `g`.
pub(crate) async fn consumer_info(client: &async_nats::Client) -> serde_json::Value {
    let answer = client.request("$JS.API.CONSUMER.INFO.cordial-jobs-g.workers", "".into()).await.unwrap();
    serde_json::from_slice(&answer.payload).unwrap()
}

/// Waits until the server has delivered jobs of the group `g` this many times.
pub(crate) async fn wait_deliveries(client: &async_nats::Client, n: u64) {
    wait_until(&format!("{n} deliveries"), || async {
        consumer_info(client).await["delivered"]["consumer_seq"].as_u64() >= Some(n)
    })
    .await;
}

/// Waits until this many jobs of the group `g` are delivered and not acknowledged.
async fn wait_pending(client: &async_nats::Client, n: u64) {
    wait_until(&format!("{n} jobs are delivered and not acknowledged"), || async {
        consumer_info(client).await["num_ack_pending"] == n
    })
    .await;
}

/// Starts a worker of four slots whose two threads are blocked by the jobs 0 and 1. It has asked for two more jobs before.
async fn blocked_worker(cluster: &Cluster, url: &str, log: &Path) -> Process {
    let worker = Process::worker_of("unhelped", LONG_LEASE, url, "blocked", 4);
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
        wait_pending(&client, 4).await;
        // This one runs elsewhere, for longer than the lease.
        let _other = Process::worker_of("worker", LONG_LEASE, &server.url(), "other", 4);
        for job in submit(&cluster, &log, 3..4, LONG_LEASE.as_millis() as u64 * 6 / 5).await {
            assert_eq!(job.timeout(LIMIT).await, Ok(3));
        }
        assert!(cancelled.cancel().await.unwrap());
        // The thread that takes the request to end the job answers this one after it.
        wait_node(&cluster, "blocked").await;
        std::fs::write(processes::release_of(&log), "").unwrap();
        assert_eq!(waiting.timeout(LIMIT).await, Ok(blocked.id()));
        wait_pending(&client, 0).await;
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
        wait_pending(&client, 4).await;
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
        let asks_for_none = || async { consumer_info(&client).await["num_waiting"] == 0 };
        wait_until("the worker asks for no job", asks_for_none).await;
        // All slots of the worker are taken. On a busy machine, its answer may come too late.
        let is_served = || async { cluster.is_served("g").await.unwrap() };
        wait_until("the group is served", is_served).await;
        worker.kill();
        wait_until("the group is not served", || async { !is_served().await }).await;
        // It waits to be delivered again.
        wait_pending(&client, 1).await;
        drop(jobs);
    });
}

#[test]
fn a_run_whose_claim_is_confirmed_after_its_lease_does_not_begin() {
    with_server(|server| async move {
        // A claim waits for its answer for 2.8 s.
        let lease = Duration::from_millis(1500);
        let cluster = Cluster::connect(options(&server.url())).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        // On a busy machine, the claim may have reached its limit when its answer arrives. Then it uses up the only attempt.
        in_several_tries(|number| {
            let (server, cluster, log) = (&server, &cluster, dir.path().join(number.to_string()));
            async move {
                let proxy = Proxy::start(&server.url());
                let _worker = Process::worker_of("worker", lease, &proxy.url(), &number.to_string(), 1);
                proxy.cut_to_client_after("PUB cordial.attempt.");
                let job = cluster.submit(RECORD, record(&log, 7)).group("g").attempts(1).await.unwrap();
                proxy.wait_sent("PUB cordial.attempt.", 1).await;
                tokio::time::sleep(lease + Duration::from_millis(150)).await;
                proxy.mend();
                job.timeout(LIMIT).await.map_err(|exit| exit.to_string())?;
                // A second run whose lease is lost before it begins uses up no attempt either.
                assert!(matches!(*runs(&log), [(7, 2..)]), "{:?}", runs(&log));
                Ok(())
            }
        })
        .await;
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
        let is_draining = || async { wait_node(&cluster, cluster.name()).await.is_draining };
        wait_until("the node drains", is_draining).await;
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
        assert!(!wait_node(&cluster, cluster.name()).await.is_draining);
        let job = cluster.submit(HOLD, record(&log, 7)).group("g").await.unwrap();
        wait_runs(&log, 1).await;
        let stop = Task::spawn(async move { tree.stop().await.is_clean() });
        let is_draining = || async { wait_node(&cluster, cluster.name()).await.is_draining };
        wait_until("the node drains", is_draining).await;
        std::fs::write(processes::release_of(&log), "").unwrap();
        assert_eq!(job.timeout(LIMIT).await, Ok(7));
        assert_eq!(stop.timeout(LIMIT).await, Ok(true));
    });
}

#[test]
fn a_lease_is_kept_while_each_renewal_is_due_before_the_last_one_is_confirmed() {
    with_server(|server| async move {
        let lease = Duration::from_secs(8);
        let cluster = Cluster::connect(options(&server.url())).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("runs");
        let proxy = Proxy::start(&server.url());
        let start = |name, url: String| Process::worker_of("worker", lease, &url, name, 1);
        let _far = start("far", proxy.url());
        let job = cluster.submit(HOLD, record(&log, 7)).group("g").attempts(1).await.unwrap();
        wait_runs(&log, 1).await;
        proxy.delay_to_server(lease * 7 / 20);
        let _near = start("near", server.url());
        // A renewal is sent after each third of the lease.
        proxy.wait_sent("+WPI", 4).await;
        // Without a delay, the result arrives within the limit of its request.
        proxy.delay_to_server(Duration::ZERO);
        std::fs::write(processes::release_of(&log), "").unwrap();
        assert_eq!(job.timeout(LIMIT).await, Ok(7));
        assert_eq!(runs(&log), [(7, 1)]);
    });
}

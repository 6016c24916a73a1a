//! The server has forgotten that it has delivered a job, and delivers it again while it runs.
//!
//! A server that is killed forgets its last deliveries. So does a consumer that is deleted and made again, and that needs no luck with the moment.

use std::path::Path;
use std::time::Duration;

use cordial::{Strategy, Supervisor};
use cordial_nats::{Cluster, Options};

use crate::faults::wait_runs;
use crate::harness::{LIMIT, with_server};
use crate::leases::wait_deliveries;
use crate::processes::{HOLD, LEASE, LINGER, Process, RECORD, Record, functions, options, release_of, runs};

/// Deletes the consumer of the group `g`, and waits until a worker has made it again and got the job again.
async fn forget_deliveries(url: &str) {
    let client = async_nats::connect(url).await.unwrap();
    client.request("$JS.API.CONSUMER.DELETE.cordial-jobs-g.workers", "".into()).await.unwrap();
    wait_deliveries(&client, 1).await;
}

fn record(log: &Path) -> Record {
    Record { log: log.display().to_string(), number: 7, ms: 0 }
}

#[test]
fn a_job_that_its_worker_gets_again_while_it_runs_is_not_run_twice() {
    with_server(|server| async move {
        let cluster = Cluster::connect(options(&server.url())).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("runs");
        // A renewal fails while there is no consumer, and the next one has to arrive before the lease is over.
        let lease = LEASE * 2;
        let _worker = Process::worker_of("worker", lease, &server.url(), "alone", 2);
        let job = cluster.submit(HOLD, record(&log)).group("g").await.unwrap();
        wait_runs(&log, 1).await;
        forget_deliveries(&server.url()).await;
        tokio::time::sleep(lease * 6 / 5).await;
        std::fs::write(release_of(&log), "").unwrap();
        assert_eq!(job.timeout(LIMIT).await, Ok(7));
        assert_eq!(runs(&log), [(7, 1)]);
    });
}

#[test]
fn a_job_that_another_worker_gets_while_it_runs_is_left_to_the_first_one() {
    with_server(|server| async move {
        let cluster = Cluster::connect(options(&server.url())).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("runs");
        let _busy = Process::worker(&server.url(), "busy", 1);
        // Without another attempt: a claim of the other worker would make the job a dead letter.
        let job = cluster.submit(HOLD, record(&log)).group("g").attempts(1).await.unwrap();
        wait_runs(&log, 1).await;
        let _free = Process::worker(&server.url(), "free", 1);
        forget_deliveries(&server.url()).await;
        tokio::time::sleep(LEASE * 6 / 5).await;
        std::fs::write(release_of(&log), "").unwrap();
        assert_eq!(job.timeout(LIMIT).await, Ok(7));
        assert_eq!(runs(&log), [(7, 1)]);
        assert_eq!(cluster.dead_letters("g").await.unwrap(), []);
    });
}

#[test]
fn a_job_that_was_left_to_another_worker_runs_when_that_one_has_lost_its_lease() {
    with_server(|server| async move {
        let cluster = Cluster::connect(options(&server.url())).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("runs");
        let mut busy = Process::worker(&server.url(), "busy", 1);
        // On a busy machine, a lease may run out between its claim and the run, which uses up an attempt.
        let job = cluster.submit(LINGER, record(&log)).group("g").attempts(5).await.unwrap();
        wait_runs(&log, 1).await;
        let _free = Process::worker(&server.url(), "free", 1);
        forget_deliveries(&server.url()).await;
        tokio::time::sleep(LEASE * 6 / 5).await;
        assert_eq!(runs(&log), [(7, 1)], "the first worker still renews its lease");
        busy.kill();
        assert_eq!(job.timeout(LIMIT).await, Ok(7));
        assert!(matches!(*runs(&log), [(7, 1), (7, 2..)]), "{:?}", runs(&log));
    });
}

/// A server that was killed counts the lease of a delivery from the submit of the job. So the job is delivered again early, with the next
/// number. `-NAK` brings about the same.
#[test]
fn a_job_that_is_delivered_again_early_is_left_to_the_worker_that_runs_it() {
    with_server(|server| async move {
        let cluster = Cluster::connect(options(&server.url())).await.unwrap();
        let client = async_nats::connect(server.url()).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("runs");
        let _busy = Process::worker(&server.url(), "busy", 1);
        let job = cluster.submit(HOLD, record(&log)).group("g").attempts(2).await.unwrap();
        wait_runs(&log, 1).await;
        let _free = Process::worker(&server.url(), "free", 1);
        for n in 2..5 {
            client.publish("$JS.ACK.cordial-jobs-g.workers.1.1.1.0.0", "-NAK".into()).await.unwrap();
            wait_deliveries(&client, n).await;
        }
        // The last delivery is answered by then: the other worker has asked whether the lease holds.
        tokio::time::sleep(LEASE * 6 / 5).await;
        std::fs::write(release_of(&log), "").unwrap();
        assert_eq!(job.timeout(LIMIT).await, Ok(7));
        assert_eq!(runs(&log), [(7, 1)]);
    });
}

#[test]
fn a_job_that_its_worker_has_got_again_is_given_back_at_once_when_the_worker_stops() {
    with_server(|server| async move {
        // The lease is longer than the test.
        let options = || Options::new(server.url()).lease(LIMIT * 10);
        let cluster = Cluster::connect(options()).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("runs");
        let start = || async {
            let worker = cluster.worker(functions()).group("g").slots(2).grace(Duration::ZERO);
            let tree = Supervisor::builder(Strategy::OneForOne).child(worker.child_spec("worker"));
            tree.start().await.unwrap()
        };
        let first = start().await;
        // The number of a delivery in the new consumer is smaller than that of the forgotten one.
        for _ in 0..3 {
            let job = cluster.submit(RECORD, record(&dir.path().join("other"))).group("g");
            assert_eq!(job.await.unwrap().timeout(LIMIT).await, Ok(7));
        }
        let job = cluster.submit(LINGER, record(&log)).group("g").await.unwrap();
        wait_runs(&log, 1).await;
        forget_deliveries(&server.url()).await;
        first.stop().await;
        let second = start().await;
        assert_eq!(job.timeout(LIMIT).await, Ok(7));
        assert_eq!(runs(&log), [(7, 1), (7, 2)]);
        second.stop().await;
    });
}

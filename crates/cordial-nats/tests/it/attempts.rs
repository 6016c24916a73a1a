//! What counts as an attempt: a run that has begun, and not a delivery.

use std::time::{Duration, Instant};

use cordial_nats::{Cluster, Options, UnknownJob};
use futures_util::StreamExt;

use crate::functions::ATTEMPT;
use crate::harness::with_server;
use crate::jobs::start_worker;
use crate::processes::{LEASE, Process, RECORD, Record, options, runs};
use crate::proxy::Proxy;

const LIMIT: Duration = Duration::from_secs(40);

#[test]
fn a_stop_of_a_worker_uses_up_no_attempt() {
    with_server(|server| async move {
        let cluster = Cluster::connect(options(&server.url())).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("runs");
        let record = |ms| Record { log: log.display().to_string(), number: 7, ms };
        let job = cluster.submit(RECORD, record(60_000)).group("g").key("long").attempts(1).await.unwrap();
        // Two workers stop while they run it. The grace of these workers is 200 ms.
        for n in 0..2 {
            let mut worker = Process::worker(&server.url(), &format!("stops-{n}"), 1);
            while runs(&log).len() <= n {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            worker.signal("TERM");
            worker.wait_end();
        }
        let _third = Process::worker(&server.url(), "third", 1);
        while runs(&log).len() < 3 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(runs(&log), [(7, 1), (7, 2), (7, 3)], "each run has its own number");
        assert_eq!(cluster.dead_letters("g").await.unwrap(), []);
        assert!(job.cancel().await.unwrap());
    });
}

#[test]
fn runs_are_counted_after_the_server_has_dropped_their_claims() {
    with_server(|server| async move {
        // Claims are kept as long as results, and the delays between the attempts are longer.
        let (kept, delay) = (Duration::from_secs(1), Duration::from_secs(2));
        let cluster = Cluster::connect(options(&server.url()).keep_results(kept)).await.unwrap();
        let tree = start_worker(&cluster, "g", 1).await;
        for good in [3, 9] {
            let job = cluster.submit(ATTEMPT, good).group("g").attempts(3).backoff(delay, delay).await.unwrap();
            let result = job.timeout(LIMIT).await;
            if good == 3 {
                assert_eq!(result, Ok(3));
            } else {
                let exit = result.unwrap_err().to_string();
                assert!(exit.ends_with("failed: attempt 3 is not 9"), "{exit}");
            }
        }
        tree.stop().await;
    });
}

#[test]
fn a_job_that_has_waited_for_long_has_its_attempt_after_it_was_given_back() {
    with_server(|server| async move {
        let kept = Duration::from_secs(5);
        let cluster = Cluster::connect(options(&server.url()).keep_results(kept)).await.unwrap();
        // The worker makes the consumer.
        start_worker(&cluster, "g", 1).await.stop().await;
        let pause = Duration::from_millis(1);
        let job = cluster.submit(ATTEMPT, 1).group("g").attempts(1).backoff(pause, pause).await.unwrap();
        give_back(&server.url()).await;
        tokio::time::sleep(kept).await;
        let tree = start_worker(&cluster, "g", 1).await;
        assert_eq!(job.timeout(LIMIT).await, Ok(1));
        tree.stop().await;
    });
}

/// Takes a job of the group `g` and gives it back, as a worker does that stops before the run begins.
async fn give_back(url: &str) {
    let client = async_nats::connect(url).await.unwrap();
    let inbox = client.new_inbox();
    let mut deliveries = client.subscribe(inbox.clone()).await.unwrap();
    let next = "$JS.API.CONSUMER.MSG.NEXT.cordial-jobs-g.workers";
    client.publish_with_reply(next, inbox, "1".into()).await.unwrap();
    let delivered = deliveries.next().await.unwrap();
    client.publish(delivered.reply.unwrap(), "-NAK".into()).await.unwrap();
    client.flush().await.unwrap();
}

#[test]
fn the_last_claim_is_found_beside_more_pieces_than_the_server_lists_at_once() {
    with_server(|server| async move {
        let cluster = Cluster::connect(options(&server.url())).await.unwrap();
        start_worker(&cluster, "g", 1).await.stop().await;
        let job = cluster.submit(ATTEMPT, 4).group("g").key("k").attempts(1).await.unwrap();
        give_back(&server.url()).await;
        let client = async_nats::connect(server.url()).await.unwrap();
        for n in 0..100_001 {
            client.publish(format!("cordial.attempt.g.key.k.1-{n}"), "".into()).await.unwrap();
        }
        // The claims of an earlier job with the same key. The first two have expired.
        client.request("cordial.attempt.g.key.k.3-claim", "{}".into()).await.unwrap();
        let tree = start_worker(&cluster, "g", 1).await;
        assert_eq!(job.timeout(LIMIT).await, Ok(4));
        tree.stop().await;
    });
}

#[test]
fn a_claim_whose_answer_is_lost_is_not_made_twice() {
    with_server(|server| async move {
        // The default lease is longer than a request waits for its answer.
        let cluster = Cluster::connect(Options::new(server.url())).await.unwrap();
        // The worker makes the consumer.
        start_worker(&cluster, "g", 1).await.stop().await;
        let job = cluster.submit(ATTEMPT, 1).group("g").attempts(1).await.unwrap();
        // The claim of a later delivery begins with a look for earlier claims.
        give_back(&server.url()).await;
        let proxy = Proxy::start(&server.url());
        let behind = Cluster::connect(Options::new(proxy.url())).await.unwrap();
        proxy.cut_to_client_after("PUB cordial.attempt.");
        let tree = start_worker(&behind, "g", 1).await;
        proxy.wait_sent("PUB cordial.attempt.", 1).await;
        // The worker looks at the streams again when it does not wait for the answer any more.
        let look = "STREAM.INFO.cordial-results";
        proxy.wait_sent(look, proxy.n_sent(look) + 1).await;
        proxy.mend();
        assert_eq!(job.timeout(LIMIT).await, Ok(1));
        tree.stop().await;
    });
}

#[test]
fn a_delivery_to_a_frozen_worker_is_no_attempt_and_does_not_run_after_the_thaw() {
    with_server(|server| async move {
        let cluster = Cluster::connect(options(&server.url())).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("runs");
        let record = |number| Record { log: log.display().to_string(), number, ms: 0 };
        let frozen = Process::worker(&server.url(), "frozen", 1);
        while !cluster.is_served("g").await.unwrap() {}
        frozen.signal("STOP");
        // The frozen worker has asked for a job, and gets this one.
        let job = cluster.submit(RECORD, record(1)).group("g").attempts(1).await.unwrap();
        let started = Instant::now();
        let mut other = Process::worker(&server.url(), "other", 1);
        assert_eq!(job.timeout(LIMIT).await, Ok(1));
        assert!(started.elapsed() > LEASE / 2, "it was delivered to the frozen worker first");
        other.signal("TERM");
        other.wait_end();
        frozen.signal("CONT");
        // The worker has looked at what has arrived before it runs another job.
        let job = cluster.submit(RECORD, record(2)).group("g").attempts(1).await.unwrap();
        assert_eq!(job.timeout(LIMIT).await, Ok(2));
        assert_eq!(runs(&log), [(1, 1), (2, 1)]);
    });
}

#[test]
fn a_job_that_was_lost_after_it_had_begun_has_all_its_attempts_when_it_is_submitted_again() {
    with_server(|server| async move {
        let cluster = Cluster::connect(options(&server.url())).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("runs");
        let record = |ms| Record { log: log.display().to_string(), number: 7, ms };
        let submit = |ms| cluster.submit(RECORD, record(ms)).group("g").key("k").attempts(1);
        let job = submit(60_000).await.unwrap();
        let mut worker = Process::worker(&server.url(), "killed", 1);
        while runs(&log).is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        worker.kill();
        let client = async_nats::connect(server.url()).await.unwrap();
        client.request("$JS.API.STREAM.DELETE.cordial-jobs-g", "".into()).await.unwrap();
        let exit = job.timeout(LIMIT).await.unwrap_err();
        assert!(exit.downcast_ref::<UnknownJob>().is_some(), "{exit}");
        // What the error advises.
        let job = submit(0).await.unwrap();
        let _other = Process::worker(&server.url(), "other", 1);
        assert_eq!(job.timeout(LIMIT).await, Ok(7));
        assert_eq!(runs(&log), [(7, 1), (7, 2)], "each run has its own number");
        assert_eq!(cluster.dead_letters("g").await.unwrap(), []);
    });
}

#[test]
fn a_job_that_is_submitted_again_after_a_restart_of_the_server_does_not_run_again() {
    with_server(|mut server| async move {
        let cluster = Cluster::connect(options(&server.url())).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("runs");
        let record = |number| Record { log: log.display().to_string(), number, ms: 0 };
        let client = async_nats::connect(server.url()).await.unwrap();
        let mut submits = client.subscribe("cordial.job.>").await.unwrap();
        client.flush().await.unwrap();
        let worker = Process::worker(&server.url(), "first", 1);
        assert_eq!(cluster.submit(RECORD, record(7)).group("g").await.unwrap().timeout(LIMIT).await, Ok(7));
        // The result arrives before the job leaves its stream.
        loop {
            let info = client.request("$JS.API.STREAM.INFO.cordial-jobs-g", "".into()).await.unwrap();
            if String::from_utf8_lossy(&info.payload).contains("\"messages\":0") {
                break;
            }
        }
        drop(worker);
        server.kill();
        server.restart();
        // As a submitter does whose answer was lost. The server has forgotten the message id with the job.
        let submit = submits.next().await.unwrap();
        let (headers, payload) = (submit.headers.unwrap(), submit.payload);
        let client = async_nats::connect(server.url()).await.unwrap();
        let answer = client.request_with_headers(submit.subject, headers, payload).await.unwrap();
        assert!(!String::from_utf8_lossy(&answer.payload).contains("duplicate"), "{answer:?}");
        let _second = Process::worker(&server.url(), "second", 1);
        let last = cluster.submit(RECORD, record(8)).group("g").await.unwrap();
        assert_eq!(last.timeout(LIMIT).await, Ok(8));
        assert_eq!(runs(&log), [(7, 1), (8, 1)]);
    });
}

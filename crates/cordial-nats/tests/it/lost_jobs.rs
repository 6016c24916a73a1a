//! Jobs that the server has accepted and then lost. Each wait for such a job returns an error that says that the job is unknown.

use std::path::Path;
use std::time::{Duration, Instant};

use cordial::{Exit, Strategy, Supervisor};
use cordial_nats::{Cluster, Job, JobId, UnknownJob};
use serde_json::{Value, json};

use crate::functions::{DOUBLE, SLEEP};
use crate::harness::{LIMIT, Server, wait_running, with_server, within};
use crate::jobs::start_worker;
use crate::leases::wait_deliveries;
use crate::processes::{self, HOLD, RECORD, Record, release_of};

/// Sends a request of the API, as an operator does, and returns the answer.
async fn operate(server: &Server, subject: &str, body: Value) -> Value {
    let client = async_nats::connect(server.url()).await.unwrap();
    let answer = client.request(format!("$JS.API.{subject}"), body.to_string().into()).await.unwrap();
    let answer: Value = serde_json::from_slice(&answer.payload).unwrap();
    assert!(answer["error"].is_null(), "{subject}: {answer}");
    answer
}

fn unknown(exit: &Exit) -> &UnknownJob {
    let Exit::Error(error) = exit else { panic!("{exit}") };
    error.downcast_ref().unwrap_or_else(|| panic!("{exit}"))
}

/// Asserts that the wait says that the job was lost.
async fn assert_lost(job: Job<u64>) {
    let id = job.id().clone();
    let exit = job.timeout(LIMIT).await.unwrap_err();
    assert!(unknown(&exit).was_accepted(), "{exit}");
    assert_eq!(*unknown(&exit).id(), id);
    assert!(exit.to_string().contains("submit the job again"), "{exit}");
}

#[test]
fn each_wait_for_a_job_is_answered_after_the_server_has_lost_its_store() {
    with_server(|mut server| async move {
        let cluster = Cluster::connect(server.url()).await.unwrap();
        let waits = cluster.submit(DOUBLE, 1).group("g").await.unwrap();
        let keyed = cluster.submit(DOUBLE, 1).group("g").key("k").await.unwrap();
        let again = cluster.submit(DOUBLE, 1).group("g").key("k").await.unwrap();
        server.kill();
        server.lose_store();
        server.restart();
        for job in [waits, keyed, again] {
            assert_lost(job).await;
        }
        // What the error advises.
        let job = cluster.submit(DOUBLE, 4).group("g").key("k").await.unwrap();
        let tree = start_worker(&cluster, "g", 1).await;
        assert_eq!(job.timeout(LIMIT).await, Ok(8));
        tree.stop().await;
    });
}

#[test]
fn each_wait_is_answered_after_an_operator_has_removed_its_job() {
    with_server(|server| async move {
        let cluster = Cluster::connect(server.url()).await.unwrap();
        let job = |group: &'static str| cluster.submit(DOUBLE, 1).group(group);
        let (purged, deleted, made_again) = (job("a").await.unwrap(), job("b").await.unwrap(), job("c").await.unwrap());
        let (kept, removed) = (job("d").await.unwrap(), job("d").await.unwrap());
        operate(&server, "STREAM.PURGE.cordial-jobs-a", json!({})).await;
        operate(&server, "STREAM.DELETE.cordial-jobs-b", json!({})).await;
        operate(&server, "STREAM.DELETE.cordial-jobs-c", json!({})).await;
        let tree = start_worker(&cluster, "c", 1).await;
        operate(&server, "STREAM.MSG.DELETE.cordial-jobs-d", json!({ "seq": 2 })).await;
        for job in [purged, deleted, made_again, removed] {
            assert_lost(job).await;
        }
        tree.stop().await;
        // The other jobs of the stream still wait.
        let tree = start_worker(&cluster, "d", 1).await;
        assert_eq!(kept.timeout(LIMIT).await, Ok(2));
        tree.stop().await;
    });
}

#[test]
fn a_lost_job_with_a_key_is_kept_when_it_is_submitted_again_at_once() {
    with_server(|server| async move {
        let cluster = Cluster::connect(server.url()).await.unwrap();
        let submit = || cluster.submit(DOUBLE, 1).group("g").key("k");
        let first = submit().await.unwrap();
        operate(&server, "STREAM.PURGE.cordial-jobs-g", json!({})).await;
        // The stream still knows the message id of the first one.
        let again = submit().await.unwrap();
        let third = submit().await.unwrap();
        let tree = start_worker(&cluster, "g", 1).await;
        for job in [first, again, third] {
            assert_eq!(job.timeout(LIMIT).await, Ok(2));
        }
        tree.stop().await;
    });
}

#[test]
fn a_job_that_waits_and_one_that_runs_are_not_lost() {
    with_server(|server| async move {
        let cluster = Cluster::connect(server.url()).await.unwrap();
        let tree = start_worker(&cluster, "g", 1).await;
        // Both waits look at the server, more than once, before there is a result.
        let runs = cluster.submit(SLEEP, 9_000).group("g").await.unwrap();
        let waits = cluster.submit(DOUBLE, 3).group("g").await.unwrap();
        let attached = cluster.attach(SLEEP, runs.id());
        assert_eq!(attached.timeout(LIMIT).await, Ok(9_000));
        assert_eq!(runs.timeout(LIMIT).await, Ok(9_000));
        assert_eq!(waits.timeout(LIMIT).await, Ok(6));
        tree.stop().await;
    });
}

#[test]
fn an_attach_to_a_job_that_never_was_is_answered_at_once() {
    with_server(|server| async move {
        let cluster = Cluster::connect(server.url()).await.unwrap();
        for group in ["none", "g"] {
            let _ = cluster.submit(DOUBLE, 1).group("g").await.unwrap();
            let id = JobId::keyed(group, "never").unwrap();
            // A wait that relied on its subscription would look after 4 s.
            let exit = within(Duration::from_secs(3), || cluster.attach(DOUBLE, &id).timeout(LIMIT)).await.unwrap_err();
            assert!(!unknown(&exit).was_accepted(), "{exit}");
            assert!(exit.to_string().contains("never submitted"), "{exit}");
        }
    });
}

#[test]
fn a_fleet_works_on_after_an_operator_has_deleted_its_streams() {
    with_server(|server| async move {
        let cluster = Cluster::connect(server.url()).await.unwrap();
        let tree = start_worker(&cluster, "g", 2).await;
        assert_eq!(cluster.submit(DOUBLE, 1).group("g").await.unwrap().timeout(LIMIT).await, Ok(2));
        for stream in ["cordial-results", "cordial-dead"] {
            operate(&server, &format!("STREAM.DELETE.{stream}"), json!({})).await;
        }
        assert_eq!(cluster.dead_letters("g").await.unwrap(), []);
        let keyed = cluster.submit(DOUBLE, 2).group("g").key("k").await.unwrap();
        assert_eq!(keyed.timeout(LIMIT).await, Ok(4));
        operate(&server, "STREAM.DELETE.cordial-results", json!({})).await;
        operate(&server, "STREAM.DELETE.cordial-jobs-g", json!({})).await;
        let id = JobId::keyed("g", "gone").unwrap();
        assert!(cluster.cancel(&id).await.unwrap(), "its result says that it is cancelled");
        assert_eq!(cluster.submit(DOUBLE, 3).group("g").await.unwrap().timeout(LIMIT).await, Ok(6));
        tree.stop().await;
    });
}

#[test]
fn calls_are_served_while_the_stream_of_the_jobs_cannot_be_used() {
    with_server(|server| async move {
        let cluster = Cluster::connect(server.url()).await.unwrap();
        let worker = cluster.worker(processes::functions()).group("g").slots(1);
        let tree = Supervisor::builder(Strategy::OneForOne).child(worker.child_spec("worker")).start().await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let held = dir.path().join("held");
        let record = |log: &Path, number| Record { log: log.display().to_string(), number, ms: 0 };
        let call = cluster.call(HOLD, record(&held, 1)).timeout(LIMIT);
        wait_running(&cluster, 1).await;
        // The worker gives this job back, which then has the next free slot.
        let _job = cluster.submit(RECORD, record(&dir.path().join("job"), 2)).group("g").await.unwrap();
        let client = async_nats::connect(server.url()).await.unwrap();
        wait_deliveries(&client, 1).await;
        let mut config = operate(&server, "STREAM.INFO.cordial-jobs-g", Value::Null).await["config"].take();
        config["discard_new_per_subject"] = false.into();
        operate(&server, "STREAM.UPDATE.cordial-jobs-g", config).await;
        // The worker loses its requests for jobs, and finds a stream with other settings.
        operate(&server, "CONSUMER.DELETE.cordial-jobs-g.workers", json!({})).await;
        std::fs::write(release_of(&held), "").unwrap();
        assert_eq!(call.await, Ok(1));
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(1) {
            let call = cluster.call(RECORD, record(&dir.path().join("calls"), 4));
            assert_eq!(call.timeout(LIMIT).await, Ok(4));
        }
        tree.stop().await;
    });
}

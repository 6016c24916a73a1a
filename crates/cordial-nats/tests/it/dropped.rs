//! Futures that are dropped before they return, and jobs that are cancelled. Their requests do not continue.

use std::future::IntoFuture;
use std::path::Path;
use std::time::Duration;

use cordial::Task;
use cordial_nats::{Cluster, Submit};
use serde_json::Value;

use crate::faults::wait_runs;
use crate::functions::{DOUBLE, SLEEP};
use crate::harness::{LIMIT, Server, in_several_tries, next_message, wait_until, with_server};
use crate::jobs::start_worker;
use crate::processes::{HOLD, Process, RECORD, Record, options, release_of};
use crate::proxy::Proxy;

/// Submits while the server is frozen, and drops the future before the server has answered.
async fn submit_and_drop(server: &Server, submit: Submit<u64, u64>) {
    server.signal("STOP");
    let submit = tokio::time::timeout(Duration::from_millis(300), submit.into_future()).await;
    assert!(submit.is_err(), "the server was frozen");
    server.signal("CONT");
}

/// Returns the number of messages that the stream of the jobs has, and has had.
async fn counts(server: &Server) -> (u64, u64) {
    let client = async_nats::connect(server.url()).await.unwrap();
    let answer = client.request("$JS.API.STREAM.INFO.cordial-jobs-g", "".into()).await.unwrap();
    let info: Value = serde_json::from_slice(&answer.payload).unwrap();
    (info["state"]["messages"].as_u64().unwrap(), info["state"]["last_seq"].as_u64().unwrap())
}

#[test]
fn a_submit_that_is_dropped_before_its_answer_is_cancelled() {
    with_server(|server| async move {
        let cluster = Cluster::connect(server.url()).await.unwrap();
        let first = cluster.submit(DOUBLE, 1).group("g").await.unwrap();
        submit_and_drop(&server, cluster.submit(DOUBLE, 2).group("g")).await;
        let is_cancelled = || async { counts(&server).await == (1, 2) };
        wait_until("the server gets the job, and then its end", is_cancelled).await;
        let tree = start_worker(&cluster, "g", 1).await;
        assert_eq!(first.timeout(LIMIT).await, Ok(2));
        tree.stop().await;
    });
}

#[test]
fn a_submit_that_is_dropped_at_the_end_of_the_program_is_cancelled() {
    with_server(|server| async move {
        let server = &server;
        // A program waits for its cancellations for a second, which a busy machine may use up.
        in_several_tries(|number| async move {
            // The first program makes the streams.
            let before = if number == 1 { 0 } else { counts(server).await.0 };
            let mut program = Process::start("drops", &server.url(), "drops", "");
            let n_accepted: u64 = program.wait_line("dropped").expect("it submits").parse().unwrap();
            program.wait_end();
            let is_gone = || async { server.connection("drops").is_none() };
            wait_until("the server has handled all that the program has sent", is_gone).await;
            // The last job may have arrived, and its cancellation may still be under way in the server.
            let mut left = 0;
            for _ in 0..200 {
                left = counts(server).await.0.saturating_sub(before);
                if left == n_accepted {
                    return Ok(());
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Err(format!("{n_accepted} jobs were accepted, and {left} are left"))
        })
        .await;
    });
}

#[test]
fn the_jobs_in_flight_of_a_stream_that_is_dropped_are_ended() {
    with_server(|server| async move {
        let cluster = Cluster::connect(server.url()).await.unwrap();
        let tree = start_worker(&cluster, "g", 3).await;
        let n_running = async || cluster.nodes().await.unwrap().iter().map(|node| node.running).sum::<usize>();
        // Three of them run, and one waits.
        let stream = cluster.async_stream(SLEEP, vec![60_000; 9]).group("g").timeout(2 * LIMIT).max_concurrency(4);
        let results = Task::spawn(stream.collect());
        let has_begun = || async { n_running().await == 3 && counts(&server).await.1 == 4 };
        wait_until("three jobs run and one waits", has_begun).await;
        drop(results);
        let has_ended = || async { n_running().await == 0 && counts(&server).await == (0, 4) };
        wait_until("no job is left", has_ended).await;
        tree.stop().await;
    });
}

#[test]
fn a_submit_with_a_key_that_is_dropped_is_found_by_its_key() {
    with_server(|server| async move {
        let cluster = Cluster::connect(server.url()).await.unwrap();
        let _first = cluster.submit(DOUBLE, 1).group("g").await.unwrap();
        let keyed = || cluster.submit(DOUBLE, 2).group("g").key("k");
        // The submit looks for a result of an earlier job first, so it is dropped after that.
        let mut submit = Box::pin(keyed().into_future());
        let send = async {
            while counts(&server).await != (2, 2) {
                let _ = tokio::time::timeout(Duration::from_micros(50), &mut submit).await;
            }
        };
        tokio::time::timeout(LIMIT, send).await.expect("the job is sent");
        drop(submit);
        let job = keyed().await.unwrap();
        let tree = start_worker(&cluster, "g", 1).await;
        assert_eq!(job.timeout(LIMIT).await, Ok(4));
        // The worker acknowledges a job after it has sent the result.
        let is_settled = || async { counts(&server).await == (0, 2) };
        wait_until("one job, which was not cancelled, is acknowledged", is_settled).await;
        tree.stop().await;
    });
}

#[test]
fn a_call_that_is_dropped_before_its_node_has_accepted_it_is_ended_there() {
    with_server(|server| async move {
        let cluster = Cluster::connect(options(&server.url())).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("runs");
        let worker = Process::worker(&server.url(), "frozen", 1);
        let record = |ms| Record { log: log.display().to_string(), number: 7, ms };
        assert_eq!(cluster.call(RECORD, record(0)).await, Ok(7));
        let client = async_nats::connect(server.url()).await.unwrap();
        let mut calls = client.subscribe("cordial.call.>").await.unwrap();
        client.flush().await.unwrap();
        worker.signal("STOP");
        let call = cluster.call(RECORD, record(60_000));
        // The server sends a copy of the call to this client.
        next_message(&mut calls, "the call is sent").await;
        drop(call);
        worker.signal("CONT");
        wait_runs(&log, 2).await;
        // Its only slot is free again.
        assert_eq!(cluster.call(RECORD, record(0)).timeout(LIMIT).await, Ok(7));
    });
}

#[test]
fn a_job_without_a_key_that_arrives_at_a_worker_while_it_is_cancelled_is_ended_there() {
    with_server(|server| async move {
        let proxy = Proxy::start(&server.url());
        let cluster = Cluster::connect(options(&proxy.url())).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let (log, held) = (dir.path().join("runs"), dir.path().join("held"));
        let record = |log: &Path, number, ms| Record { log: log.display().to_string(), number, ms };
        // The worker takes the job as soon as its only slot is free. The request to remove the job waits no longer than 2.8 s.
        let _worker = Process::worker(&server.url(), "late", 1);
        let first = cluster.submit(HOLD, record(&held, 6, 0)).group("g").await.unwrap();
        wait_runs(&held, 1).await;
        let job = cluster.submit(RECORD, record(&log, 7, 60_000)).group("g").await.unwrap();
        // The request to end the run arrives while no worker has the job, and the one to remove the job later.
        proxy.hold_next("PUB $JS.API.STREAM.PURGE.");
        let cancel = Task::spawn(async move { job.cancel().await });
        proxy.wait_sent("PUB $JS.API.STREAM.PURGE.", 1).await;
        proxy.wait_sent("PUB cordial.end.", 1).await;
        std::fs::write(release_of(&held), "").unwrap();
        wait_runs(&log, 1).await;
        proxy.release().await;
        assert!(cancel.timeout(LIMIT).await.unwrap().unwrap());
        assert_eq!(first.timeout(LIMIT).await, Ok(6));
        assert_eq!(cluster.call(RECORD, record(&log, 8, 0)).timeout(LIMIT).await, Ok(8), "its slot is free again");
    });
}

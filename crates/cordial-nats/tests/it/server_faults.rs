//! The only server is killed or frozen: what it has acknowledged has its result when it is back.

use std::time::{Duration, Instant};

use cordial::{Exit, LostCause, Task};
use cordial_nats::Cluster;

use crate::faults::{check, check_numbers, rounds, submit, wait_runs};

use crate::harness::{Server, run_for, with_server};
use crate::processes::{BLOCK, LEASE, Process, options, results};

/// How many jobs run at a time.
const SLOTS: usize = 6;

#[test]
fn a_server_that_is_killed_or_frozen_loses_no_job() {
    let Some(mut server) = Server::start() else { return };
    run_for(Duration::from_secs(60 * rounds()), async move {
        let dir = tempfile::tempdir().unwrap();
        let cluster = Cluster::connect(options(&server.url())).await.unwrap();
        let _workers = ["one", "two"].map(|name| Process::worker(&server.url(), name, SLOTS / 2));
        for round in 0..rounds() {
            for signal in ["KILL", "STOP"] {
                let log = dir.path().join(format!("runs-{round}-{signal}"));
                let jobs = submit(&cluster, &log, 0..40, 60).await;
                wait_runs(&log, 8).await;
                if signal == "KILL" {
                    server.kill();
                    server.restart();
                } else {
                    server.signal("STOP");
                    tokio::time::sleep(LEASE * 2).await;
                    server.signal("CONT");
                }
                // Renewals of leases are lost meanwhile, so what ran may run again when its lease has run out.
                let counts = check(&results(jobs).await, &log, SLOTS);
                assert_eq!(check_numbers(&log), 0, "no job runs again while its lease holds");
                println!("SIG{signal} of the server, round {round}: {counts}");
            }
        }
    });
}

#[test]
fn a_call_survives_a_server_that_is_frozen_for_three_seconds() {
    with_server(|server| async move {
        let cluster = Cluster::connect(options(&server.url())).await.unwrap();
        let _worker = Process::worker(&server.url(), "worker", 1);
        let call = cluster.call(BLOCK, 5000).timeout(Duration::from_secs(30));
        let call = Task::spawn(call.into_future()).timeout(Duration::from_secs(40));
        while cluster.nodes().await.unwrap().iter().all(|node| node.running == 0) {}
        server.signal("STOP");
        tokio::time::sleep(Duration::from_secs(3)).await;
        server.signal("CONT");
        assert_eq!(call.await, Ok(Ok(5000)));
    });
}

#[test]
fn a_call_ends_when_the_server_does_not_answer_any_more() {
    with_server(|server| async move {
        let cluster = Cluster::connect(options(&server.url())).await.unwrap();
        let _worker = Process::worker(&server.url(), "worker", 1);
        let call = cluster.call(BLOCK, 60_000).timeout(Duration::from_secs(30));
        let call = Task::spawn(call.into_future()).timeout(Duration::from_secs(40));
        while cluster.nodes().await.unwrap().iter().all(|node| node.running == 0) {}
        server.signal("STOP");
        let frozen = Instant::now();
        let Ok(Err(Exit::Lost(lost))) = call.await else { panic!("the server does not answer") };
        println!("noticed after {:?}", frozen.elapsed());
        let reason = "the server does not answer".into();
        assert_eq!(*lost.as_ref().cause(), LostCause::ConnectionLost { reason });
    });
}

//! The only server is killed or frozen: what it has acknowledged has its result when it is back.

use std::time::{Duration, Instant};

use cordial::{Exit, LostCause, Task};
use cordial_nats::Cluster;

use crate::faults::{check, check_numbers, limit_of_rounds, rounds, submit, wait_runs};
use crate::harness::{LIMIT, Server, in_several_tries, run_for, wait_running, with_server};
use crate::processes::{BLOCK, Process, options, results};

/// How many jobs run at a time.
const SLOTS: usize = 6;

/// Shorter than a client waits for a server that does not answer.
const LEASE: Duration = Duration::from_millis(3500);

#[test]
fn a_server_that_is_killed_or_frozen_loses_no_job() {
    let Some(mut server) = Server::start() else { return };
    run_for(limit_of_rounds(), async move {
        let dir = tempfile::tempdir().unwrap();
        let cluster = Cluster::connect(options(&server.url())).await.unwrap();
        let _workers = ["one", "two"].map(|name| Process::worker_of("worker", LEASE, &server.url(), name, SLOTS / 2));
        for round in 0..rounds() {
            for signal in ["KILL", "STOP"] {
                // A worker that gets no processor for a second does not answer that it has a lease, and its jobs run elsewhere.
                let mut tries = 1..=3;
                loop {
                    let number = tries.next().expect("no job runs again while its lease holds, in one of three tries");
                    let log = dir.path().join(format!("runs-{round}-{signal}-{number}"));
                    let jobs = submit(&cluster, &log, 0..40, 60).await;
                    wait_runs(&log, 8).await;
                    if signal == "KILL" {
                        server.kill();
                        server.restart();
                    } else {
                        server.signal("STOP");
                        tokio::time::sleep(LEASE + Duration::from_millis(400)).await;
                        server.signal("CONT");
                    }
                    // Renewals of leases are lost meanwhile, so what ran may run again when its lease has run out.
                    let counts = check(&results(jobs).await, &log, SLOTS);
                    let n_early = check_numbers(&log, LEASE);
                    println!("SIG{signal} of the server, round {round}: {counts}, {n_early} early");
                    if n_early == 0 {
                        break;
                    }
                }
            }
        }
    });
}

#[test]
fn a_call_survives_a_server_that_is_frozen_for_three_seconds() {
    with_server(|server| async move {
        let cluster = Cluster::connect(options(&server.url())).await.unwrap();
        let _worker = Process::worker(&server.url(), "worker", 1);
        // A call waits for the server for two seconds longer. A busy machine can be slower.
        in_several_tries(|_| async {
            wait_running(&cluster, 0).await;
            let call = cluster.call(BLOCK, 5000).timeout(LIMIT);
            let call = Task::spawn(call.into_future()).timeout(2 * LIMIT);
            wait_running(&cluster, 1).await;
            server.signal("STOP");
            tokio::time::sleep(Duration::from_secs(3)).await;
            server.signal("CONT");
            let result = call.await.unwrap().map_err(|exit| exit.to_string())?;
            assert_eq!(result, 5000);
            Ok(())
        })
        .await;
    });
}

#[test]
fn a_call_ends_when_the_server_does_not_answer_any_more() {
    with_server(|server| async move {
        let cluster = Cluster::connect(options(&server.url())).await.unwrap();
        let _worker = Process::worker(&server.url(), "worker", 1);
        let call = cluster.call(BLOCK, 60_000).timeout(LIMIT);
        let call = Task::spawn(call.into_future()).timeout(2 * LIMIT);
        wait_running(&cluster, 1).await;
        server.signal("STOP");
        let frozen = Instant::now();
        let Ok(Err(Exit::Lost(lost))) = call.await else { panic!("the server does not answer") };
        println!("noticed after {:?}", frozen.elapsed());
        // The client closes the connection after four to six seconds, so it may be connecting again.
        let LostCause::ConnectionLost { reason, .. } = lost.as_ref().cause() else { panic!("{lost}") };
        assert!(reason.starts_with("the server does not answer"), "{reason}");
    });
}

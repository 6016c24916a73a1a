//! The only server is killed or frozen: what it has acknowledged has its result when it is back.

use std::time::Duration;

use cordial_nats::Cluster;

use crate::faults::{check, check_numbers, rounds, submit, wait_runs};
use crate::harness::{Server, run_for};
use crate::processes::{LEASE, Process, options, results};

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

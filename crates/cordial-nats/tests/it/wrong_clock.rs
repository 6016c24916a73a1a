//! Programs whose clock is an hour off: leases, delays and results do not depend on it.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use cordial_nats::Cluster;

use crate::faults::{check, faults, submit};
use crate::harness::{LIMIT, skip, wait_node, wait_running};
use crate::processes::{BLOCK, LEASE, Process, RECORD, options, results};

const HOUR: Duration = Duration::from_secs(3600);

/// Returns the library that sets the clock of a program. If it is not installed, returns `None`, and prints that the test is skipped.
fn faketime() -> Option<PathBuf> {
    let of = |directory: std::fs::DirEntry| directory.path().join("faketime/libfaketimeMT.so.1");
    let found = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten().map(of).find(|library| library.exists());
    if found.is_none() {
        skip("faketime is not installed (apt-get install faketime)");
    }
    found
}

#[test]
fn a_clock_that_is_an_hour_off_changes_nothing() {
    let Some(library) = faketime() else { return };
    faults("a clock that is an hour off", move |round, url, log| {
        let library = library.display().to_string();
        async move {
            let offset = if round % 2 == 0 { "+1h" } else { "-1h" };
            // The monotonic clock of a machine is right even when its date is wrong.
            let clock = [("LD_PRELOAD", &*library), ("FAKETIME", offset), ("FAKETIME_DONT_FAKE_MONOTONIC", "1")];
            let cluster = Cluster::connect(options(&url)).await.unwrap();
            let name = format!("wrong-{round}");
            let wrong = Process::worker_with(&clock, &url, &name, 3);
            let node = wait_node(&cluster, &name).await;
            let now = SystemTime::now();
            let difference = now.duration_since(node.started).or_else(|_| node.started.duration_since(now)).unwrap();
            assert!(difference > HOUR / 2 && difference < HOUR * 2, "the clock is wrong: {difference:?}");

            // Jobs that last for longer than the lease stay with their worker, even if another worker is free.
            let mut long = Vec::new();
            for _ in 0..3 {
                long.push(
                    cluster.submit(BLOCK, LEASE.as_millis() as u64 * 3 / 2).group("g").attempts(1).await.unwrap(),
                );
            }
            wait_running(&cluster, 3).await;
            let _right = Process::worker(&url, &format!("right-{round}"), 3);
            assert!(results(long).await.iter().all(Result::is_ok), "no lease was lost");
            let jobs = submit(&cluster, &log, 0..30, 20).await;
            let counts = check(&results(jobs).await, &log, 0);

            // A submitter with such a clock: its jobs run, and a program with another clock gets the results.
            let accepted_log = log.with_extension("accepted");
            let submitter = format!("submitter-{round}");
            let mut submitter =
                Process::start_with(&clock, "submitter", &url, &submitter, &accepted_log.display().to_string());
            let mut accepted = Vec::new();
            for _ in 0..20 {
                accepted.push(submitter.wait_line("accepted").unwrap());
            }
            submitter.kill();
            for (number, id) in accepted.iter().enumerate() {
                let job = cluster.attach(RECORD, &id.parse().unwrap());
                assert_eq!(job.timeout(LIMIT).await, Ok(number as u64));
            }
            drop(wrong);
            format!("{offset}: {counts}; 3 jobs of one and a half leases; {} of a submitter", accepted.len())
        }
    });
}

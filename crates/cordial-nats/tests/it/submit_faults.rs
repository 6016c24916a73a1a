//! Faults of submits, with workers and submitters that are processes of their own: each submitter gets an answer that says what happened, and the
//! other jobs have their results.

use std::collections::HashSet;
use std::path::Path;
use std::time::{Duration, Instant};

use cordial::Exit;
use cordial_isolate::Function;
use cordial_nats::{Cluster, Job, SubmitError};

use crate::faults::{check, faults, submit};
use crate::harness::{LIMIT, in_several_tries, wait_until};
use crate::processes::{BYTES, Process, RECORD, Record, WAITED_CALLS, WAITED_JOBS, options, results, runs};

/// Within how long the errors of a round have to be there: longer than on a machine with time.
const ERRORS_WITHIN: Duration = Duration::from_secs(30);

/// The size of an argument that is too large for a message.
const TOO_LARGE: usize = 2 << 20;

fn record(log: &Path, number: u64) -> Record {
    Record { log: log.display().to_string(), number, ms: 1 }
}

#[test]
fn a_frozen_submitter_has_its_answers_when_it_runs_again() {
    faults("SIGSTOP of the submitter", |round, url, log| async move {
        let _worker = Process::worker(&url, &format!("worker-{round}"), 8);
        // If the worker gets no processor for two seconds, its node may count as down.
        in_several_tries(|number| {
            let (url, log) = (&url, log.with_extension(number.to_string()));
            async move {
                let name = format!("waiter-{round}-{number}");
                let mut waiter = Process::start("waiter", url, &name, &log.display().to_string());
                let begun = || runs(&log).into_iter().map(|(number, _)| number).collect::<HashSet<_>>();
                let calls = WAITED_JOBS..WAITED_JOBS + WAITED_CALLS;
                let all_run = || async { calls.clone().all(|number| begun().contains(&number)) };
                wait_until("all calls run", all_run).await;
                waiter.signal("STOP");
                // Longer than a caller waits for a silent node.
                tokio::time::sleep(Duration::from_secs(4)).await;
                waiter.signal("CONT");
                let mut answers = Vec::new();
                while let Some(answer) = waiter.wait_line("answered") {
                    answers.push(answer.parse::<u64>().map_err(|_| Exit::from(answer)));
                }
                match answers.iter().find_map(|answer| answer.as_ref().err()) {
                    Some(exit) => Err(exit.to_string()),
                    None => Ok(check(&answers, &log, 0)),
                }
            }
        })
        .await
    });
}

#[test]
fn jobs_that_two_programs_submit_with_the_same_keys_run_once() {
    faults("duplicate submits", |round, url, log| async move {
        let _workers = ["one", "two"].map(|name| Process::worker(&url, &format!("{name}-{round}"), 4));
        // The keys have the name of the program.
        let submitter = || Process::start("submitter", &url, &format!("twin-{round}"), &log.display().to_string());
        let mut twins = [submitter(), submitter()];
        let mut accepted = Vec::new();
        for _ in 0..50 {
            let [first, second] = twins.each_mut().map(|twin| twin.wait_line("accepted").unwrap());
            assert_eq!(first, second);
            accepted.push(first);
        }
        for twin in &mut twins {
            twin.kill();
        }
        let cluster = Cluster::connect(options(&url)).await.unwrap();
        for (number, id) in accepted.iter().enumerate() {
            let job = cluster.attach(RECORD, &id.parse().unwrap());
            assert_eq!(job.timeout(LIMIT).await, Ok(number as u64));
        }
        let runs = runs(&log);
        let numbers: HashSet<u64> = runs.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers.len(), runs.len(), "a job has run twice: {runs:?}");
        format!("{} jobs, each submitted twice, {} runs, none twice", accepted.len(), runs.len())
    });
}

#[test]
fn a_payload_that_is_too_large_is_refused_and_the_other_jobs_have_their_results() {
    faults("an oversize payload", |round, url, log| async move {
        let cluster = Cluster::connect(options(&url)).await.unwrap();
        let _worker = Process::worker(&url, &format!("worker-{round}"), 4);
        let before = submit(&cluster, &log, 0..10, 5).await;
        let started = Instant::now();
        let large = || Record { log: "x".repeat(TOO_LARGE), number: 0, ms: 0 };
        let error = cluster.submit(RECORD, large()).group("g").await.unwrap_err();
        assert!(matches!(error, SubmitError::TooLarge { .. }), "{error}");
        let error = cluster.call(RECORD, large()).await.unwrap_err().to_string();
        assert!(error.contains("max_payload"), "{error}");
        let job = cluster.submit(BYTES, TOO_LARGE).group("g").attempts(1).await.unwrap();
        let error = job.timeout(LIMIT).await.unwrap_err().to_string();
        assert!(error.contains("the result has 2097") && error.contains("max_payload"), "{error}");
        let took = started.elapsed();
        assert!(took < ERRORS_WITHIN, "{took:?}");
        let after = submit(&cluster, &log, 10..20, 5).await;
        let jobs: Vec<Job<u64>> = before.into_iter().chain(after).collect();
        format!("3 refused in {took:?}; {}", check(&results(jobs).await, &log, 0))
    });
}

#[test]
fn another_version_of_a_function_is_named_and_the_other_jobs_have_their_results() {
    const UNKNOWN: Function<u64, u64> = Function::new("unknown");
    faults("another version of a function", |round, url, log| async move {
        let cluster = Cluster::connect(options(&url)).await.unwrap();
        let _worker = Process::worker(&url, &format!("worker-{round}"), 4);
        let before = submit(&cluster, &log, 0..10, 5).await;
        let started = Instant::now();
        let newer = RECORD.version(2);
        let call = cluster.call(newer, record(&log, 0)).await.unwrap_err().to_string();
        let job = cluster.submit(newer, record(&log, 0)).group("g").key(format!("newer-{round}")).await.unwrap();
        let job = job.timeout(LIMIT).await.unwrap_err().to_string();
        for error in [call, job] {
            assert!(error.contains("version 2") && error.contains("version 1"), "{error}");
        }
        let unknown = cluster.submit(UNKNOWN, 1).group("g").key(format!("unknown-{round}")).await.unwrap();
        let error = unknown.timeout(LIMIT).await.unwrap_err().to_string();
        assert!(error.contains("\"unknown\""), "{error}");
        let took = started.elapsed();
        assert!(took < ERRORS_WITHIN, "{took:?}");
        let letters = cluster.dead_letters("g").await.unwrap();
        for name in ["newer", "unknown"] {
            let key = format!("{name}-{round}");
            assert!(letters.iter().any(|letter| letter.id.key().as_deref() == Some(&*key)), "{key} is a dead letter");
        }
        let after = submit(&cluster, &log, 10..20, 5).await;
        let jobs: Vec<Job<u64>> = before.into_iter().chain(after).collect();
        format!("3 refused in {took:?}, 2 dead letters; {}", check(&results(jobs).await, &log, 0))
    });
}

#[test]
fn a_full_stream_refuses_jobs_and_runs_those_that_it_has_accepted() {
    const ROOM: u64 = 10;
    faults("a full stream", |round, url, log| async move {
        let cluster = Cluster::connect(options(&url).max_jobs(ROOM)).await.unwrap();
        let mut jobs = submit(&cluster, &log, 0..ROOM, 5).await;
        let started = Instant::now();
        for number in ROOM..ROOM + 5 {
            let error = cluster.submit(RECORD, record(&log, number)).group("g").await.unwrap_err();
            assert!(matches!(error, SubmitError::Full { .. }), "{error}");
        }
        let took = started.elapsed();
        assert!(took < ERRORS_WITHIN, "{took:?}");
        let mut worker = Process::worker(&url, &format!("worker-{round}"), 4);
        // There is room as soon as a job is done.
        for number in ROOM..ROOM + 5 {
            jobs.push(loop {
                match cluster.submit(RECORD, record(&log, number)).group("g").await {
                    Ok(job) => break job,
                    Err(SubmitError::Full { .. }) => tokio::time::sleep(Duration::from_millis(5)).await,
                    Err(error) => panic!("{error}"),
                }
            });
        }
        let counts = check(&results(jobs).await, &log, 0);
        // In order, so that no job of this round is left.
        worker.signal("TERM");
        worker.wait_end();
        format!("5 refused in {took:?}; {counts}")
    });
}

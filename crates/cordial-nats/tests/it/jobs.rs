//! Jobs and calls, in one program.

use std::error::Error;
use std::time::{Duration, Instant};

use cordial::{Exit, Strategy, Supervisor};
use cordial_isolate::Function;
use cordial_nats::Cluster;

use crate::functions::{ATTEMPT, DOUBLE, PANIC, PARSE, SLEEP, functions};
use crate::harness::{LIMIT, next_message, wait_running, with_server, within};

const SECOND: Duration = Duration::from_secs(1);

pub(crate) async fn start_worker(cluster: &Cluster, group: &str, slots: usize) -> Supervisor {
    let worker = cluster.worker(functions()).group(group).slots(slots);
    Supervisor::builder(Strategy::OneForOne).child(worker.child_spec("worker")).start().await.unwrap()
}

#[test]
fn a_job_and_a_call_return_the_result() {
    with_server(|server| async move {
        let cluster = Cluster::connect(server.url()).await.unwrap();
        let tree = start_worker(&cluster, "g", 4).await;
        let job = cluster.submit(DOUBLE, 21).group("g").await.unwrap();
        assert_eq!(job.timeout(LIMIT).await, Ok(42));
        assert_eq!(cluster.call(DOUBLE, 4).await, Ok(8));
        tree.stop().await;
    });
}

#[test]
fn a_failed_job_is_tried_again_and_then_a_dead_letter_with_its_history() {
    with_server(|server| async move {
        let cluster = Cluster::connect(server.url()).await.unwrap();
        let tree = start_worker(&cluster, "g", 4).await;
        let job = cluster.submit(ATTEMPT, 3).group("g").attempts(3).await.unwrap();
        assert_eq!(job.timeout(LIMIT).await, Ok(3));
        let job = cluster.submit(ATTEMPT, 9).group("g").key("never").attempts(2).await.unwrap();
        let exit = job.timeout(LIMIT).await.unwrap_err();
        assert!(exit.to_string().starts_with("the last of 2 attempts of the job"), "{exit}");
        assert!(exit.to_string().ends_with("failed: attempt 2 is not 9"), "{exit}");
        assert_eq!(exit.source().unwrap().to_string(), "attempt 2 is not 9");
        assert_eq!(format!("{exit:#}"), exit.to_string(), "the source is not printed twice");
        let letters = cluster.dead_letters("g").await.unwrap();
        assert_eq!(letters.len(), 1);
        assert_eq!(letters[0].id.key().as_deref(), Some("never"));
        assert_eq!(letters[0].function, "attempt");
        let reasons: Vec<_> = letters[0].attempts.iter().map(|attempt| &*attempt.reason).collect();
        assert_eq!(reasons, ["attempt 1 is not 9", "attempt 2 is not 9"]);
        assert!(cluster.remove_dead_letter(&letters[0].id).await.unwrap());
        assert_eq!(cluster.dead_letters("g").await.unwrap(), []);
        tree.stop().await;
    });
}

#[test]
fn a_job_with_many_attempts_and_long_texts_is_a_dead_letter_with_all_of_them() {
    with_server(|server| async move {
        let cluster = Cluster::connect(server.url()).await.unwrap();
        let tree = start_worker(&cluster, "g", 4).await;
        // Together, the texts are larger than the headers of a message may be.
        let job = cluster.submit(PANIC, "\u{1b}long".repeat(2000)).group("g").attempts(40);
        let job = job.backoff(Duration::from_millis(1), Duration::from_millis(1)).await.unwrap();
        assert!(matches!(job.timeout(LIMIT).await, Err(Exit::Panic(_))));
        let letters = cluster.dead_letters("g").await.unwrap();
        assert_eq!(letters[0].attempts.len(), 40);
        assert!(letters[0].attempts.iter().all(|attempt| attempt.reason.contains("long")));
        tree.stop().await;
    });
}

#[test]
fn a_failed_job_waits_for_its_backoff_before_it_is_tried_again() {
    with_server(|server| async move {
        let cluster = Cluster::connect(server.url()).await.unwrap();
        let tree = start_worker(&cluster, "g", 4).await;
        let job = cluster.submit(ATTEMPT, 3).group("g").attempts(3).backoff(SECOND, 4 * SECOND);
        let started = Instant::now();
        assert_eq!(job.await.unwrap().timeout(LIMIT).await, Ok(3));
        // One second, then two, and each up to twice as long.
        assert!(started.elapsed() >= 3 * SECOND, "{:?}", started.elapsed());
        tree.stop().await;
    });
}

#[test]
fn jobs_that_failed_together_are_not_tried_again_together() {
    const N_JOBS: usize = 16;
    with_server(|server| async move {
        let cluster = Cluster::connect(server.url()).await.unwrap();
        let client = async_nats::connect(server.url()).await.unwrap();
        // A job is given back with its delay.
        let mut answers = client.subscribe("$JS.ACK.cordial-jobs-g.>").await.unwrap();
        client.flush().await.unwrap();
        let tree = start_worker(&cluster, "g", N_JOBS).await;
        let mut jobs = Vec::new();
        for _ in 0..N_JOBS {
            let job = cluster.submit(ATTEMPT, 9).group("g").attempts(2).backoff(SECOND, 4 * SECOND);
            jobs.push(job.await.unwrap().timeout(LIMIT));
        }
        for job in jobs {
            job.await.unwrap_err();
        }
        let letters = cluster.dead_letters("g").await.unwrap();
        assert_eq!(letters.len(), N_JOBS);
        for letter in letters {
            let [first, second] = &*letter.attempts else { panic!("{:?}", letter.attempts) };
            let pause = second.started.unwrap().duration_since(first.started.unwrap()).unwrap();
            assert!(pause >= SECOND, "{pause:?}");
        }
        // What the worker has asked for: on a busy machine, jobs whose delays end at different times may begin together.
        let mut delays = Vec::new();
        while delays.len() < N_JOBS {
            let answer = next_message(&mut answers, "each job was given back").await;
            if let Some(delay) = answer.payload.strip_prefix(b"-NAK ") {
                let delay: serde_json::Value = serde_json::from_slice(delay).unwrap();
                delays.push(Duration::from_nanos(delay["delay"].as_u64().unwrap()));
            }
        }
        let (shortest, longest) = (*delays.iter().min().unwrap(), *delays.iter().max().unwrap());
        assert!(shortest >= SECOND, "{delays:?}");
        assert!(longest - shortest >= SECOND / 4, "{delays:?}");
        tree.stop().await;
    });
}

#[test]
fn a_backoff_without_an_end_is_a_job_like_any_other() {
    with_server(|server| async move {
        let cluster = Cluster::connect(server.url()).await.unwrap();
        let tree = start_worker(&cluster, "g", 1).await;
        let submit = cluster.submit(DOUBLE, 1).group("g").backoff(Duration::MAX, Duration::MAX).timeout(Duration::MAX);
        let job = submit.await.unwrap();
        assert_eq!(job.timeout(LIMIT).await, Ok(2));
        tree.stop().await;
    });
}

#[test]
fn a_panic_and_an_error_have_their_kind_at_the_submitter_and_at_the_caller() {
    with_server(|server| async move {
        let cluster = Cluster::connect(server.url()).await.unwrap();
        let tree = start_worker(&cluster, "g", 4).await;
        let job = cluster.submit(PANIC, "no luck".to_owned()).group("g").attempts(1).await.unwrap();
        let Err(Exit::Panic(report)) = job.timeout(LIMIT).await else { panic!("expected a panic") };
        assert!(report.message().starts_with("no luck (this was the only attempt"), "{}", report.message());
        let Err(Exit::Panic(report)) = cluster.call(PANIC, "again".to_owned()).await else {
            panic!("expected a panic")
        };
        assert_eq!(report.message(), "again");
        let error = cluster.call(PARSE, "x".to_owned()).await.unwrap_err();
        assert_eq!(error.to_string(), "invalid digit found in string");
        tree.stop().await;
    });
}

#[test]
fn a_key_is_one_job_while_it_runs_and_after_it_is_done() {
    with_server(|server| async move {
        let cluster = Cluster::connect(server.url()).await.unwrap();
        let first = cluster.submit(DOUBLE, 1).group("g").key("a key/é").await.unwrap();
        let second = cluster.submit(DOUBLE, 2).group("g").key("a key/é").await.unwrap();
        assert_eq!(first.id(), second.id());
        let tree = start_worker(&cluster, "g", 4).await;
        assert_eq!(first.timeout(LIMIT).await, Ok(2));
        assert_eq!(second.timeout(LIMIT).await, Ok(2));
        let third = cluster.submit(DOUBLE, 3).group("g").key("a key/é").await.unwrap();
        let id = third.id().to_string().parse().unwrap();
        assert_eq!(third.await, Ok(2));
        assert_eq!(cluster.attach(DOUBLE, &id).await, Ok(2));
        tree.stop().await;
    });
}

#[test]
fn a_second_result_of_a_job_is_refused_and_the_first_stays() {
    with_server(|server| async move {
        let cluster = Cluster::connect(server.url()).await.unwrap();
        let tree = start_worker(&cluster, "g", 1).await;
        let job = cluster.submit(DOUBLE, 4).group("g").await.unwrap();
        let id = job.id().clone();
        assert_eq!(job.timeout(LIMIT).await, Ok(8));
        let client = async_nats::connect(server.url()).await.unwrap();
        let results = r#"{"subjects_filter": "cordial.result.>"}"#;
        let info = client.request("$JS.API.STREAM.INFO.cordial-results", results.into()).await.unwrap();
        let info: serde_json::Value = serde_json::from_slice(&info.payload).unwrap();
        let subject = info["state"]["subjects"].as_object().unwrap().keys().next().unwrap().clone();
        // As a worker does whose lease ran out.
        let answer = client.request(subject, "another result".into()).await.unwrap();
        let answer = String::from_utf8_lossy(&answer.payload).into_owned();
        assert!(answer.contains("maximum messages per subject exceeded"), "{answer}");
        assert_eq!(cluster.attach(DOUBLE, &id).timeout(LIMIT).await, Ok(8));
        tree.stop().await;
    });
}

#[test]
fn a_cancelled_job_ends_whether_it_waits_or_runs() {
    with_server(|server| async move {
        let cluster = Cluster::connect(server.url()).await.unwrap();
        let waits = cluster.submit(SLEEP, 60_000).group("g").await.unwrap();
        assert!(waits.cancel().await.unwrap());
        assert!(matches!(waits.timeout(LIMIT).await, Err(Exit::Shutdown(Some(_)))));
        let tree = start_worker(&cluster, "g", 1).await;
        let runs = cluster.submit(SLEEP, 60_000).group("g").await.unwrap();
        wait_running(&cluster, 1).await;
        assert!(runs.cancel().await.unwrap());
        assert!(!runs.cancel().await.unwrap());
        assert!(matches!(runs.timeout(LIMIT).await, Err(Exit::Shutdown(Some(_)))));
        // The slot is free again.
        let next = cluster.submit(DOUBLE, 1).group("g").await.unwrap();
        assert_eq!(next.timeout(LIMIT).await, Ok(2));
        tree.stop().await;
    });
}

#[test]
fn a_stream_returns_the_results_in_input_order() {
    with_server(|server| async move {
        let cluster = Cluster::connect(server.url()).await.unwrap();
        let tree = start_worker(&cluster, "g", 8).await;
        let stream = cluster.async_stream(DOUBLE, 0..500).group("g").max_concurrency(32).timeout(LIMIT);
        let (values, failures) = stream.partition().await;
        assert_eq!(failures, []);
        assert_eq!(values, (0..500).map(|n| 2 * n).collect::<Vec<u64>>());
        tree.stop().await;
    });
}

#[test]
fn a_call_without_a_worker_fails_at_once() {
    with_server(|server| async move {
        let cluster = Cluster::connect(server.url()).await.unwrap();
        let exit = within(SECOND, || cluster.call(DOUBLE, 4)).await.unwrap_err();
        assert!(exit.to_string().starts_with("no worker of the fleet serves the function \"double\""), "{exit}");
        assert_eq!(cluster.nodes().await.unwrap(), []);
    });
}

#[test]
fn a_handle_with_another_function_gets_an_error_and_no_value_of_another_type() {
    const TEXT: Function<u64, String> = Function::new("text");
    const LIST: Function<u64, Vec<u64>> = Function::new("text");
    with_server(|server| async move {
        let cluster = Cluster::connect(server.url()).await.unwrap();
        // The bytes of this text can also be decoded as a list of numbers, and its first bytes as one number.
        let functions = functions().add(TEXT, |n| async move { "\u{1}".repeat(usize::try_from(n).unwrap()) });
        let worker = cluster.worker(functions).group("g").slots(1);
        let tree = Supervisor::builder(Strategy::OneForOne).child(worker.child_spec("worker")).start().await.unwrap();
        let job = cluster.submit(TEXT, 3).group("g").key("k").await.unwrap();
        let id = job.id().clone();
        assert_eq!(job.timeout(LIMIT).await.as_deref(), Ok("\u{1}\u{1}\u{1}"));
        let same_key = cluster.submit(LIST, 3).group("g").key("k").await.unwrap();
        let error = same_key.timeout(LIMIT).await.unwrap_err().to_string();
        assert!(error.contains("\"text\", of another version or with other types"), "{error}");
        assert!(error.contains("from u64 to alloc::vec::Vec<u64>"), "{error}");
        let error = cluster.attach(DOUBLE, &id).timeout(LIMIT).await.unwrap_err().to_string();
        assert!(error.contains("the function \"text\", and this handle is for \"double\" version 1"), "{error}");
        assert_eq!(cluster.attach(TEXT, &id).timeout(LIMIT).await.map(|text| text.len()), Ok(3));
        tree.stop().await;
    });
}

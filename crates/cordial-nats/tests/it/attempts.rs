//! What counts as an attempt: a run that has begun, and not a delivery.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_nats::StatusCode;
use cordial::{Strategy, Supervisor};
use cordial_isolate::{Function, Functions};
use cordial_nats::{Cluster, Options, UnknownJob};
use tokio::sync::Notify;

use crate::faults::wait_runs;
use crate::functions::ATTEMPT;
use crate::harness::{LIMIT, in_several_tries, is_frozen, next_message, wait_until, with_server};
use crate::jobs::start_worker;
use crate::leases::consumer_info;
use crate::processes::{FREEZE_AT_STOP, LEASE, Process, RECORD, Record, options, results, runs};
use crate::proxy::Proxy;

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
            wait_runs(&log, n + 1).await;
            worker.signal("TERM");
            worker.wait_end();
        }
        let _third = Process::worker(&server.url(), "third", 1);
        wait_runs(&log, 3).await;
        assert_eq!(runs(&log), [(7, 1), (7, 2), (7, 3)], "each run has its own number");
        assert_eq!(cluster.dead_letters("g").await.unwrap(), []);
        assert!(job.cancel().await.unwrap());
    });
}

#[test]
fn a_worker_that_is_frozen_while_it_stops_uses_up_no_attempt() {
    const N: u64 = 16;
    with_server(|server| async move {
        let cluster = Cluster::connect(options(&server.url())).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        // On a busy machine, the worker may have too little time left after the thaw.
        in_several_tries(|number| {
            let (server, cluster, log) = (&server, &cluster, dir.path().join(number.to_string()));
            async move {
                let name = format!("freezes-{number}");
                let mut worker = Process::worker_of("graceless", LEASE, &server.url(), &name, N as usize);
                let mut jobs = Vec::new();
                for number in 0..N {
                    let record = Record { log: log.display().to_string(), number, ms: 0 };
                    jobs.push(cluster.submit(FREEZE_AT_STOP, record).group("g").attempts(1).await.unwrap());
                }
                wait_runs(&log, N as usize).await;
                worker.signal("TERM");
                let pid = worker.id();
                wait_until("the worker is frozen", || async { is_frozen(pid) }).await;
                // Longer than a stop waits until jobs are given back.
                tokio::time::sleep(Duration::from_secs(2)).await;
                worker.signal("CONT");
                worker.wait_end();
                let _second = Process::worker(&server.url(), &format!("second-{number}"), N as usize);
                let results = results(jobs).await;
                match results.iter().find_map(|result| result.as_ref().err()) {
                    Some(exit) => Err(exit.to_string()),
                    None => {
                        assert_eq!(runs(&log).len(), 2 * N as usize, "each job has run again");
                        Ok(())
                    }
                }
            }
        })
        .await;
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
fn a_run_that_lasts_longer_than_its_claim_is_kept_is_counted() {
    const FAILS: Function<(), ()> = Function::new("fails");
    with_server(|server| async move {
        // If a lease or a delay lasted half as long as claims are kept, each delivery would count as a run.
        let (kept, lease, delay) = (Duration::from_secs(9), Duration::from_secs(4), Duration::from_millis(1));
        let cluster = Cluster::connect(options(&server.url()).keep_results(kept).lease(lease)).await.unwrap();
        let (release, numbers) = (Arc::new(Notify::new()), Arc::new(Mutex::new(Vec::new())));
        let functions = {
            let (release, numbers) = (release.clone(), numbers.clone());
            Functions::new().add_fallible(FAILS, move |()| {
                let (release, numbers) = (release.clone(), numbers.clone());
                async move {
                    let number = cordial_nats::attempt().expect("it runs for a job").number();
                    let is_first = {
                        let mut numbers = numbers.lock().unwrap();
                        numbers.push(number);
                        numbers.len() == 1
                    };
                    if is_first {
                        release.notified().await;
                    }
                    Err::<(), _>("it fails")
                }
            })
        };
        let worker = cluster.worker(functions).group("g").slots(1);
        let tree = Supervisor::builder(Strategy::OneForOne).child(worker.child_spec("worker")).start().await.unwrap();
        let job = cluster.submit(FAILS, ()).group("g").key("k").attempts(2).backoff(delay, delay).await.unwrap();
        wait_until("the first run has begun", || async { !numbers.lock().unwrap().is_empty() }).await;
        let client = async_nats::connect(server.url()).await.unwrap();
        wait_until("the server has dropped the claim of the run", || async {
            let get = "$JS.API.DIRECT.GET.cordial-results.cordial.attempt.g.key.k.1-claim";
            client.request(get, "".into()).await.unwrap().status == Some(StatusCode::NOT_FOUND)
        })
        .await;
        release.notify_one();
        let exit = job.timeout(LIMIT).await.unwrap_err().to_string();
        assert_eq!(*numbers.lock().unwrap(), [1, 2], "{exit}");
        tree.stop().await;
    });
}

#[test]
fn a_job_that_has_waited_for_long_has_its_attempt_after_it_was_given_back() {
    with_server(|server| async move {
        // A lease that is half as long as claims are kept would make each delivery count as a run.
        let (kept, lease) = (Duration::from_secs(9), Duration::from_secs(4));
        let cluster = Cluster::connect(options(&server.url()).keep_results(kept).lease(lease)).await.unwrap();
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
    let delivered = next_message(&mut deliveries, "the server delivers the job").await;
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
        let keep = async |what: String, payload: &'static str| {
            let kept = client.request(format!("cordial.attempt.g.key.k.{what}"), payload.into()).await.unwrap();
            assert!(!String::from_utf8_lossy(&kept.payload).contains("\"error\""), "{kept:?}");
        };
        for n in 0..100_001 {
            // A server drops a message while some thousand earlier ones wait to be stored.
            if n % 500 == 0 {
                keep(format!("1-{n}"), "").await;
            } else {
                client.publish(format!("cordial.attempt.g.key.k.1-{n}"), "".into()).await.unwrap();
            }
        }
        // The claims of an earlier job with the same key. The first two have expired.
        keep("3-claim".to_owned(), "{}").await;
        let tree = start_worker(&cluster, "g", 1).await;
        assert_eq!(job.timeout(LIMIT).await, Ok(4));
        tree.stop().await;
    });
}

#[test]
fn a_claim_whose_answer_is_lost_is_not_made_twice() {
    with_server(|server| async move {
        // The lease is longer than the test.
        let options = |url: String| Options::new(url).lease(LIMIT * 10);
        let cluster = Cluster::connect(options(server.url())).await.unwrap();
        // The worker makes the consumer.
        start_worker(&cluster, "g", 1).await.stop().await;
        let job = cluster.submit(ATTEMPT, 1).group("g").attempts(1).await.unwrap();
        // The claim of a later delivery begins with a look for earlier claims.
        give_back(&server.url()).await;
        let proxy = Proxy::start(&server.url());
        let behind = Cluster::connect(options(proxy.url())).await.unwrap();
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
        let client = async_nats::connect(server.url()).await.unwrap();
        let has_asked = || async { consumer_info(&client).await["num_waiting"] == 1 };
        wait_until("the worker has asked for a job", has_asked).await;
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
        wait_runs(&log, 1).await;
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
        wait_until("the job has left its stream", || async {
            let info = client.request("$JS.API.STREAM.INFO.cordial-jobs-g", "".into()).await.unwrap();
            String::from_utf8_lossy(&info.payload).contains("\"messages\":0")
        })
        .await;
        drop(worker);
        server.kill();
        server.restart();
        // As a submitter does whose answer was lost. The server has forgotten the message id with the job.
        let submit = next_message(&mut submits, "the first submit").await;
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

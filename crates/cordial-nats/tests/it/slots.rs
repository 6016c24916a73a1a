//! The number of slots of a worker limits its jobs and calls together.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use cordial::{Strategy, Supervisor, Task};
use cordial_isolate::{Function, Functions};
use cordial_nats::Cluster;
use futures_util::{FutureExt, StreamExt};

use crate::errors::limit_stream;
use crate::functions::{self, BYTES, DOUBLE, SLEEP};
use crate::harness::{LIMIT, Server, in_several_tries, next_message, wait_running, wait_until, with_server};
use crate::jobs::start_worker;
use crate::leases::wait_deliveries;
use crate::processes::{self, BLOCK, Process, RECORD, Record, options};
use crate::proxy::Proxy;

const COUNTED: Function<u64, ()> = Function::new("counted");
const CALLED: Function<(), ()> = Function::new("called");

static RUNNING: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

fn functions() -> Functions {
    Functions::new().add(COUNTED, |ms| async move {
        MOST.fetch_max(RUNNING.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(ms)).await;
        RUNNING.fetch_sub(1, Ordering::SeqCst);
    })
}

/// Awaits calls, and checks the result of each number. If some have failed, the error says how many, and why.
async fn wait_answers(calls: Vec<Task<u64>>, expected: fn(u64) -> u64) -> Result<(), String> {
    let (n_calls, mut errors) = (calls.len(), Vec::new());
    for (number, call) in (0..).zip(calls) {
        match call.await {
            Ok(result) => assert_eq!(result, expected(number)),
            Err(exit) => errors.push(exit.to_string()),
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(format!("{} of {n_calls} calls: {}", errors.len(), errors[0])) }
}

fn record(dir: &Path, number: u64) -> Record {
    Record { log: dir.join("runs").display().to_string(), number, ms: 0 }
}

/// Makes calls that only this worker serves. Returns when the server has sent all of them to the worker.
async fn send_calls(server: &Server, cluster: &Cluster, worker: &str, dir: &Path) -> Vec<Task<u64>> {
    let n_sent = server.sent_to(worker);
    // Enough calls that the worker cannot receive all of them at once.
    let calls: Vec<_> = (0..300).map(|number| cluster.call(RECORD, record(dir, number)).timeout(LIMIT)).collect();
    let has_sent = || async { server.sent_to(worker) >= n_sent + calls.len() as u64 };
    wait_until("the server has sent all calls to the worker", has_sent).await;
    calls
}

async fn start_second_worker(cluster: &Cluster) -> Supervisor {
    let worker = cluster.worker(processes::functions()).group("g").slots(64);
    Supervisor::builder(Strategy::OneForOne).child(worker.child_spec("worker")).start().await.unwrap()
}

#[test]
fn calls_and_jobs_together_never_exceed_the_slots() {
    with_server(|server| async move {
        let cluster = Cluster::connect(options(&server.url())).await.unwrap();
        let worker = cluster.worker(functions()).group("g").slots(2);
        let tree = Supervisor::builder(Strategy::OneForOne).child(worker.child_spec("worker")).start().await.unwrap();
        // The worker has asked for two jobs, and then calls take the slots.
        let first: Vec<_> = (0..2).map(|_| cluster.call(COUNTED, 500).timeout(LIMIT)).collect();
        wait_until("two calls run", || async { MOST.load(Ordering::SeqCst) == 2 }).await;
        let mut jobs = Vec::new();
        for _ in 0..6 {
            // A job that the worker gives back before it runs must not use up its only attempt.
            jobs.push(cluster.submit(COUNTED, 50).group("g").attempts(1).await.unwrap());
        }
        let more: Vec<_> = (0..6).map(|_| cluster.call(COUNTED, 50).timeout(LIMIT)).collect();
        for call in first.into_iter().chain(more) {
            assert_eq!(call.await, Ok(()));
        }
        for job in jobs {
            assert_eq!(job.timeout(LIMIT).await, Ok(()));
        }
        assert_eq!(MOST.load(Ordering::SeqCst), 2);
        tree.stop().await;
    });
}

#[test]
fn calls_in_the_socket_of_a_worker_that_shuts_down_are_answered() {
    with_server(|server| async move {
        let cluster = Cluster::connect(options(&server.url())).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        // A call fails if the worker is silent for 2.5 s. A busy machine can be as slow.
        in_several_tries(|number| {
            let (server, cluster, dir) = (&server, &cluster, dir.path());
            async move {
                let name = format!("stops-{number}");
                let mut stops = Process::worker(&server.url(), &name, 1);
                assert_eq!(cluster.call(RECORD, record(dir, 0)).await, Ok(0));
                stops.signal("STOP");
                let calls = send_calls(server, cluster, &name, dir).await;
                // The calls are in the socket of the stopped process when SIGTERM and SIGCONT arrive. This second worker runs the
                // calls that the first one does not.
                let tree = start_second_worker(cluster).await;
                stops.signal("TERM");
                stops.signal("CONT");
                let answered = wait_answers(calls, |number| number).await;
                stops.wait_end();
                tree.stop().await;
                answered
            }
        })
        .await;
    });
}

#[test]
fn calls_that_arrive_after_a_worker_has_unsubscribed_are_answered() {
    with_server(|server| async move {
        let cluster = Cluster::connect(options(&server.url())).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        // As in the test above, a busy machine may take longer than callers wait.
        in_several_tries(|number| {
            let (server, cluster, dir) = (&server, &cluster, dir.path());
            async move {
                let name = format!("unsubscribes-{number}");
                let proxy = Proxy::start(&server.url());
                let mut stops = Process::worker(&proxy.url(), &name, 1);
                assert_eq!(cluster.call(RECORD, record(dir, 0)).await, Ok(0));
                proxy.cut_to_client();
                let calls = send_calls(server, cluster, &name, dir).await;
                let tree = start_second_worker(cluster).await;
                stops.signal("TERM");
                // The worker unsubscribes from the answers to its requests for jobs, and then from calls. Calls that arrive now were sent
                // before.
                proxy.wait_sent("\r\nUNSUB ", 2).await;
                proxy.mend();
                let answered = wait_answers(calls, |number| number).await;
                stops.wait_end();
                tree.stop().await;
                answered
            }
        })
        .await;
    });
}

#[test]
fn waiting_jobs_do_not_starve_calls_and_waiting_calls_do_not_starve_jobs() {
    with_server(|server| async move {
        let cluster = Cluster::connect(options(&server.url())).await.unwrap();
        let client = async_nats::connect(server.url()).await.unwrap();
        let mut jobs = Vec::new();
        for _ in 0..24 {
            jobs.push(cluster.submit(SLEEP, 500).group("g").await.unwrap());
        }
        let tree = start_worker(&cluster, "g", 1).await;
        // Each call waits for the end of a job, and a moment longer. On a busy machine, it may ask again too late, and wait for another job.
        for number in 0..10 {
            assert_eq!(cluster.call(DOUBLE, number).await, Ok(2 * number), "call {number}");
            if number == 2 {
                let info = client.request("$JS.API.STREAM.INFO.cordial-jobs-g", "".into()).await.unwrap();
                let info: serde_json::Value = serde_json::from_slice(&info.payload).unwrap();
                assert!(info["state"]["messages"].as_u64() > Some(2), "the calls have waited for all jobs");
            }
        }
        // Each job waits for the end of a call.
        let callers = Callers::start(&cluster, 10, 20);
        for job in jobs {
            assert_eq!(job.timeout(LIMIT).await, Ok(500));
        }
        callers.stop().await;
        tree.stop().await;
    });
}

#[test]
fn very_many_callers_of_one_slot_wait_for_it_and_do_not_take_its_node_for_lost() {
    with_server(|server| async move {
        let cluster = Cluster::connect(options(&server.url())).await.unwrap();
        let _worker = Process::worker(&server.url(), "worker", 1);
        // As above: a busy machine may take longer than callers wait for an answer.
        in_several_tries(|_| async {
            wait_answers((0..2000).map(|_| cluster.call(BLOCK, 1).timeout(LIMIT)).collect(), |_| 1).await
        })
        .await;
    });
}

#[test]
fn each_of_very_many_calls_at_once_gets_its_heartbeats() {
    with_server(|server| async move {
        let cluster = Cluster::connect(server.url()).await.unwrap();
        let tree = start_worker(&cluster, "g", 2000).await;
        let calls: Vec<_> = (0..2000).map(|_| cluster.call(SLEEP, 4000).timeout(LIMIT)).collect();
        let mut errors = Vec::new();
        for call in calls {
            errors.extend(call.await.err().map(|exit| exit.to_string()));
        }
        assert!(errors.is_empty(), "{} of 2000 calls: {}", errors.len(), errors[0]);
        tree.stop().await;
    });
}

#[test]
fn very_many_callers_in_many_programs_all_have_their_answers() {
    with_server(|server| async move {
        let _worker = Process::worker(&server.url(), "worker", 2);
        in_several_tries(|_| async {
            let callers = (0..10).map(|n| Process::start("calls", &server.url(), &format!("caller-{n}"), "100"));
            let answered = callers.collect::<Vec<_>>().into_iter().map(|mut caller| caller.wait_line(" answered"));
            let wrong: Vec<_> = answered.filter(|answered| answered.as_deref() != Some("100")).collect();
            if wrong.is_empty() { Ok(()) } else { Err(format!("{wrong:?}")) }
        })
        .await;
    });
}

#[test]
fn jobs_have_their_turn_even_if_a_call_always_waits() {
    with_server(|server| async move {
        let cluster = Cluster::connect(options(&server.url())).await.unwrap();
        let client = async_nats::connect(server.url()).await.unwrap();
        let mut sent = client.subscribe("cordial.call.>").await.unwrap();
        client.flush().await.unwrap();
        let proxy = Proxy::start(&server.url());
        let behind = Cluster::connect(options(&proxy.url())).await.unwrap();
        let n_begun = Arc::<AtomicUsize>::default();
        let begun = n_begun.clone();
        let functions = functions::functions().add(CALLED, move |()| {
            begun.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(100))
        });
        let worker = behind.worker(functions).group("g").slots(1);
        let tree = Supervisor::builder(Strategy::OneForOne).child(worker.child_spec("worker")).start().await.unwrap();
        // The next call arrives long before the answer to a request for jobs.
        proxy.delay_to_server(Duration::from_millis(10));
        assert_eq!(cluster.call(CALLED, ()).timeout(LIMIT).await, Ok(()));
        // Sends this call again and again, as very many callers do.
        let call = next_message(&mut sent, "the call was sent").await;
        drop(sent);
        let has_to_stop = Arc::<AtomicBool>::default();
        let stop = has_to_stop.clone();
        let callers = Task::spawn(async move {
            let (inbox, headers) = (client.new_inbox(), call.headers.unwrap());
            while !stop.load(Ordering::SeqCst) {
                let (subject, payload) = (call.subject.clone(), call.payload.clone());
                let sent = client.publish_with_reply_and_headers(subject, inbox.clone(), headers.clone(), payload);
                sent.await.unwrap();
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
        in_several_tries(|_| async {
            let mut jobs = Vec::new();
            for number in 0..10 {
                jobs.push(cluster.submit(DOUBLE, number).group("g").attempts(1).await.unwrap());
            }
            let n_before = n_begun.load(Ordering::SeqCst);
            for (number, job) in (0..).zip(jobs) {
                assert_eq!(job.timeout(LIMIT).await, Ok(2 * number), "job {number}");
            }
            // Usually, one call begins between two jobs. On a busy machine, sometimes no call waits when a job ends.
            let n_calls = n_begun.load(Ordering::SeqCst) - n_before;
            if n_calls >= 5 { Ok(()) } else { Err(format!("{n_calls} calls have begun between 10 jobs")) }
        })
        .await;
        has_to_stop.store(true, Ordering::SeqCst);
        assert_eq!(callers.timeout(LIMIT).await, Ok(()));
        tree.stop().await;
    });
}

#[test]
fn a_job_that_has_to_wait_for_results_on_their_way_reserves_no_slot() {
    with_server(|server| async move {
        // With a short lease, the worker asks again after messages that are a little late, and more often than this test counts.
        let cluster = Cluster::connect(options(&server.url()).lease(LIMIT)).await.unwrap();
        let client = async_nats::connect(server.url()).await.unwrap();
        let mut pulls = client.subscribe("$JS.API.CONSUMER.MSG.NEXT.>").await.unwrap();
        client.flush().await.unwrap();
        let tree = start_worker(&cluster, "g", 2).await;
        // The server refuses to store large results, so they stay on their way. A worker with two slots has at most four running jobs, running
        // calls and results on their way.
        limit_stream(&client, "cordial-results", "max_bytes", 50_000).await;
        let submit_large = || async { cluster.submit(BYTES, 100_000).group("g").await.unwrap() };
        let mut jobs = vec![submit_large().await, submit_large().await];
        let mut n_asked = 0;
        while n_asked < 4 {
            let pull = next_message(&mut pulls, "the worker asks for more jobs").await;
            // A request may be for both slots, or for one of them.
            n_asked += serde_json::from_slice::<serde_json::Value>(&pull.payload).unwrap()["batch"].as_u64().unwrap();
        }
        wait_running(&cluster, 2).await;
        // The worker has asked for two more jobs. With this call there are three of the four, and with the result of the next job four.
        let call = cluster.call(SLEEP, 240_000).timeout(4 * LIMIT);
        wait_running(&cluster, 3).await;
        jobs.push(submit_large().await);
        wait_running(&cluster, 4).await;
        assert_eq!(cluster.call(DOUBLE, 1).timeout(LIMIT).await, Ok(2));
        jobs.push(submit_large().await);
        wait_deliveries(&client, 4).await;
        let mut sent = client.subscribe("cordial.call.>").await.unwrap();
        client.flush().await.unwrap();
        for number in 0..20 {
            assert_eq!(cluster.call(DOUBLE, number).timeout(LIMIT).await, Ok(2 * number));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        client.flush().await.unwrap();
        let n_sent = std::iter::from_fn(|| sent.next().now_or_never().flatten()).count();
        // A slot that is reserved for a job stays reserved for 250 ms. Meanwhile, each call would be refused and sent about seven times.
        assert!(n_sent < 60, "20 calls were sent {n_sent} times");
        drop((call, jobs));
        tree.stop().await;
    });
}

/// Callers of [`SLEEP`] that call without a pause.
struct Callers {
    have_to_stop: Arc<AtomicBool>,
    calls: Vec<Task<()>>,
}

impl Callers {
    /// Starts `n` callers. Each call lasts for `ms`.
    fn start(cluster: &Cluster, n: usize, ms: u64) -> Callers {
        let have_to_stop = Arc::<AtomicBool>::default();
        let call = |_| {
            let (cluster, have_to_stop) = (cluster.clone(), have_to_stop.clone());
            Task::spawn(async move {
                while !have_to_stop.load(Ordering::SeqCst) {
                    assert_eq!(cluster.call(SLEEP, ms).timeout(LIMIT).await, Ok(ms));
                }
            })
        };
        Callers { calls: (0..n).map(call).collect(), have_to_stop }
    }

    /// Waits for the last calls. Fails if a call has failed.
    async fn stop(self) {
        self.have_to_stop.store(true, Ordering::SeqCst);
        for call in self.calls {
            assert_eq!(call.timeout(LIMIT).await, Ok(()));
        }
    }
}

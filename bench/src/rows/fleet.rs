//! What does a durable job cost, compared with a bare client of NATS that does the same acknowledged steps?
//!
//! The steps: the submitter publishes the job with a message id; the worker pulls the job, publishes the claim of its run and then its result,
//! and removes the job with `+ACK`; the server publishes the result again to the submitter. The streams confirm that they have stored the job,
//! the claim and the result, and have the same settings. The peer renews no leases, has no functions or processes, and does not count attempts.
//! Without `nats-server`, the rows have no numbers.
//!
//! `cordial` keeps its client on a thread of its own, which renews leases while code of the user blocks every worker. So a message between a
//! task and the server wakes one more thread. In the rows "on a thread", the client of the peer has a thread of its own too.

use std::collections::HashMap;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_nats::{Client, HeaderMap, Request};
use cordial::{Strategy, Supervisor};
use cordial_isolate::{Function, Functions};
use cordial_nats::Cluster;
use futures::StreamExt;
use tokio::sync::oneshot;

use crate::measure::{Bench, Pair, in_tokio, now};
use crate::subprocess::measure;
use crate::usage::peak_growth;

const INCREMENT: Function<u64, u64> = Function::new("increment");

/// A server with a store of its own. Killed when it is dropped.
pub(super) struct NatsServer {
    child: Child,
    pub(super) url: String,
    _dir: tempfile::TempDir,
}

impl NatsServer {
    /// Starts the first program of a fixed list that exists; it does not search `PATH`. `None` if there is none, or it cannot be started.
    pub(super) fn start() -> Option<NatsServer> {
        let programs = ["/usr/sbin/nats-server", "/usr/bin/nats-server", "/usr/local/bin/nats-server"];
        let program = programs.iter().find(|path| Path::new(path).exists())?;
        let dir = tempfile::tempdir().ok()?;
        let port = TcpListener::bind("127.0.0.1:0").ok()?.local_addr().ok()?.port();
        let mut command = Command::new(program);
        command.args(["-js", "-a", "127.0.0.1", "-p", &port.to_string(), "-sd"]).arg(dir.path());
        let child = command.stderr(Stdio::null()).spawn().ok()?;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            std::thread::sleep(Duration::from_millis(5));
        }
        Some(NatsServer { child, url: format!("nats://127.0.0.1:{port}"), _dir: dir })
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where the client of the peer runs.
#[derive(Clone, Copy)]
pub(crate) enum PeerClient {
    /// On the runtime of the tasks that use the client.
    WithTasks,
    /// On a thread of its own, as the client of `cordial`.
    OnThread,
}

/// The mean time of a job in seconds, from the first submit to the last result of `N` jobs, `AT_ONCE` of them in flight.
pub(crate) fn jobs<const N: u64, const AT_ONCE: usize>(bench: &Bench) -> Pair {
    compare(bench, N, AT_ONCE, PeerClient::WithTasks)
}

/// As [`jobs`], beside a peer whose client has a thread of its own.
pub(crate) fn jobs_vs_client_on_thread<const N: u64, const AT_ONCE: usize>(bench: &Bench) -> Pair {
    compare(bench, N, AT_ONCE, PeerClient::OnThread)
}

fn compare(bench: &Bench, n: u64, at_once: usize, peer_client: PeerClient) -> Pair {
    let (Some(first), Some(second)) = (NatsServer::start(), NatsServer::start()) else {
        return Pair { ours: f64::NAN, peer: f64::NAN };
    };
    let url = first.url.clone();
    let ours = bench.ours(async move { ours(&url, n, at_once).await });
    let url = second.url.clone();
    let peer = bench.peer(async move {
        let client = match peer_client {
            PeerClient::WithTasks => async_nats::connect(url).await.expect("the server is there"),
            PeerClient::OnThread => connect_on_thread(url).await,
        };
        bare(client, n, at_once).await
    });
    Pair { ours, peer }
}

/// Connects on a thread of its own, which ends with the program.
#[expect(clippy::disallowed_methods, reason = "the peer has a thread")]
async fn connect_on_thread(url: String) -> Client {
    let (connected, client) = oneshot::channel();
    std::thread::spawn(move || {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("the system has threads");
        runtime.block_on(async {
            let _ = connected.send(async_nats::connect(url).await.expect("the server is there"));
            std::future::pending::<()>().await;
        });
    });
    client.await.expect("it connects")
}

/// Jobs per second through a stream, `AT_ONCE` of them in flight. The time includes connecting, and the start and the stop of the worker.
pub(crate) fn stream_rate<const N: u64, const AT_ONCE: usize>(bench: &Bench) -> Pair {
    let Some(server) = NatsServer::start() else { return Pair { ours: f64::NAN, peer: f64::NAN } };
    let url = server.url.clone();
    let ours = bench.ours(async move {
        let started = now();
        consume(url, N, AT_ONCE).await;
        N as f64 / started.elapsed().as_secs_f64()
    });
    Pair { ours, peer: f64::NAN }
}

/// By how much the peak memory of a program grows while it consumes a stream of 100 k items, beside the growth for 5 k items.
pub(crate) fn memory_of_stream(_: &Bench) -> Pair {
    Pair { ours: measure("fleet 100000"), peer: measure("fleet 5000") }
}

/// The part of `memory_of_stream` that runs in an OS process of its own.
pub(crate) fn memory_of(n: u64) -> f64 {
    let Some(server) = NatsServer::start() else { return f64::NAN };
    let url = server.url.clone();
    Bench::start(2).ours(peak_growth(async move { consume(url, n, 64).await }))
}

async fn start_worker(cluster: &Cluster, slots: usize) -> Supervisor {
    let functions = Functions::new().add(INCREMENT, |n| async move { n + 1 });
    let worker = cluster.worker(functions).group("bench").slots(slots);
    let tree = Supervisor::builder(Strategy::OneForOne).child(worker.child_spec("worker")).start().await;
    tree.expect("the worker starts")
}

async fn ours(url: &str, n: u64, at_once: usize) -> f64 {
    let cluster = Cluster::connect(url).await.expect("the server is there");
    let tree = start_worker(&cluster, at_once).await;
    let started = now();
    let submit = |n| {
        let submit = cluster.submit(INCREMENT, n).group("bench");
        async move { submit.await.expect("the stream has room").result().await.expect("the job succeeds") }
    };
    let values = futures::stream::iter(0..n).map(submit).buffer_unordered(at_once);
    let sum = values.fold(0, |sum, value| async move { sum + value }).await;
    let seconds = started.elapsed().as_secs_f64();
    assert_eq!(sum, n * (n + 1) / 2);
    tree.stop().await;
    seconds / n as f64
}

async fn consume(url: String, n: u64, at_once: usize) {
    let cluster = Cluster::connect(url).await.expect("the server is there");
    let tree = start_worker(&cluster, at_once).await;
    let results = cluster.async_stream(INCREMENT, 0..n).group("bench").max_concurrency(at_once).unordered();
    let sum = results.fold(0, |sum, value| async move { sum + value.expect("the job succeeds") }).await;
    assert_eq!(sum, n * (n + 1) / 2);
    tree.stop().await;
}

/// Publishes a message to a stream, or sends a request to the API of JetStream, and waits for the answer. Panics if that is an error.
async fn ask(client: &Client, subject: String, headers: Option<HeaderMap>, body: String) {
    let mut request = Request::new().payload(body.into());
    if let Some(headers) = headers {
        request = request.headers(headers);
    }
    let answer = client.send_request(subject, request).await.expect("the server answers");
    assert!(!answer.payload.windows(7).any(|part| part == b"\"error\""), "{:?}", answer.payload);
}

async fn bare(client: Client, n: u64, at_once: usize) -> f64 {
    for (request, body) in [
        (
            "STREAM.CREATE.jobs",
            r#"{"name": "jobs", "subjects": ["job.*"], "retention": "workqueue", "discard": "new", "max_msgs_per_subject": 1,
                "discard_new_per_subject": true}"#,
        ),
        (
            "STREAM.CREATE.results",
            r#"{"name": "results", "subjects": ["result.*", "claim.*"], "discard": "new", "max_msgs_per_subject": 1,
                "discard_new_per_subject": true, "allow_direct": true, "max_age": 86400000000000,
                "republish": {"src": "result.*", "dest": "done.{{wildcard(1)}}"}}"#,
        ),
        (
            "CONSUMER.DURABLE.CREATE.jobs.workers",
            r#"{"stream_name": "jobs", "config": {"durable_name": "workers", "ack_policy": "explicit",
                "ack_wait": 10000000000, "max_ack_pending": -1}}"#,
        ),
    ] {
        ask(&client, format!("$JS.API.{request}"), None, body.to_owned()).await;
    }
    let worker = in_tokio(work(client.clone(), n, at_once));
    let waiting: Arc<Mutex<HashMap<String, oneshot::Sender<u64>>>> = Arc::default();
    let mut done = client.subscribe("done.*").await.expect("the server answers");
    let waiters = waiting.clone();
    let dispatcher = in_tokio(async move {
        for _ in 0..n {
            let message = done.next().await.expect("the connection is open");
            let number = message.subject.as_str().strip_prefix("done.").expect("a result");
            let waiter = waiters.lock().expect("not poisoned").remove(number);
            let value = String::from_utf8_lossy(&message.payload).parse().expect("a number");
            let _ = waiter.expect("each job has one result").send(value);
        }
    });
    let started = now();
    let submit = |n: u64| {
        let (client, waiting) = (client.clone(), waiting.clone());
        async move {
            let (to, result) = oneshot::channel();
            waiting.lock().expect("not poisoned").insert(n.to_string(), to);
            let mut headers = HeaderMap::new();
            headers.insert("Nats-Msg-Id", &*n.to_string());
            ask(&client, format!("job.{n}"), Some(headers), "job".to_owned()).await;
            result.await.expect("it has a result")
        }
    };
    let values = futures::stream::iter(0..n).map(submit).buffer_unordered(at_once);
    let sum: u64 = values.fold(0, |sum, value| async move { sum + value }).await;
    let seconds = started.elapsed().as_secs_f64();
    assert_eq!(sum, n * (n + 1) / 2);
    worker.await;
    dispatcher.await;
    seconds / n as f64
}

/// The worker of the peer: pulls `at_once` jobs, and then one more for each job that is done.
async fn work(client: Client, n: u64, at_once: usize) {
    let inbox = client.new_inbox();
    let mut jobs = client.subscribe(inbox.clone()).await.expect("the server answers");
    let pull = |n_jobs: usize| {
        let body = format!(r#"{{"batch": {n_jobs}, "expires": 60000000000, "idle_heartbeat": 2000000000}}"#);
        client.publish_with_reply("$JS.API.CONSUMER.MSG.NEXT.jobs.workers", inbox.clone(), body.into())
    };
    pull(at_once).await.expect("it is sent");
    let mut running = futures::stream::FuturesUnordered::new();
    let mut n_done = 0;
    while n_done < n {
        tokio::select! {
            job = jobs.next() => {
                let job = job.expect("the connection is open");
                if job.status.is_some() {
                    // A heartbeat, or the end of a request.
                    continue;
                }
                let client = client.clone();
                running.push(in_tokio(async move {
                    let number = job.subject.as_str().strip_prefix("job.").expect("a job").to_owned();
                    ask(&client, format!("claim.{number}"), None, String::new()).await;
                    let value = number.parse::<u64>().expect("a number") + 1;
                    ask(&client, format!("result.{number}"), None, value.to_string()).await;
                    let ack = job.reply.expect("a job has a subject for its acknowledgement");
                    client.publish(ack, "+ACK".into()).await.expect("it is sent");
                }));
            }
            Some(()) = running.next() => {
                n_done += 1;
                pull(1).await.expect("it is sent");
            }
        }
    }
}

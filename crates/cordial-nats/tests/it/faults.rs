//! Faults, with real processes. Each test prints its counts. `CORDIAL_ROUNDS` sets how many rounds each has; the nightly run has twenty.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use cordial::{Exit, LostCause, Task};
use cordial_nats::{Cluster, Job, Options};

use crate::harness::{LIMIT, Server, Store, in_several_tries, run_for, three_servers, wait_for, wait_until};
use crate::namespaces::Namespace;
use crate::processes::{
    BLOCK, HOLD, LEASE, LINGER, POISON, Process, RECORD, Record, begins, options, release_of, results, runs,
};
use crate::proxy::Proxy;

/// A cut link ends leases. The nightly run has longer cuts.
fn cut_time() -> Duration {
    if rounds() < 20 { LEASE + Duration::from_secs(1) } else { Duration::from_secs(20) }
}

pub(crate) fn rounds() -> u64 {
    std::env::var("CORDIAL_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(1)
}

/// How long all rounds of a test may take.
pub(crate) fn limit_of_rounds() -> Duration {
    4 * LIMIT * u32::try_from(rounds()).unwrap()
}

/// Runs rounds of a fault on one server. A round gets its number and a file for the log of the runs.
pub(crate) fn faults<F>(name: &'static str, round: impl Fn(u64, String, std::path::PathBuf) -> F + Send + 'static)
where
    F: Future<Output = String> + Send,
{
    let Some(server) = Server::start() else { return };
    run_for(limit_of_rounds(), async move {
        let dir = tempfile::tempdir().unwrap();
        for number in 0..rounds() {
            let counts = round(number, server.url(), dir.path().join(format!("runs-{number}"))).await;
            println!("{name}, round {number}: {counts}");
        }
    });
}

pub(crate) async fn submit(cluster: &Cluster, log: &Path, numbers: std::ops::Range<u64>, ms: u64) -> Vec<Job<u64>> {
    let mut jobs = Vec::new();
    for number in numbers {
        let record = Record { log: log.display().to_string(), number, ms };
        // While the servers of a busy machine elect a leader, a submit takes longer than its default limit.
        let job = cluster.submit(RECORD, record).group("g").attempts(5).timeout(LIMIT);
        jobs.push(job.await.unwrap());
    }
    jobs
}

/// Checks that every job has its own result, and that only the jobs that a lost worker had were run twice. Returns the counts as a text.
pub(crate) fn check(results: &[Result<u64, Exit>], log: &Path, n_lost: usize) -> String {
    for (number, result) in results.iter().enumerate() {
        assert_eq!(*result, Ok(number as u64));
    }
    let mut count = BTreeMap::new();
    for (number, _) in runs(log) {
        *count.entry(number).or_insert(0) += 1;
    }
    assert_eq!(count.len(), results.len(), "every job has run");
    let n_twice = count.values().filter(|n| **n > 1).count();
    // A worker takes the next job for a slot while the result of the last one is on its way, so a lost worker has up to two jobs per slot.
    assert!(n_twice <= 2 * n_lost, "{n_twice} jobs ran twice, and the lost worker had {n_lost} slots");
    format!("{} jobs, {} results, {n_twice} ran twice", count.len(), results.len())
}

/// Checks that no two runs of a job have the same number. Returns how many runs began before this lease of the last run can have run out.
pub(crate) fn check_numbers(log: &Path, lease: Duration) -> usize {
    let mut n_early = 0;
    for (number, begins) in begins(log) {
        for pair in begins.windows(2) {
            let [(first, attempt), (second, next_attempt)] = *pair else { unreachable!() };
            assert!(next_attempt > attempt, "two runs of the job {number}: {attempt} and {next_attempt}");
            // A run begins after its lease does: when its claim is kept. After a third of a lease, the worker has renewed it meanwhile.
            n_early += usize::from(second - first < lease * 2 / 3);
        }
    }
    n_early
}

/// Waits until this many runs have started.
pub(crate) async fn wait_runs(log: &Path, n: usize) {
    wait_until(&format!("{n} runs in {}", log.display()), || async { runs(log).len() >= n }).await;
}

#[test]
fn a_killed_worker_loses_no_job() {
    faults("SIGKILL of a worker", |round, url, log| async move {
        let cluster = Cluster::connect(options(&url)).await.unwrap();
        let mut first = Process::worker(&url, &format!("first-{round}"), 3);
        let jobs = submit(&cluster, &log, 0..30, 60).await;
        wait_runs(&log, 4 + usize::try_from(round).unwrap() % 9).await;
        first.kill();
        let _second = Process::worker(&url, &format!("second-{round}"), 3);
        check(&results(jobs).await, &log, 3)
    });
}

#[test]
fn a_stream_whose_worker_is_killed_has_each_result_in_order() {
    faults("a stream and SIGKILL of a worker", |round, url, log| async move {
        let cluster = Cluster::connect(options(&url)).await.unwrap();
        let mut first = Process::worker(&url, &format!("first-{round}"), 3);
        let _second = Process::worker(&url, &format!("second-{round}"), 3);
        let text = log.display().to_string();
        let inputs = (0..60).map(move |number| Record { log: text.clone(), number, ms: 30 });
        let stream = cluster.async_stream(RECORD, inputs).group("g").attempts(5).max_concurrency(8);
        let results = Task::spawn(stream.timeout(LIMIT).collect()).timeout(2 * LIMIT);
        wait_runs(&log, 10).await;
        first.kill();
        check(&results.await.unwrap(), &log, 3)
    });
}

#[test]
fn a_frozen_worker_loses_its_jobs_and_its_late_results_are_refused() {
    faults("SIGSTOP of a worker", |round, url, log| async move {
        let cluster = Cluster::connect(options(&url)).await.unwrap();
        let first = Process::worker(&url, &format!("first-{round}"), 3);
        let _second = Process::worker(&url, &format!("second-{round}"), 3);
        let jobs = submit(&cluster, &log, 0..30, 60).await;
        wait_runs(&log, 8).await;
        first.signal("STOP");
        let counts = check(&results(jobs).await, &log, 3);
        first.signal("CONT");
        // The node continues with its old jobs, which have results by now. It can still run new jobs.
        let more = Path::new(&log).with_extension("more");
        check(&results(submit(&cluster, &more, 0..12, 20).await).await, &more, 3);
        counts
    });
}

#[test]
fn a_job_that_kills_each_worker_is_a_dead_letter() {
    faults("a job that kills each worker", |round, url, log| async move {
        let cluster = Cluster::connect(options(&url)).await.unwrap();
        let poison = cluster.submit(POISON, log.display().to_string()).group("g").attempts(2);
        let poison = poison.key(format!("poison-{round}")).await.unwrap().timeout(2 * LIMIT);
        let respawn = async {
            let mut n_workers = 0;
            loop {
                n_workers += 1;
                // It may be killed before it says that it is ready.
                let mut worker = Process::start("worker", &url, &format!("worker-{round}-{n_workers}"), "2");
                while !worker.has_ended() {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        };
        let exit = tokio::select! {
            result = poison => result.unwrap_err(),
            () = respawn => unreachable!("it has no end"),
        };
        assert!(matches!(exit, Exit::Lost(_)), "{exit}");
        assert!(exit.to_string().contains("dead letters"), "{exit}");
        let n_runs = std::fs::read_to_string(&log).unwrap().lines().count();
        assert_eq!(n_runs, 2, "not more often than it has attempts");
        let letters = cluster.dead_letters("g").await.unwrap();
        assert_eq!(letters.last().unwrap().id.key().unwrap(), format!("poison-{round}"));
        assert_eq!(letters.last().unwrap().attempts.len(), 2);
        format!("{n_runs} runs, 1 dead letter, 1 answer")
    });
}

#[test]
fn jobs_of_a_killed_submitter_run_and_another_program_gets_the_results() {
    faults("SIGKILL of the submitter", |round, url, log| async move {
        let cluster = Cluster::connect(options(&url)).await.unwrap();
        let _worker = Process::worker(&url, &format!("worker-{round}"), 4);
        let name = format!("submitter-{round}");
        let mut submitter = Process::start("submitter", &url, &name, &log.display().to_string());
        let mut accepted = Vec::new();
        for _ in 0..20 {
            accepted.push(submitter.wait_line("accepted").unwrap());
        }
        submitter.kill();
        while let Some(id) = submitter.wait_line("accepted") {
            accepted.push(id);
        }
        for (number, id) in accepted.iter().enumerate() {
            let job = cluster.attach(RECORD, &id.parse().unwrap());
            assert_eq!(job.timeout(LIMIT).await, Ok(number as u64));
        }
        format!("{} accepted, {} results", accepted.len(), accepted.len())
    });
}

#[test]
fn a_call_whose_node_is_killed_or_frozen_fails_within_three_seconds() {
    faults("a call and its node", |round, url, _log| async move {
        let cluster = Cluster::connect(options(&url)).await.unwrap();
        let mut texts = Vec::new();
        for signal in ["KILL", "STOP"] {
            // A machine that is busy for a moment may delay the answer, or the node may count as down before.
            let noticed = in_several_tries(|number| {
                let (url, cluster) = (&url, &cluster);
                async move {
                    let name = format!("node-{round}-{signal}-{number}");
                    let worker = Process::worker(url, &name, 2);
                    let call = cluster.call(BLOCK, 60_000).timeout(LIMIT);
                    let call = Task::spawn(async move { (call.await, Instant::now()) }).timeout(2 * LIMIT);
                    let runs = || async { cluster.nodes().await.unwrap().iter().any(|node| node.running > 0) };
                    if tokio::time::timeout(LIMIT / 4, wait_until("the call runs", runs)).await.is_err() {
                        return Err(format!("{:?}", call.await));
                    }
                    worker.signal(signal);
                    let signaled = Instant::now();
                    let (result, at) = call.await.unwrap();
                    let Err(Exit::Lost(lost)) = result else { panic!("{result:?}") };
                    let noticed = at - signaled;
                    let is_right = *lost.as_ref().cause() == LostCause::NodeDown { node: name.into() };
                    let is_in_time = noticed < Duration::from_secs(3);
                    if is_right && is_in_time { Ok(noticed) } else { Err(format!("{lost} after {noticed:?}")) }
                }
            })
            .await;
            texts.push(format!("SIG{signal} noticed after {noticed:?}"));
        }
        texts.join(", ")
    });
}

#[test]
fn a_call_whose_node_is_killed_does_not_run_again() {
    faults("a call runs at most once", |round, url, log| async move {
        let cluster = Cluster::connect(options(&url)).await.unwrap();
        let mut first = Process::worker(&url, &format!("first-{round}"), 1);
        let record = Record { log: log.display().to_string(), number: 0, ms: 60_000 };
        let call = cluster.call(RECORD, record).timeout(LIMIT);
        let call = Task::spawn(call.into_future()).timeout(2 * LIMIT);
        wait_runs(&log, 1).await;
        let _second = Process::worker(&url, &format!("second-{round}"), 1);
        first.kill();
        let exit = call.await.unwrap().unwrap_err();
        assert!(matches!(exit, Exit::Lost(_)), "{exit}");
        // A job would run elsewhere by then.
        tokio::time::sleep(LEASE * 3 / 2).await;
        assert_eq!(runs(&log).len(), 1);
        "1 run, 1 answer".to_owned()
    });
}

#[test]
fn a_job_of_a_killed_worker_runs_elsewhere_within_its_lease() {
    faults("a lease that runs out", |round, url, log| async move {
        let cluster = Cluster::connect(options(&url)).await.unwrap();
        let mut first = Process::worker(&url, &format!("first-{round}"), 1);
        let record = Record { log: log.display().to_string(), number: 0, ms: 0 };
        let job = cluster.submit(LINGER, record).group("g").await.unwrap();
        wait_runs(&log, 1).await;
        let _second = Process::worker(&url, &format!("second-{round}"), 1);
        first.kill();
        let killed = Instant::now();
        wait_runs(&log, 2).await;
        let took = killed.elapsed();
        // On a busy machine, the second run begins later.
        assert!(took < LEASE * 2, "{took:?}");
        format!("run again after {took:?}, lease {LEASE:?}; {}", check(&results(vec![job]).await, &log, 1))
    });
}

#[test]
fn a_stream_runs_on_all_nodes() {
    faults("a stream and two nodes", |round, url, log| async move {
        let cluster = Cluster::connect(options(&url)).await.unwrap();
        let _workers = ["one", "two"].map(|name| Process::worker(&url, &format!("{name}-{round}"), 4));
        let text = log.display().to_string();
        let inputs = (0..200).map(move |number| Record { log: text.clone(), number, ms: 0 });
        let stream = cluster.async_stream(HOLD, inputs).group("g").max_concurrency(16);
        let results = Task::spawn(stream.timeout(LIMIT).collect()).timeout(2 * LIMIT);
        // Each node has four slots.
        wait_runs(&log, 8).await;
        std::fs::write(release_of(&log), "").unwrap();
        check(&results.await.unwrap(), &log, 0)
    });
}

#[test]
fn a_worker_whose_threads_are_all_blocked_keeps_its_leases() {
    faults("blocked threads", |round, url, _log| async move {
        let cluster = Cluster::connect(options(&url)).await.unwrap();
        let _worker = Process::worker(&url, &format!("worker-{round}"), 64);
        let mut jobs = Vec::new();
        for _ in 0..64 {
            jobs.push(cluster.submit(BLOCK, LEASE.as_millis() as u64 * 3 / 2).group("g").attempts(1).await.unwrap());
        }
        let results = results(jobs).await;
        assert!(results.iter().all(Result::is_ok), "no lease was lost: {results:?}");
        format!("{} jobs that block for one and a half leases", results.len())
    });
}

#[test]
fn a_worker_that_stops_gives_its_jobs_back_at_once() {
    faults("SIGTERM of a worker", |round, url, log| async move {
        let cluster = Cluster::connect(options(&url)).await.unwrap();
        // The lease is longer than the test, so a job that is left to it does not run again.
        let start = |name: &str| Process::worker_of("worker", LIMIT * 10, &url, &format!("{name}-{round}"), 4);
        let mut first = start("first");
        let mut jobs = Vec::new();
        for number in 0..4 {
            let record = Record { log: log.display().to_string(), number, ms: 0 };
            jobs.push(cluster.submit(LINGER, record).group("g").attempts(5).await.unwrap());
        }
        wait_runs(&log, 4).await;
        let _second = start("second");
        first.signal("TERM");
        let started = Instant::now();
        wait_runs(&log, 8).await;
        let again = started.elapsed();
        first.wait_end();
        format!("{}; run again after {again:?}", check(&results(jobs).await, &log, 4))
    });
}

#[test]
fn a_cut_link_loses_nothing_on_either_side() {
    faults("a cut link", |round, url, log| async move {
        let (to_worker, to_submitter) = (Proxy::start(&url), Proxy::start(&url));
        let cluster = Cluster::connect(options(&to_submitter.url())).await.unwrap();
        let _cut_off = Process::worker(&to_worker.url(), &format!("cut-off-{round}"), 3);
        let _other = Process::worker(&url, &format!("other-{round}"), 3);
        let jobs = submit(&cluster, &log, 0..40, 60).await;
        wait_runs(&log, 8).await;
        // First the worker, then the submitter, which misses results meanwhile.
        to_worker.cut();
        to_submitter.cut();
        tokio::time::sleep(cut_time()).await;
        to_worker.mend();
        to_submitter.mend();
        check(&results(jobs).await, &log, 3)
    });
}

#[test]
fn a_worker_whose_network_is_gone_loses_nothing() {
    let Some(namespace) = Namespace::new() else { return };
    let Some(server) = Server::with_config("host: 0.0.0.0", Store::Here) else { return };
    run_for(limit_of_rounds(), async move {
        let dir = tempfile::tempdir().unwrap();
        let cut = cut_time();
        let far = format!("nats://{}:{}", namespace.address(), server.port);
        for round in 0..rounds() {
            let log = dir.path().join(format!("runs-{round}"));
            let cluster = Cluster::connect(options(&server.url())).await.unwrap();
            let _cut_off = Process::worker_in(&namespace, &far, &format!("cut-off-{round}"), 3);
            let _other = Process::worker(&server.url(), &format!("other-{round}"), 3);
            let jobs = submit(&cluster, &log, 0..40, 60).await;
            wait_runs(&log, 8).await;
            namespace.cut();
            tokio::time::sleep(cut).await;
            // The jobs of the other worker are done, and the server has sent more to the one that is cut off.
            let more_log = log.with_extension("more");
            let more = submit(&cluster, &more_log, 0..10, 20).await;
            namespace.mend();
            let counts = check(&results(jobs).await, &log, 3);
            let more = check(&results(more).await, &more_log, 3);
            println!("a network that is gone for {cut:?}, round {round}: {counts}; then {more}");
        }
    });
}

#[test]
fn the_loss_of_the_leader_of_three_servers_loses_no_job() {
    let Some(mut servers) = three_servers() else { return };
    run_for(limit_of_rounds(), async move {
        let urls = servers.iter().map(Server::url).collect::<Vec<_>>().join(",");
        let dir = tempfile::tempdir().unwrap();
        let cluster = wait_cluster(options(&urls).replicas(3)).await;
        let submit_first = || async { cluster.submit(BLOCK, 1).group("g").key("first").await.is_ok() };
        wait_until("the streams have leaders", submit_first).await;
        let _workers = [Process::worker(&urls, "one", 3), Process::worker(&urls, "two", 3)];
        for round in 0..rounds() {
            let log = dir.path().join(format!("runs-{round}"));
            let jobs = submit(&cluster, &log, 0..40, 60).await;
            wait_runs(&log, 8).await;
            let leader = leader_of(&urls, "cordial-jobs-g").await;
            let server = servers.iter_mut().find(|server| server.name == leader).unwrap();
            server.kill();
            // Renewals of leases are lost with a leader, so every job that ran may run again.
            let counts = check(&results(jobs).await, &log, 40);
            println!("SIGKILL of the leader {leader}, round {round}: {counts}");
            server.restart();
            wait_until("the server has caught up", || async { server.is_current() }).await;
        }
    });
}

/// Connects to servers of a cluster, which elect a leader first.
pub(crate) async fn wait_cluster(options: Options) -> Cluster {
    wait_for("the servers have a leader", || async { Cluster::connect(options.clone()).await.ok() }).await
}

/// Returns which server leads a stream.
pub(crate) async fn leader_of(urls: &str, stream: &str) -> String {
    let servers: Vec<&str> = urls.split(',').collect();
    let client = async_nats::connect(servers.as_slice()).await.unwrap();
    wait_for("the stream has a leader", || async {
        let answer = client.request(format!("$JS.API.STREAM.INFO.{stream}"), "".into()).await.ok()?;
        let info: serde_json::Value = serde_json::from_slice(&answer.payload).ok()?;
        info["cluster"]["leader"].as_str().map(str::to_owned)
    })
    .await
}

//! A worker whose functions run in a pool of OS processes.

use std::time::Duration;

use cordial::{Exit, Lost, LostCause, Strategy, Supervisor};
use cordial_isolate::Pool;
use cordial_nats::Cluster;

use crate::harness::{LIMIT, wait_node, wait_running, wait_until, with_server};
use crate::leases::wait_deliveries;
use crate::processes::{LINGER, OS_PID, POISON, RECORD, Record, functions, options, runs};

/// The report of a function that aborted its OS process.
fn aborted(result: Result<(), Exit>) -> std::sync::Arc<Lost> {
    let Err(Exit::Lost(lost)) = result else { panic!("expected `Exit::Lost`, not {result:?}") };
    assert_eq!(*lost.cause(), LostCause::signal(6));
    assert_eq!(lost.function(), Some("poison"));
    lost
}

#[test]
fn a_function_that_aborts_is_lost_and_its_worker_lives_on() {
    cordial_isolate::test_main(functions());
    with_server(|server| async move {
        let cluster = Cluster::connect(options(&server.url()).name("alive")).await.unwrap();
        let pool = Pool::builder().workers(2).start().unwrap();
        let worker = cluster.worker(functions()).group("g").slots(2).isolated(pool.clone());
        let tree = Supervisor::builder(Strategy::OneForOne).child(worker.child_spec("worker")).start().await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("runs").display().to_string();
        let started = wait_node(&cluster, "alive").await.started;

        let job = cluster.submit(POISON, log.clone()).group("g").key("poison").attempts(2).await.unwrap();
        let lost = aborted(job.timeout(LIMIT).await);
        assert!(lost.to_string().contains("among the dead letters"), "{lost}");
        assert_eq!(std::fs::read_to_string(&log).unwrap().lines().count(), 2, "both attempts have run");
        let letters = cluster.dead_letters("g").await.unwrap();
        let reasons: Vec<_> = letters[0].attempts.iter().map(|attempt| &*attempt.reason).collect();
        assert!(reasons.iter().all(|reason| reason.contains("SIGABRT")), "{reasons:?}");
        aborted(cluster.call(POISON, log.clone()).timeout(LIMIT).await);

        // The node has not been started again, and it works.
        assert_eq!(wait_node(&cluster, "alive").await.started, started);
        for number in 0..5 {
            let record = Record { log: log.clone(), number, ms: 1 };
            let job = cluster.submit(RECORD, record.clone()).group("g").attempts(1).await.unwrap();
            assert_eq!(job.timeout(LIMIT).await, Ok(number));
            assert_eq!(cluster.call(RECORD, record).timeout(LIMIT).await, Ok(number));
        }
        // As in a process of the node, the function knows its attempt.
        assert_eq!(
            runs(std::path::Path::new(&log)),
            [(0, 1), (0, 0), (1, 1), (1, 0), (2, 1), (2, 0), (3, 1), (3, 0), (4, 1), (4, 0)],
            "a job has an attempt, a call has none"
        );
        tree.stop().await;
        pool.stop().await;
    });
}

#[test]
fn a_node_whose_pool_takes_no_calls_uses_up_no_attempt() {
    cordial_isolate::test_main(functions());
    with_server(|server| async move {
        let cluster = Cluster::connect(options(&server.url()).name("without-pool")).await.unwrap();
        let pool = Pool::builder().workers(1).start().unwrap();
        let worker = cluster.worker(functions()).group("g").slots(1).isolated(pool.clone());
        let broken = Supervisor::builder(Strategy::OneForOne).child(worker.child_spec("worker")).start().await.unwrap();
        pool.stop().await;
        let dir = tempfile::tempdir().unwrap();
        let record = |number| Record { log: dir.path().join("runs").display().to_string(), number, ms: 0 };
        let job = cluster.submit(RECORD, record(7)).group("g").attempts(1).await.unwrap();
        wait_running(&cluster, 1).await;
        let other = Cluster::connect(options(&server.url()).name("other")).await.unwrap();
        let worker = other.worker(functions()).group("g").slots(1);
        let tree = Supervisor::builder(Strategy::OneForOne).child(worker.child_spec("worker")).start().await.unwrap();
        assert_eq!(job.timeout(LIMIT).await, Ok(7));
        assert_eq!(cluster.dead_letters("g").await.unwrap(), []);
        tree.stop().await;
        broken.stop().await;
    });
}

#[test]
fn jobs_that_run_in_a_pool_or_wait_for_it_when_it_is_stopped_use_up_no_attempt() {
    cordial_isolate::test_main(functions());
    with_server(|server| async move {
        let cluster = Cluster::connect(options(&server.url()).name("with-pool")).await.unwrap();
        let pool = Pool::builder().workers(1).grace(Duration::from_millis(100)).start().unwrap();
        let worker = cluster.worker(functions()).group("g").slots(3).isolated(pool.clone());
        let stops = Supervisor::builder(Strategy::OneForOne).child(worker.child_spec("worker")).start().await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let record = |number| Record { log: dir.path().join("runs").display().to_string(), number, ms: 0 };
        // One of them runs in the only worker of the pool, and the others wait for it.
        let mut jobs = Vec::new();
        for number in 0..3 {
            jobs.push(cluster.submit(LINGER, record(number)).group("g").attempts(1).await.unwrap());
        }
        wait_until("two jobs wait for the pool", || async { pool.statistics().queued == 2 }).await;
        pool.stop().await;
        let other = Cluster::connect(options(&server.url()).name("other")).await.unwrap();
        let worker = other.worker(functions()).group("g").slots(3);
        let tree = Supervisor::builder(Strategy::OneForOne).child(worker.child_spec("worker")).start().await.unwrap();
        for (number, job) in (0..).zip(jobs) {
            assert_eq!(job.timeout(LIMIT).await, Ok(number));
        }
        assert_eq!(cluster.dead_letters("g").await.unwrap(), []);
        tree.stop().await;
        stops.stop().await;
    });
}

#[test]
fn a_node_whose_pool_takes_no_calls_writes_nothing_for_the_jobs_that_it_gives_back() {
    cordial_isolate::test_main(functions());
    with_server(|server| async move {
        let cluster = Cluster::connect(options(&server.url())).await.unwrap();
        let pool = Pool::builder().workers(1).start().unwrap();
        pool.stop().await;
        let worker = cluster.worker(functions()).group("g").slots(1).isolated(pool.clone());
        let tree = Supervisor::builder(Strategy::OneForOne).child(worker.child_spec("worker")).start().await.unwrap();
        let job = cluster.submit(OS_PID, ()).group("g").attempts(1).await.unwrap();
        let client = async_nats::connect(server.url()).await.unwrap();
        wait_deliveries(&client, 3).await;
        let results = client.request("$JS.API.STREAM.INFO.cordial-results", "".into()).await.unwrap();
        let results: serde_json::Value = serde_json::from_slice(&results.payload).unwrap();
        assert_eq!(results["state"]["last_seq"], 0);
        drop(job);
        tree.stop().await;
    });
}

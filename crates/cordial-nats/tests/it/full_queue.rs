//! A client whose queue is full, because very many requests were made while the server was gone.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cordial::{Exit, LostCause, Strategy, Supervisor};
use cordial_isolate::{Function, Functions};
use cordial_nats::{Cluster, Job, SubmitError};
use futures_util::future::{BoxFuture, join_all};

use crate::functions::{DOUBLE, SLEEP};
use crate::harness::{LIMIT, wait_until, with_server};
use crate::processes::{LEASE, options};

/// More requests than the queue of a client can hold.
const MANY: u64 = 3000;

type Submitted = BoxFuture<'static, Result<Job<u64>, SubmitError>>;

fn submits(cluster: &Cluster, limit: Duration) -> Vec<Submitted> {
    (0..MANY).map(|n| cluster.submit(DOUBLE, n).group("g").timeout(limit).into_future()).collect()
}

#[test]
fn requests_end_at_their_limits_even_if_the_queue_of_the_client_is_full() {
    with_server(|mut server| async move {
        let cluster = Cluster::connect(server.url()).await.unwrap();
        drop(cluster.submit(DOUBLE, 1).group("g").await.unwrap());
        assert_eq!(cluster.nodes().await.unwrap(), []);
        server.kill();
        let ended = tokio::time::timeout(LIMIT, join_all(submits(&cluster, Duration::from_millis(500)))).await;
        for submitted in ended.expect("each submit has a limit") {
            let error = submitted.unwrap_err();
            assert!(matches!(error, SubmitError::Unknown { .. }), "{error}");
        }
        let asked = tokio::time::timeout(LIMIT, cluster.nodes()).await.expect("a question has a limit");
        assert!(asked.unwrap_err().to_string().contains("did not answer"));
        let exit = cluster.call(DOUBLE, 1).timeout(LIMIT).await.unwrap_err();
        let Exit::Lost(lost) = exit else { panic!("{exit}") };
        assert!(matches!(lost.cause(), LostCause::ConnectionLost { .. }), "{lost}");
    });
}

/// Lasts until it is ended.
const ENDLESS: Function<(), ()> = Function::new("endless");

static HAS_BEGUN: AtomicBool = AtomicBool::new(false);
static CALL_HAS_BEGUN: AtomicBool = AtomicBool::new(false);
static HAS_ENDED: AtomicBool = AtomicBool::new(false);

struct NotesEnd;

impl Drop for NotesEnd {
    fn drop(&mut self) {
        HAS_ENDED.store(true, Ordering::SeqCst);
    }
}

async fn wait_for(what: &str, flag: &AtomicBool) {
    wait_until(what, || async { flag.load(Ordering::SeqCst) }).await;
}

#[test]
fn a_run_whose_lease_is_lost_ends_and_a_worker_stops_even_if_the_queue_of_the_client_is_full() {
    with_server(|mut server| async move {
        let cluster = Cluster::connect(options(&server.url())).await.unwrap();
        let functions = Functions::new()
            .add(ENDLESS, |()| async move {
                let _end = NotesEnd;
                HAS_BEGUN.store(true, Ordering::SeqCst);
                std::future::pending().await
            })
            .add(SLEEP, |ms| async move {
                CALL_HAS_BEGUN.store(true, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(ms)).await;
                ms
            });
        // Nothing runs at the stop, so it does not take that long.
        let worker = cluster.worker(functions).group("g").slots(2).grace(LIMIT);
        let tree = Supervisor::builder(Strategy::OneForOne).child(worker.child_spec("worker")).start().await.unwrap();
        drop(cluster.submit(ENDLESS, ()).group("g").attempts(1).await.unwrap());
        wait_for("the job runs", &HAS_BEGUN).await;
        let call = cluster.call(SLEEP, LEASE.as_millis() as u64 / 2).timeout(LIMIT);
        wait_for("the call runs", &CALL_HAS_BEGUN).await;
        server.kill();
        // The queue is full when the worker answers the call.
        let mut full = Box::pin(join_all(submits(&cluster, LIMIT * 3)));
        tokio::select! {
            _ = &mut full => unreachable!("there is no server"),
            () = wait_for("the lease is over", &HAS_ENDED) => {}
        }
        tokio::select! {
            _ = &mut full => unreachable!("there is no server"),
            stopped = tree.stop() => assert!(stopped.is_clean(), "{stopped:?}"),
            () = tokio::time::sleep(LIMIT / 2) => panic!("the worker does not stop"),
        }
        drop(call);
    });
}

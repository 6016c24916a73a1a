//! User code that panics, or calls back, where a worker or the thread of a connection runs it.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use cordial::{Exit, Inherited, Strategy, Supervisor};
use cordial_isolate::{Function, Functions};
use cordial_nats::{Cluster, Options};
use serde::{Deserialize, Deserializer, Serialize};
use tokio::sync::Notify;

use crate::faults::wait_runs;
use crate::functions::DOUBLE;
use crate::harness::{LIMIT, wait_node, wait_until, with_server};
use crate::jobs::start_worker;
use crate::processes::{FAIL_AT_STOP, HOLD, LEASE, Process, RECORD, Record, options, release_of};

/// Fails with an error whose `Display` panics.
const UNPRINTABLE: Function<(), ()> = Function::new("unprintable");
const NOTHING: Function<(), ()> = Function::new("nothing");

static UNREADABLE: Inherited<Unreadable> = Inherited::new();

fn functions() -> Functions {
    Functions::new()
        .add_fallible(UNPRINTABLE, |()| async move { Err::<(), Unprintable>(Unprintable) })
        .add(NOTHING, |()| async move {})
        .travels("unreadable", &UNREADABLE)
}

#[derive(Debug)]
struct Unprintable;

impl fmt::Display for Unprintable {
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("the text of an error")
    }
}

impl std::error::Error for Unprintable {}

/// A value whose `Deserialize` panics.
#[derive(Serialize)]
struct Unreadable;

impl<'de> Deserialize<'de> for Unreadable {
    fn deserialize<D: Deserializer<'de>>(_deserializer: D) -> Result<Unreadable, D::Error> {
        panic!("the bytes of a value")
    }
}

#[test]
fn an_error_whose_text_panics_fails_its_attempt_as_any_error_does() {
    with_server(|server| async move {
        let cluster = Cluster::connect(server.url()).await.unwrap();
        let worker = cluster.worker(functions()).group("g").slots(2);
        let tree = Supervisor::builder(Strategy::OneForOne).child(worker.child_spec("worker")).start().await.unwrap();
        let said = "an error whose `Display` panicked";
        let exit = cluster.call(UNPRINTABLE, ()).timeout(LIMIT).await.unwrap_err();
        assert_eq!(exit.to_string(), said);
        let job = cluster.submit(UNPRINTABLE, ()).group("g").attempts(2).await.unwrap();
        let exit = job.timeout(LIMIT).await.unwrap_err();
        assert!(exit.to_string().ends_with(said), "{exit}");
        let letters = cluster.dead_letters("g").await.unwrap();
        let reasons: Vec<_> = letters[0].attempts.iter().map(|attempt| &*attempt.reason).collect();
        assert_eq!(reasons, [said, said]);
        tree.stop().await;
    });
}

#[test]
fn a_value_that_panics_when_it_is_decoded_is_a_panic_of_its_call() {
    with_server(|server| async move {
        let cluster = Cluster::connect(Options::new(server.url()).travels(&functions())).await.unwrap();
        let worker = cluster.worker(functions()).group("g").slots(2);
        let tree = Supervisor::builder(Strategy::OneForOne).child(worker.child_spec("worker")).start().await.unwrap();
        let calls = async {
            let called = cluster.call(NOTHING, ()).timeout(LIMIT).await;
            let job = cluster.submit(NOTHING, ()).group("g").attempts(1).await.unwrap();
            [called, job.timeout(LIMIT).await]
        };
        for result in UNREADABLE.scope(Unreadable, calls).await {
            let Err(Exit::Panic(report)) = result else { panic!("expected a panic, not {result:?}") };
            assert!(report.message().starts_with("the bytes of a value"), "{report}");
        }
        tree.stop().await;
    });
}

/// Says on which thread it was dropped.
struct NotesThread(mpsc::Sender<Option<String>>);

impl Drop for NotesThread {
    fn drop(&mut self) {
        let _ = self.0.send(std::thread::current().name().map(str::to_owned));
    }
}

#[test]
fn a_result_that_cannot_be_stored_keeps_no_function_of_a_worker_that_has_ended() {
    with_server(|server| async move {
        let cluster = Cluster::connect(server.url()).await.unwrap();
        let (notes, dropped) = mpsc::channel();
        let (begun, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (notes, begins, released) = (NotesThread(notes), begun.clone(), release.clone());
        let functions = Functions::new().add(NOTHING, move |()| {
            let _ = &notes;
            let (begins, released) = (begins.clone(), released.clone());
            async move {
                begins.notify_one();
                released.notified().await;
            }
        });
        let worker = cluster.worker(functions).group("g").slots(1).grace(Duration::from_millis(100));
        let tree = Supervisor::builder(Strategy::OneForOne).child(worker.child_spec("worker")).start().await.unwrap();
        drop(worker);
        let job = cluster.submit(NOTHING, ()).group("g").await.unwrap();
        tokio::time::timeout(LIMIT, begun.notified()).await.expect("the job runs");
        server.signal("STOP");
        release.notify_one();
        tree.stop().await;
        drop(tree);
        // The thread of the connection still waits for the answer to the result.
        let thread = dropped.recv_timeout(LIMIT).unwrap();
        assert_ne!(thread.as_deref(), Some("cordial-nats"));
        drop(job);
    });
}

type Wait = Pin<Box<dyn Future<Output = Result<u64, Exit>> + Send>>;

/// A waker that drops the future that it wakes, as an executor does that has ended.
struct DropsWait {
    wait: Mutex<Option<Wait>>,
    dropped: Notify,
}

impl Wake for DropsWait {
    fn wake(self: Arc<DropsWait>) {
        drop(self.wait.lock().unwrap().take());
        self.dropped.notify_one();
    }
}

#[test]
fn a_waker_may_drop_the_wait_for_a_result() {
    with_server(|server| async move {
        let cluster = Cluster::connect(server.url()).await.unwrap();
        let job = cluster.submit(DOUBLE, 1).group("g").await.unwrap();
        let mut wait: Wait = Box::pin(job.result());
        let drops = Arc::new(DropsWait { wait: Mutex::default(), dropped: Notify::new() });
        let polled = wait.as_mut().poll(&mut Context::from_waker(&Waker::from(drops.clone())));
        assert!(matches!(polled, Poll::Pending));
        *drops.wait.lock().unwrap() = Some(wait);
        let tree = start_worker(&cluster, "g", 2).await;
        tokio::time::timeout(LIMIT, drops.dropped.notified()).await.expect("the result wakes the wait");
        // The thread of the connection goes on.
        let job = cluster.submit(DOUBLE, 2).group("g").await.unwrap();
        assert_eq!(job.timeout(LIMIT).await, Ok(4));
        tree.stop().await;
    });
}

#[test]
fn a_subscriber_that_panics_about_a_result_does_not_end_the_connection_of_a_worker() {
    with_server(|server| async move {
        let cluster = Cluster::connect(options(&server.url())).await.unwrap();
        let client = async_nats::connect(server.url()).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("runs");
        let _worker = Process::worker_of("subscriber", LEASE, &server.url(), "subscriber", 2);
        let record = |number| Record { log: log.display().to_string(), number, ms: 0 };
        let job = cluster.submit(HOLD, record(7)).group("g").key("k").await.unwrap();
        wait_runs(&log, 1).await;
        // Another result is stored first, so the result of the worker is refused.
        let mut headers = async_nats::HeaderMap::new();
        headers.insert("Cordial-State", "done");
        let kept = client.request_with_headers("cordial.result.g.key.k", headers, vec![8, 0].into()).await.unwrap();
        assert!(!String::from_utf8_lossy(&kept.payload).contains("error"), "{kept:?}");
        assert_eq!(job.timeout(LIMIT).await, Ok(8));
        std::fs::write(release_of(&log), "").unwrap();
        let job = cluster.submit(RECORD, record(9)).group("g").await.unwrap();
        assert_eq!(job.timeout(LIMIT).await, Ok(9));
        // Its slots are free again.
        wait_until("no job runs", || async { wait_node(&cluster, "subscriber").await.running == 0 }).await;
    });
}

#[test]
fn an_error_whose_drop_panics_at_the_stop_of_a_worker_uses_up_no_attempt_and_hides_no_answer() {
    const N: u64 = 16;
    with_server(|server| async move {
        let cluster = Cluster::connect(options(&server.url())).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("runs");
        let record = |number| Record { log: log.display().to_string(), number, ms: 0 };
        let mut worker = Process::worker_of("graceless", LEASE, &server.url(), "graceless", 2 * N as usize);
        let calls: Vec<_> = (0..N).map(|n| cluster.call(FAIL_AT_STOP, record(n)).timeout(LIMIT)).collect();
        let mut jobs = Vec::new();
        for n in 0..N {
            jobs.push(cluster.submit(FAIL_AT_STOP, record(n)).group("g").attempts(1).await.unwrap());
        }
        wait_runs(&log, 2 * N as usize).await;
        // A run whose function fails at the moment at which it has to end may see one or the other first.
        worker.signal("TERM");
        let mut n_stopped = 0;
        for call in calls {
            let exit = call.await.unwrap_err().to_string();
            n_stopped += u64::from(exit.contains("a worker that has been stopped"));
            assert!(exit == "failed at the stop" || exit.contains("a worker that has been stopped"), "{exit}");
        }
        worker.wait_end();
        let functions = Functions::new().add(FAIL_AT_STOP, |record: Record| async move { record.number });
        let worker = cluster.worker(functions).group("g").slots(2);
        let tree = Supervisor::builder(Strategy::OneForOne).child(worker.child_spec("worker")).start().await.unwrap();
        for (n, job) in (0..N).zip(jobs) {
            match job.timeout(LIMIT).await {
                Ok(number) => assert_eq!(number, n),
                Err(exit) => assert!(exit.to_string().ends_with("failed at the stop"), "{exit}"),
            }
        }
        println!("{n_stopped} of {N} calls were ended by the stop");
        tree.stop().await;
    });
}

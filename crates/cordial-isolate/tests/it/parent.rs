//! The program of a pool ends, in order or by SIGKILL, while its workers compute.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cordial::Shutdown;
use cordial_isolate::Pool;
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};

use crate::functions::{GRANDCHILD, LEAVE, Leaves, SPIN, UNENDED_OUT, assert_killed, functions};
use crate::processes::until_gone;
use crate::waits::{LONG, limit_time_of_process, until};

/// The variable that makes this test the program of a pool.
const PARENT: &str = "CORDIAL_ISOLATE_TEST_PARENT";

const WORKERS: usize = 2;

/// How long a worker outlives its program, on a machine that has a processor for each of them.
const PROMISED: Duration = Duration::from_secs(1);

/// Whether the thread that emits a line of output blocks, and whether one does.
static BLOCKS: AtomicBool = AtomicBool::new(false);
static IS_BLOCKED: AtomicBool = AtomicBool::new(false);

/// A subscriber that blocks the thread of a pool.
struct Blocking;

impl<S: Subscriber> Layer<S> for Blocking {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        while event.metadata().target() == "cordial_isolate::output" && BLOCKS.load(Ordering::SeqCst) {
            IS_BLOCKED.store(true, Ordering::SeqCst);
            std::thread::park();
        }
    }
}

/// Starts processes in each way in workers, and prints their ids.
#[expect(clippy::print_stdout, reason = "the test reads it")]
async fn start_processes(pool: &Pool) {
    println!("id {}", pool.call(GRANDCHILD, ()).timeout(LONG).await.unwrap());
    for how in [Leaves::Session, Leaves::Orphan, Leaves::Environment] {
        println!("id {}", pool.call(LEAVE, how).timeout(LONG).await.unwrap());
    }
}

/// Drops a pool whose thread is blocked, and ends this process at once.
#[expect(clippy::print_stdout, reason = "the test reads it")]
fn be_parent_that_drops_a_blocked_pool() {
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(Blocking)).unwrap();
    cordial::run(async {
        let pool = Pool::builder().workers(WORKERS).start().unwrap();
        start_processes(&pool).await;
        until("all workers", || pool.statistics().workers.len() == WORKERS).await;
        for worker in pool.statistics().workers {
            println!("id {}", worker.os_pid);
        }
        println!("ready");
        BLOCKS.store(true, Ordering::SeqCst);
        let call = pool.call(UNENDED_OUT, "a line".to_owned());
        until("the event of the line", || IS_BLOCKED.load(Ordering::SeqCst)).await;
        assert_killed(call.shutdown(Shutdown::BrutalKill).await);
        drop(pool);
        std::process::exit(0);
    })
    .unwrap();
}

/// Runs a pool whose workers compute forever, and prints the ids of the workers and of what they have started.
#[expect(clippy::print_stdout, reason = "the test reads it")]
fn be_parent(how: &str) {
    let how = how.to_owned();
    limit_time_of_process();
    if how == "drops" {
        return be_parent_that_drops_a_blocked_pool();
    }
    cordial::run(async move {
        let pool = Pool::builder().workers(WORKERS).start().unwrap();
        start_processes(&pool).await;
        let spins: Vec<_> = (0..WORKERS).map(|_| pool.call(SPIN, ())).collect();
        until("a call in each worker", || pool.statistics().running == WORKERS).await;
        for worker in pool.statistics().workers {
            println!("id {}", worker.os_pid);
        }
        println!("ready");
        if how == "returns" {
            return;
        }
        std::future::pending::<()>().await;
        drop(spins);
    })
    .unwrap();
}

/// Starts the program, and returns it with the ids that it has printed.
fn start(how: &str) -> (Child, Vec<u32>) {
    let test = std::thread::current().name().unwrap().to_owned();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([&test, "--exact", "--nocapture"]).env(PARENT, how).stdin(Stdio::null());
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut ids = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        if line == "ready" {
            break;
        }
        ids.extend(line.strip_prefix("id ").map(|id| id.parse::<u32>().unwrap()));
    }
    assert_eq!(ids.len(), WORKERS + 4);
    (child, ids)
}

/// `CORDIAL_ROUNDS=100` sets how often.
#[expect(clippy::print_stdout, reason = "the times are for a person")]
#[test]
fn nothing_outlives_a_parent_that_is_killed_while_all_workers_compute() {
    cordial_isolate::test_main(functions());
    if let Ok(how) = std::env::var(PARENT) {
        return be_parent(&how);
    }
    let rounds: usize = std::env::var("CORDIAL_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(5);
    // A busy machine may delay some of them, or for a while all of them.
    for _ in 0..10 {
        let mut times = Vec::new();
        for _ in 0..rounds.min(100) {
            let (mut parent, ids) = start("waits");
            parent.kill().unwrap();
            parent.wait().unwrap();
            times.push(until_gone(&ids));
        }
        times.sort_unstable();
        let (longest, median) = (times[times.len() - 1], times[times.len() / 2]);
        println!("{} times, all gone within {longest:?}, median {median:?}", times.len());
        if median <= PROMISED {
            return;
        }
    }
    panic!("in none of ten series, half of the workers were gone within {PROMISED:?}");
}

#[test]
fn nothing_outlives_a_parent_that_returns() {
    cordial_isolate::test_main(functions());
    if let Ok(how) = std::env::var(PARENT) {
        return be_parent(&how);
    }
    let (mut parent, ids) = start("returns");
    parent.wait().unwrap();
    until_gone(&ids);
}

/// As on a busy machine, where the thread of the pool may get no core before the program ends.
#[test]
fn nothing_outlives_a_parent_that_returns_while_the_thread_of_its_pool_is_blocked() {
    cordial_isolate::test_main(functions());
    if let Ok(how) = std::env::var(PARENT) {
        return be_parent(&how);
    }
    let (mut parent, ids) = start("drops");
    assert!(parent.wait().unwrap().success());
    until_gone(&ids);
}

#[test]
fn a_stopped_worker_does_not_outlive_its_parent() {
    cordial_isolate::test_main(functions());
    if let Ok(how) = std::env::var(PARENT) {
        return be_parent(&how);
    }
    let (mut parent, ids) = start("waits");
    for id in &ids {
        let id = rustix::process::Pid::from_raw(i32::try_from(*id).unwrap()).unwrap();
        let _ = rustix::process::kill_process(id, rustix::process::Signal::STOP);
    }
    parent.kill().unwrap();
    parent.wait().unwrap();
    until_gone(&ids);
}

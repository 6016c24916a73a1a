//! A walk through all processes: their order, where it begins, and what it says of each.

use std::future::poll_fn;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use cordial::process::{self, Activity, Inspector};
use cordial::{Pid, Task, testing};
use tokio::task::yield_now;

use crate::harness::limited;

/// Pending once, and woken by its own poll. Unlike `yield_now` of tokio, which may leave the wake-up to tokio.
async fn wake_itself() {
    let mut is_woken = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut is_woken, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

fn pids(inspector: &Inspector, after: Option<Pid>) -> Vec<Pid> {
    let mut pids = Vec::new();
    let flow = inspector.visit(after, |process| {
        pids.push(process.pid);
        ControlFlow::Continue(())
    });
    assert!(flow.is_continue());
    pids
}

#[test]
fn all_processes_are_visited_in_the_order_of_their_pids_from_any_one_on() {
    testing::run(async {
        let inspector = process::inspector();
        let mut tasks: Vec<_> = (0..1000).map(|_| Task::spawn(std::future::pending::<()>())).collect();
        let mut expected: Vec<Pid> = tasks.iter().map(Task::pid).chain(process::current()).collect();
        expected.sort_unstable();
        assert_eq!(pids(&inspector, None), expected);
        assert_eq!(pids(&inspector, Some(expected[699])), expected[700..]);
        assert_eq!(pids(&inspector, expected.last().copied()), []);
        let mut n_visited = 0;
        let flow = inspector.visit(None, |_| {
            n_visited += 1;
            if n_visited == 300 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert_eq!((flow, n_visited), (ControlFlow::Break(()), 300));
        // A process that has ended still marks the place where the walk goes on.
        let (ended, next) = (expected[500], expected[501]);
        let index = tasks.iter().position(|task| task.pid() == ended).unwrap();
        tasks.remove(index).shutdown(cordial::Shutdown::BrutalKill).await;
        assert_eq!(pids(&inspector, Some(ended))[0], next);
    });
}

#[test]
fn a_visit_says_whether_a_process_waits_is_queued_or_wakes_itself() {
    let _watch = limited::watch();
    testing::run(async {
        let inspector = process::inspector();
        let waits = Task::spawn(std::future::pending::<()>());
        let yields = Task::spawn(async {
            for _ in 0..5 {
                wake_itself().await;
            }
            std::future::pending::<()>().await;
        });
        let of = |pid| {
            let mut found = None;
            let _ = inspector.visit(None, |process| {
                if process.pid == pid {
                    found = Some((process.activity, process.polls, process.self_wakes));
                }
                ControlFlow::Continue(())
            });
            found.unwrap()
        };
        assert_eq!(of(waits.pid()), (Activity::Queued, 0, 0), "not polled yet");
        while of(yields.pid()).1 < 6 || of(waits.pid()).1 < 1 {
            yield_now().await;
        }
        assert_eq!(of(waits.pid()), (Activity::Waiting, 1, 0));
        assert_eq!(of(yields.pid()), (Activity::Waiting, 6, 5));
        let info = process::info(yields.pid()).unwrap();
        assert_eq!((info.activity, info.self_wakes), (Activity::Waiting, 5));
    });
}

#[test]
fn the_next_process_of_a_slot_begins_without_self_wakes() {
    testing::run(async {
        for _ in 0..3 {
            let first = Task::spawn(async {
                wake_itself().await;
                process::info(process::current().unwrap()).unwrap().self_wakes
            });
            assert_eq!(first.await, Ok(1));
        }
    });
}

#[test]
fn an_inspector_outlives_its_runtime() {
    let runtime = limited::runtime(1);
    let inspector = runtime.inspector();
    let number = inspector.runtime_number();
    assert!(!inspector.is_shut_down());
    let pid = runtime.block_on(async { process::current().unwrap() }).unwrap();
    assert!(pid.to_string().starts_with(&format!("<{number}.")));
    drop(runtime);
    assert!(inspector.is_shut_down());
    assert_eq!(pids(&inspector, None), []);
    assert!(inspector.info(pid).is_none());
    limited::wait_until("no thread is in a poll", || inspector.threads().iter().all(|thread| thread.pid.is_none()));
}

#[test]
fn a_pid_is_read_as_it_is_printed() {
    let task = Task::spawn(async {});
    let pid = task.pid();
    let text = pid.to_string();
    assert_eq!(text.parse(), Ok(pid));
    assert_eq!(text.trim_matches(['<', '>']).parse(), Ok(pid));
    for wrong in
        ["", "<>", "1.2", "1.2.3.4", "<1.2.3", "1.2.3>", "+1.2.3", "1.-2.3", "0.0.0", "1.2.4294967296", "a.b.c"]
    {
        let error = wrong.parse::<Pid>().unwrap_err().to_string();
        assert!(error.starts_with(&format!("{wrong:?} is not a pid")), "{error}");
    }
    task.wait().unwrap();
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the inspector looks from outside of the runtime, while another thread keeps it busy"
)]
fn the_number_of_ended_processes_never_decreases() {
    let runtime = limited::runtime(2);
    let inspector = runtime.inspector();
    let is_done = Arc::new(AtomicBool::new(false));
    let done = is_done.clone();
    let spawner = std::thread::spawn(move || {
        let spawns = async move {
            while !done.load(Ordering::Relaxed) {
                let tasks: Vec<Task<()>> = (0..100).map(|_| Task::spawn(async {})).collect();
                for task in tasks {
                    task.await.unwrap();
                }
            }
        };
        runtime.block_on(spawns).unwrap();
    });
    let mut last = inspector.totals();
    while last.ended < 20_000 {
        assert!(!spawner.is_finished(), "the spawner has panicked");
        let totals = inspector.totals();
        assert!(totals.ended >= last.ended && totals.spawned >= last.spawned, "{last:?}, then {totals:?}");
        assert!(totals.ended <= totals.spawned, "{totals:?}");
        last = totals;
    }
    is_done.store(true, Ordering::Relaxed);
    spawner.join().unwrap();
}

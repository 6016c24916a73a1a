use std::sync::{Mutex, mpsc};

use crate::process::{self, ProcessState, Runtime, Shutdown};
use crate::{ChildSpec, Exit, TaskSupervisor};

/// A child that was abandoned before the kill is not abandoned a second time.
#[test]
fn a_kill_that_interrupts_a_stop_does_not_report_an_abandoned_child_twice() {
    let runtime = Runtime::builder().workers(2).build().unwrap();
    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(Some(released));
    let report = runtime.block_on(async move {
        let tasks = TaskSupervisor::builder().unlinked().start();
        let (ready, mut is_ready) = tokio::sync::mpsc::unbounded_channel();
        let in_poll = ready.clone();
        let stuck = ChildSpec::task("stuck", move || {
            let released = released.lock().unwrap().take().unwrap();
            let in_poll = in_poll.clone();
            async move {
                in_poll.send(()).unwrap();
                let _ = released.recv();
            }
        });
        let stuck = tasks.start_child_with(stuck.shutdown(Shutdown::BrutalKill)).unwrap();
        let slow = ChildSpec::task("slow", move || {
            let ready = ready.clone();
            async move {
                ready.send(()).unwrap();
                process::shutdown_requested().await;
                std::future::pending::<()>().await;
            }
        });
        tasks.start_child_with(slow.shutdown(Shutdown::Infinity)).unwrap();
        for _ in 0..2 {
            is_ready.recv().await.unwrap();
        }
        let kill = async {
            while process::info(stuck).unwrap().state != ProcessState::Abandoned {
                tokio::task::yield_now().await;
            }
            process::exit(tasks.pid(), Exit::Killed);
        };
        let (report, ()) = futures_util::future::join(tasks.stop(), kill).await;
        drop(release);
        report
    });
    let report = report.unwrap();
    assert_eq!(report.abandoned.len(), 1, "{report}");
    assert_eq!(report.killed.len(), 1, "{report}");
}

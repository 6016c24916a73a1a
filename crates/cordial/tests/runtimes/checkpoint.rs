//! `checkpoint`: unwinds a long computation whose process has to exit.

use std::future::pending;

use cordial::{Exit, Runtime, Shutdown, Task, checkpoint, process, shutdown_requested};
use futures::FutureExt;
use tokio::sync::oneshot;

use crate::harness::exit_kind::error;
use crate::harness::probe::Probe;
use crate::harness::seeds::{SECOND, for_each_seed};
use crate::harness::{attempts, subprocess};

/// Spawns a task that opts in to graceful shutdown or not, and sends itself a signal before its checkpoint.
async fn check(opts_in: bool, signal: Option<Exit>, continues: bool) {
    let (after_checkpoint, local) = (Probe::default(), Probe::default());
    let (counted, guard) = (after_checkpoint.clone(), local.guard());
    let sent = signal.clone();
    let task = Task::spawn(async move {
        let _guard = guard;
        if opts_in {
            assert!(shutdown_requested().now_or_never().is_none());
        }
        if let Some(signal) = sent {
            process::exit(process::current().unwrap(), signal);
        }
        checkpoint();
        counted.of(async { 7 }).await
    });
    let answer = task.await;
    let expected = if continues { Ok(7) } else { Err(signal.clone().unwrap()) };
    assert_eq!(answer, expected, "opts in: {opts_in}, signal: {signal:?}");
    assert_eq!(after_checkpoint.polls(), usize::from(continues));
    assert_eq!(local.drops(), 1, "destructors run");
}

#[test]
fn a_checkpoint_unwinds_after_a_kill_and_after_a_request_without_opt_in() {
    for_each_seed(|| async {
        for (opts_in, signal, continues) in [
            (false, None, true),
            (true, None, true),
            (false, Some(Exit::Shutdown(None)), false),
            (true, Some(Exit::Shutdown(None)), true),
            (false, Some(Exit::Killed), false),
            (true, Some(Exit::Killed), false),
            (false, Some(error("no disk")), false),
        ] {
            check(opts_in, signal, continues).await;
        }
    });
}

#[test]
fn a_checkpoint_ends_a_computation_on_another_thread() {
    let runtime = Runtime::builder().workers(2).build().unwrap();
    for how in [Shutdown::After(60 * SECOND), Shutdown::BrutalKill, Shutdown::Infinity] {
        // The task is abandoned if its thread gets no processor for 100 ms after the kill.
        attempts::one_succeeds(|| {
            let probe = Probe::default();
            let guard = probe.guard();
            let answer = runtime.block_on(async move {
                let (started, has_started) = oneshot::channel();
                let task: Task<()> = Task::spawn(async move {
                    let _guard = guard;
                    let _ = started.send(());
                    loop {
                        checkpoint();
                    }
                });
                let _ = has_started.await;
                task.shutdown(how).await
            });
            assert_eq!((answer, probe.drops()), (Ok(None), 1));
        });
    }
}

#[test]
fn a_checkpoint_does_nothing_outside_a_process_and_while_panicking() {
    checkpoint();

    struct Checks(Probe);
    impl Drop for Checks {
        fn drop(&mut self) {
            checkpoint();
            drop(self.0.guard());
        }
    }
    for_each_seed(|| async {
        let probe = Probe::default();
        let checks = Checks(probe.clone());
        let task: Task<()> = Task::spawn(async move {
            let _checks = checks;
            process::exit(process::current().unwrap(), Exit::Killed);
            panic!("no luck")
        });
        assert!(matches!(task.await, Err(Exit::Panic(_))));
        assert_eq!(probe.drops(), 1, "the checkpoint in the destructor returned");
    });
}

#[test]
fn a_checkpoint_in_a_destructor_of_a_killed_task_causes_no_crash() {
    struct Checks(Probe);
    impl Drop for Checks {
        fn drop(&mut self) {
            let _guard = self.0.guard();
            checkpoint();
            drop(self.0.guard());
        }
    }
    for_each_seed(|| async {
        let probe = Probe::default();
        let checks = Checks(probe.clone());
        let task = Task::spawn(async move {
            let _checks = checks;
            pending::<()>().await
        });
        tokio::time::sleep(SECOND).await;
        assert_eq!(task.shutdown(Shutdown::BrutalKill).await, None);
        assert_eq!(probe.drops(), 1);
    });
}

#[test]
fn a_checkpoint_unwinds_without_the_panic_hook() {
    if subprocess::case().is_none() {
        let ran = subprocess::run(test_name!(), "");
        assert!(ran.status.success() && !ran.stderr.contains("panicked"), "{}", ran.stderr);
        return;
    }
    let task: Task<()> = Task::spawn(async {
        process::exit(process::current().unwrap(), Exit::Killed);
        checkpoint();
        pending().await
    });
    assert_eq!(task.wait(), Err(Exit::Killed));
}

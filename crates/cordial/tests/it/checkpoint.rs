//! `checkpoint`: leaving a long computation whose process has to end.

use std::future::pending;

use cordial::{Exit, Runtime, Shutdown, Task, checkpoint, process, shutdown_requested};
use futures::FutureExt;
use tokio::sync::oneshot;

use crate::ends::error;
use crate::orders::in_every_order;
use crate::probe::Probe;
use crate::program;

/// A task that asked to be told or not, and sends itself a signal before its checkpoint.
async fn check(is_told: bool, signal: Option<Exit>, goes_on: bool) {
    let (beyond, local) = (Probe::default(), Probe::default());
    let (counted, guard) = (beyond.clone(), local.guard());
    let sent = signal.clone();
    let task = Task::spawn(async move {
        let _guard = guard;
        if is_told {
            assert!(shutdown_requested().now_or_never().is_none());
        }
        if let Some(signal) = sent {
            process::exit(process::current().unwrap(), signal);
        }
        checkpoint();
        counted.of(async { 7 }).await
    });
    let answer = task.await;
    let expected = if goes_on { Ok(7) } else { Err(signal.clone().unwrap()) };
    assert_eq!(answer, expected, "told: {is_told}, signal: {signal:?}");
    assert_eq!(beyond.polls(), usize::from(goes_on));
    assert_eq!(local.drops(), 1, "destructors run");
}

#[test]
fn it_unwinds_if_the_process_was_killed_or_was_asked_and_did_not_ask_to_be_told() {
    in_every_order(|| async {
        for (is_told, signal, goes_on) in [
            (false, None, true),
            (true, None, true),
            (false, Some(Exit::Shutdown(None)), false),
            (true, Some(Exit::Shutdown(None)), true),
            (false, Some(Exit::Killed), false),
            (true, Some(Exit::Killed), false),
            (false, Some(error("no disk")), false),
        ] {
            check(is_told, signal, goes_on).await;
        }
    });
}

#[test]
fn it_leaves_a_computation_on_another_thread() {
    let runtime = Runtime::builder().workers(2).build().unwrap();
    for how in [Shutdown::default(), Shutdown::BrutalKill, Shutdown::Infinity] {
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
    }
}

#[test]
fn it_does_nothing_outside_a_process_and_while_panicking() {
    checkpoint();

    struct Checks(Probe);
    impl Drop for Checks {
        fn drop(&mut self) {
            checkpoint();
            drop(self.0.guard());
        }
    }
    in_every_order(|| async {
        let probe = Probe::default();
        let checks = Checks(probe.clone());
        let task: Task<()> = Task::spawn(async move {
            let _checks = checks;
            process::exit(process::current().unwrap(), Exit::Killed);
            panic!("no luck")
        });
        assert!(matches!(task.await, Err(Exit::Panic(_))));
        assert_eq!(probe.drops(), 1, "the destructor went past its checkpoint");
    });
}

#[test]
fn a_checkpoint_in_a_destructor_of_a_killed_task_is_no_crash() {
    struct Checks(Probe);
    impl Drop for Checks {
        fn drop(&mut self) {
            let _guard = self.0.guard();
            checkpoint();
            drop(self.0.guard());
        }
    }
    in_every_order(|| async {
        let probe = Probe::default();
        let checks = Checks(probe.clone());
        let task = Task::spawn(async move {
            let _checks = checks;
            pending::<()>().await
        });
        tokio::time::sleep(crate::orders::SECOND).await;
        assert_eq!(task.shutdown(Shutdown::BrutalKill).await, None);
        assert_eq!(probe.drops(), 1);
    });
}

#[test]
fn it_unwinds_without_the_panic_hook() {
    if program::part().is_none() {
        let ran = program::run("checkpoint::it_unwinds_without_the_panic_hook", "");
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

//! Signals that the program blocks or ignores, and signals of other processes.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::time::Duration;

use cordial::{Exit, LostCause};
use cordial_isolate::Pool;
use rustix::process::{Signal, kill_process};

use crate::bad_input::{alone, alone_after};
use crate::functions::{OS_PID, SPIN, SQUARE, TO_KILL, functions, spinning, worker_of_call};
use crate::processes::until_gone;
use crate::roles::skip;
use crate::waits::{LONG, run};

/// Checks that a call has its limit of processor time in a program that these commands of a shell have started.
fn assert_limited(commands: &str) {
    cordial_isolate::test_main(functions());
    if let Some(output) = alone_after(commands) {
        return assert!(output.status.success(), "{output:?}");
    }
    run(async {
        let limit = Duration::from_millis(100);
        let pool = Pool::builder().workers(1).cpu_time(limit).start().unwrap();
        match pool.call(SPIN, ()).timeout(LONG).await {
            Err(Exit::Lost(lost)) => assert_eq!(*lost.cause(), LostCause::CpuLimit { limit }),
            other => panic!("expected a loss, not {other:?}"),
        }
    })
    .unwrap();
}

#[test]
fn the_limit_of_processor_time_holds_even_if_the_program_ignores_its_signal() {
    assert_limited("set -- env --ignore-signal=XCPU \"$@\"");
}

/// Programs that wait for signals with `sigwait` or `signalfd` block them in all threads.
#[test]
fn the_limit_of_processor_time_holds_even_if_the_program_blocks_all_signals() {
    assert_limited("set -- env --block-signal \"$@\"");
}

#[test]
fn a_signal_of_another_process_is_the_cause_of_the_loss() {
    cordial_isolate::test_main(functions());
    run(async {
        let pool = Pool::builder().workers(1).start().unwrap();
        // Not SIGINT, which a shell without job control lets the programs ignore that it starts in the background.
        for signal in [Signal::HUP, Signal::USR1, Signal::TERM] {
            let task = pool.call(TO_KILL, ());
            kill_process(worker_of_call(&pool).await, signal).unwrap();
            match task.timeout(LONG).await {
                Err(Exit::Lost(lost)) => assert_eq!(*lost.cause(), LostCause::signal(signal.as_raw())),
                other => panic!("expected a loss, not {other:?}"),
            }
        }
        assert_eq!(pool.call(SQUARE, 3).timeout(LONG).await, Ok(9));
    })
    .unwrap();
}

/// The program starts workers as root, and then changes its user. After that it may not send signals to these workers.
#[test]
fn a_call_is_killed_even_if_the_program_no_longer_runs_as_root() {
    cordial_isolate::test_main(functions());
    if !nix::unistd::geteuid().is_root() {
        return skip("this test needs the rights of root, which it gives up");
    }
    // Runs in a process of its own, because the process gives up its rights.
    if let Some(output) = alone(None) {
        return assert!(output.status.success(), "{output:?}");
    }
    run(async {
        let pool = Pool::builder().workers(1).start().unwrap();
        let worker = pool.call(OS_PID, ()).timeout(LONG).await.unwrap();
        let spin = spinning(&pool).await;
        nix::unistd::setuid(nix::unistd::Uid::from_raw(65534)).unwrap();
        assert!(spin.timeout(Duration::from_millis(1)).await.unwrap_err().is_timeout());
        until_gone(&[worker]);
        pool.stop().await;
    })
    .unwrap();
}

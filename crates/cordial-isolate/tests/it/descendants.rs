//! Processes that a function has started end with the worker of the function, even if they have left the process group of the worker.

use std::time::Duration;

use cordial::{Exit, LostCause, Shutdown};
use cordial_isolate::Pool;
use rustix::process::{Pid, getpgid};

use crate::bad_input::{ALONE, alone, alone_after};
use crate::functions::*;
use crate::processes::{Children, is_running, until_gone};
use crate::roles::{has_namespaces, skip_without_namespaces};
use crate::waits::{LONG, run, until};

const WAYS: [Leaves; 3] = [Leaves::Session, Leaves::Orphan, Leaves::Environment];

/// Starts processes that leave the group of one worker, one in each way. Returns their ids.
async fn start_all(pool: &Pool) -> Vec<u32> {
    let mut ids = Vec::new();
    for how in WAYS {
        ids.push(pool.call(LEAVE, how).timeout(LONG).await.expect("the process starts"));
    }
    assert!(ids.iter().all(|id| is_running(*id)), "{ids:?}");
    ids
}

#[test]
fn processes_outside_the_group_end_with_a_worker_that_crashes() {
    cordial_isolate::test_main(functions());
    run(async {
        let pool = Pool::builder().workers(1).start().unwrap();
        let ids = start_all(&pool).await;
        assert!(matches!(pool.call(ABORT, ()).timeout(LONG).await, Err(Exit::Lost(_))));
        until_gone(&ids);
    })
    .unwrap();
}

#[test]
fn processes_outside_the_group_end_with_a_worker_that_is_killed() {
    cordial_isolate::test_main(functions());
    run(async {
        let pool = Pool::builder().workers(1).start().unwrap();
        let ids = start_all(&pool).await;
        let exit = spinning(&pool).await.timeout(Duration::from_millis(1)).await.unwrap_err();
        assert!(exit.is_timeout(), "{exit}");
        until_gone(&ids);
    })
    .unwrap();
}

#[test]
fn processes_outside_the_group_end_with_a_worker_that_is_recycled() {
    cordial_isolate::test_main(functions());
    run(async {
        let pool = Pool::builder().workers(1).recycle_after(1).start().unwrap();
        for how in WAYS {
            let id = pool.call(LEAVE, how).timeout(LONG).await.unwrap();
            until_gone(&[id]);
        }
    })
    .unwrap();
}

#[test]
fn processes_outside_the_group_end_with_a_pool_that_is_stopped_or_dropped() {
    cordial_isolate::test_main(functions());
    run(async {
        let pool = Pool::builder().workers(1).start().unwrap();
        let ids = start_all(&pool).await;
        pool.stop().await;
        // All of them were killed by now. On a busy machine, a killed process may wait for a core before it ends.
        until_gone(&ids);
        let pool = Pool::builder().workers(1).start().unwrap();
        let ids = start_all(&pool).await;
        drop(pool);
        until_gone(&ids);
    })
    .unwrap();
}

/// Process 1 of a container is the parent of all orphans in it.
#[test]
fn a_program_that_is_process_1_keeps_no_zombie_of_what_its_workers_have_started() {
    cordial_isolate::test_main(functions());
    if std::env::var_os(ALONE).is_none() {
        if !has_namespaces(&["--pid", "--fork", "--mount-proc", "true"]) {
            return skip_without_namespaces();
        }
        let output = alone_after("set -- unshare --pid --fork --mount-proc \"$@\"").unwrap();
        return assert!(output.status.success(), "{output:?}");
    }
    assert_eq!(std::process::id(), 1);
    run(async {
        let before = Children::here();
        let pool = Pool::builder().workers(1).start().unwrap();
        for function in [ABORT, SPIN] {
            start_all(&pool).await;
            // It stays in the group of the worker.
            assert!(is_running(pool.call(GRANDCHILD, ()).timeout(LONG).await.unwrap()));
            assert!(pool.call(function, ()).timeout(Duration::from_secs(1)).await.is_err());
        }
        pool.stop().await;
        drop(pool);
        before.assert_same();
    })
    .unwrap();
}

#[test]
fn processes_of_other_workers_and_of_the_program_live_on() {
    cordial_isolate::test_main(functions());
    let mut own = std::process::Command::new("setsid").args(["sleep", "1000"]).spawn().unwrap();
    let os_pid = own.id();
    let others = run(async move {
        let pool = Pool::builder().workers(1).start().unwrap();
        let other = Pool::builder().workers(1).start().unwrap();
        let others = start_all(&other).await;
        for _ in 0..3 {
            assert!(matches!(pool.call(ABORT, ()).timeout(LONG).await, Err(Exit::Lost(_))));
        }
        assert_eq!(pool.call(SQUARE, 3).timeout(LONG).await, Ok(9));
        assert!(others.iter().all(|id| is_running(*id)), "{others:?}");
        assert!(is_running(os_pid));
        others
    })
    .unwrap();
    own.kill().unwrap();
    own.wait().unwrap();
    until_gone(&others);
}

/// Waits until a worker is in the process group of this program.
async fn until_joined(worker: u32) {
    let worker = Pid::from_raw(worker.cast_signed());
    until("the change of the group", || getpgid(worker) == getpgid(None)).await;
}

#[test]
fn a_worker_that_has_joined_another_group_is_killed_and_that_group_is_not() {
    cordial_isolate::test_main(functions());
    // This test runs in an OS process of its own, because the worker joins the process group of the test.
    if let Some(output) = alone(None) {
        return assert!(output.status.success(), "{output:?}");
    }
    run(async {
        let pool = Pool::builder().workers(1).grace(Duration::ZERO).start().unwrap();
        let worker = pool.call(OS_PID, ()).timeout(LONG).await.unwrap();
        let task = pool.call(JOIN_PARENT, ());
        until_joined(worker).await;
        let exit = task.timeout(Duration::from_millis(1)).await.unwrap_err();
        assert!(exit.is_timeout(), "{exit}");
        until_gone(&[worker]);
        let worker = pool.call(OS_PID, ()).timeout(LONG).await.unwrap();
        let task = pool.call(JOIN_PARENT, ());
        until_joined(worker).await;
        assert_killed(task.shutdown(Shutdown::BrutalKill).await);
        until_gone(&[worker]);
        assert_eq!(pool.call(SQUARE, 3).timeout(LONG).await, Ok(9));
        match pool.call(ABORT, ()).timeout(LONG).await {
            Err(Exit::Lost(lost)) => assert_eq!(*lost.cause(), LostCause::signal(6)),
            other => panic!("expected a loss, not {other:?}"),
        }
    })
    .unwrap();
}

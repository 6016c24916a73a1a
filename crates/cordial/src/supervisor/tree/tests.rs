use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::time::sleep;

use crate::backoff::Backoff;
use crate::error::StartError;
use crate::supervisor::restart::Restart;
use crate::supervisor::spec::ChildSpec;
use crate::supervisor::strategy::Strategy;
use crate::supervisor::tree::Supervisor;
use crate::{exit::Exit, process, testing};

/// The second call is handled at once after the first, without a wait for input between them.
#[test]
fn an_exit_during_the_second_of_two_calls_leads_to_a_restart() {
    const SECOND: Duration = Duration::from_secs(1);
    let slow_to_stop = |id| {
        ChildSpec::task(id, move || async move {
            crate::process::shutdown_requested().await;
            sleep(SECOND).await;
        })
    };
    testing::run(async move {
        let tree = Supervisor::builder(Strategy::OneForOne)
            .child(ChildSpec::task("worker", std::future::pending::<()>).restart(Restart::Permanent))
            .child(slow_to_stop("first"))
            .child(slow_to_stop("second"))
            .start()
            .await
            .unwrap();
        let worker = tree.which_children().await[0].pid.unwrap();
        let crash = async {
            sleep(SECOND * 3 / 2).await;
            process::exit(worker, Exit::Killed);
        };
        let (first, second, ()) =
            futures_util::future::join3(tree.terminate_child("first"), tree.terminate_child("second"), crash).await;
        assert_eq!((first, second), (Ok(()), Ok(())));
        sleep(SECOND).await;
        assert_eq!(tree.which_children().await[0].incarnation, 2);
        tree.stop().await;
    });
}

/// A nested supervisor whose child has a backoff and never starts.
fn never_starts() -> ChildSpec {
    let backoff = Backoff::exponential(Duration::from_secs(1), Duration::from_secs(1));
    let child =
        move || ChildSpec::init("fails", || async { Err::<std::future::Pending<()>, _>("not yet") }).backoff(backoff);
    ChildSpec::supervisor("nested", move || Supervisor::builder(Strategy::OneForOne).child(child()))
}

/// The bug was that the first start waited forever for the removed child.
#[test]
fn a_start_goes_on_after_a_temporary_child_was_stopped_together_with_a_sibling() {
    testing::run(async {
        let crashes = ChildSpec::task("crashes", || sleep(Duration::from_secs(5))).restart(Restart::Permanent);
        let tree = Supervisor::builder(Strategy::OneForAll)
            .child(crashes)
            .child(never_starts().restart(Restart::Temporary))
            .child(ChildSpec::task("last", std::future::pending::<()>));
        let tree = tokio::time::timeout(Duration::from_secs(60), tree.start()).await.expect("the start ends").unwrap();
        let ids: Vec<_> = tree.which_children().await.into_iter().map(|child| child.id).collect();
        assert_eq!(ids.iter().map(|id| &**id).collect::<Vec<_>>(), ["crashes", "last"]);
        tree.stop().await;
    });
}

/// The bug was that the start failed, as if the supervisor had been stopped.
#[test]
fn an_inspector_restarts_a_child_that_hangs_in_the_first_start_of_its_supervisor() {
    testing::run(async {
        let attempts = Arc::new(AtomicU32::new(0));
        let counter = attempts.clone();
        let hangs_once = ChildSpec::init("hangs once", move || {
            let is_first = counter.fetch_add(1, Ordering::SeqCst) == 0;
            async move {
                if is_first {
                    std::future::pending::<()>().await;
                }
                Ok::<_, std::io::Error>(std::future::pending::<()>())
            }
        });
        let tree = Supervisor::builder(Strategy::OneForOne)
            .child(hangs_once)
            .child(ChildSpec::task("other", std::future::pending::<()>));
        let restart = async {
            sleep(Duration::from_secs(1)).await;
            let processes = process::snapshot().processes;
            let hanging = processes.iter().find(|process| process.child_id.as_deref() == Some("hangs once")).unwrap();
            process::inspector().restart(hanging.pid).await
        };
        let (tree, restarted) = futures_util::future::join(tree.start(), restart).await;
        let tree = tree.unwrap();
        let children = tree.which_children().await;
        assert_eq!(children[0].pid, Some(restarted.unwrap()));
        assert!(children[1].pid.is_some());
        assert_eq!(attempts.load(Ordering::SeqCst), 2);
        tree.stop().await;
    });
}

/// The bug was that the child stayed, because its last start was not that of the call.
#[test]
fn a_child_that_was_added_and_never_started_is_removed_when_it_is_terminated_after_a_restart() {
    testing::run(async {
        let crashes = ChildSpec::task("crashes", || sleep(Duration::from_secs(5))).restart(Restart::Permanent);
        let tree = Supervisor::builder(Strategy::OneForAll).child(crashes).start().await.unwrap();
        let terminate = async {
            sleep(Duration::from_secs(8)).await;
            tree.terminate_child("nested").await
        };
        let (started, terminated) = futures_util::future::join(tree.start_child(never_starts()), terminate).await;
        assert_eq!(started, Err(StartError::Child { id: "nested".into(), exit: Exit::Shutdown(None) }));
        assert_eq!(terminated, Ok(()));
        let ids: Vec<_> = tree.which_children().await.into_iter().map(|child| child.id).collect();
        assert_eq!(ids.iter().map(|id| &**id).collect::<Vec<_>>(), ["crashes"]);
        tree.stop().await;
    });
}

/// The bug was that the supervisor panicked, because the child was removed while it waited for the start of the child.
#[test]
fn a_child_that_was_added_is_terminated_while_its_restart_hangs() {
    testing::run(async {
        let attempts = Arc::new(AtomicU32::new(0));
        let nested = move || {
            let attempts = attempts.clone();
            let fails_once_and_hangs = ChildSpec::init("fails, hangs", move || {
                let is_first = attempts.fetch_add(1, Ordering::SeqCst) == 0;
                async move {
                    if !is_first {
                        std::future::pending::<()>().await;
                    }
                    Err::<std::future::Pending<()>, _>("not yet")
                }
            });
            let backoff = Backoff::exponential(Duration::from_secs(60), Duration::from_secs(60));
            Supervisor::builder(Strategy::OneForOne).child(fails_once_and_hangs.backoff(backoff))
        };
        let crashes = ChildSpec::task("crashes", || sleep(Duration::from_secs(5))).restart(Restart::Permanent);
        let tree = Supervisor::builder(Strategy::OneForAll).child(crashes).start().await.unwrap();
        let terminate = async {
            sleep(Duration::from_secs(8)).await;
            tree.terminate_child("nested").await
        };
        let start = tree.start_child(ChildSpec::supervisor("nested", nested));
        let (started, terminated) = futures_util::future::join(start, terminate).await;
        assert_eq!(started, Err(StartError::Child { id: "nested".into(), exit: Exit::Shutdown(None) }));
        assert_eq!(terminated, Ok(()));
        let ids: Vec<_> = tree.which_children().await.into_iter().map(|child| child.id).collect();
        assert_eq!(ids.iter().map(|id| &**id).collect::<Vec<_>>(), ["crashes"]);
        tree.stop().await;
        assert_eq!(tree.ended().await, Exit::Normal);
    });
}

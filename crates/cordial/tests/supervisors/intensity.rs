//! Restart intensity: when a supervisor gives up, and which processes end with it.
//!
//! Restates the restart parts of Elixir's `supervisor_test.exs` and `dynamic_supervisor_test.exs`.

use std::future::pending;
use std::sync::{Arc, Mutex};

use cordial::process::SupervisorKind;
use cordial::{ChildSpec, Exit, Restart, Strategy, Supervisor, Task, TaskSupervisor, process};
use futures::StreamExt;
use tokio::time::sleep;

use crate::harness::children::{Log, crash, has_given_up, info, pid, settle};
use crate::harness::seeds::{SECOND, for_each_seed};

// V-004
#[test]
fn by_default_a_supervisor_gives_up_at_the_fourth_restart_within_five_seconds() {
    for_each_seed(|| async {
        let tree = Supervisor::builder(Strategy::OneForOne).child(Log::default().child("a")).unlinked();
        let tree = tree.start().await.unwrap();
        for _ in 0..2 {
            // The first three crashes have left the window when the next three come.
            for _ in 0..3 {
                crash(&tree, "a").await;
            }
            sleep(5 * SECOND).await;
        }
        assert_eq!(info(&tree, "a").await.unwrap().incarnation, 7);
        for _ in 0..4 {
            crash(&tree, "a").await;
        }
        assert!(has_given_up(&tree.ended().await));
    });
}

// V-033, V-034
#[test]
fn too_many_restarts_within_the_window_end_the_supervisor_tree() {
    for_each_seed(|| async {
        for allowed in [0, 1, 3] {
            let log = Log::default();
            let tree = Supervisor::builder(Strategy::OneForOne).child(log.child("a")).child(log.child("b")).unlinked();
            let tree = tree.max_restarts(allowed, 5 * SECOND).start().await.unwrap();
            for _ in 0..allowed {
                crash(&tree, "a").await;
            }
            log.take();
            crash(&tree, "b").await;
            assert_eq!(log.take(), "-b -a");
            assert!(has_given_up(&tree.ended().await));
        }
    });
}

#[test]
fn restarts_that_are_far_enough_apart_are_unlimited() {
    for_each_seed(|| async {
        let tree = Supervisor::builder(Strategy::OneForOne).child(Log::default().child("a"));
        let tree = tree.max_restarts(1, SECOND).start().await.unwrap();
        for _ in 0..50 {
            crash(&tree, "a").await;
            sleep(SECOND).await;
        }
        assert_eq!(info(&tree, "a").await.unwrap().incarnation, 51);
        tree.stop().await;
    });
}

// V-037
#[test]
fn a_supervisor_that_gave_up_is_restarted_by_its_parent_if_it_is_permanent() {
    for_each_seed(|| async {
        for (restart, expected) in [(Restart::Permanent, "-a +a"), (Restart::Transient, "-a")] {
            let log = Log::default();
            let (of_leaf, leaf) = (log.clone(), Arc::new(Mutex::new(None)));
            let of_test = leaf.clone();
            let nested = move || {
                let leaf = leaf.clone();
                let child = of_leaf.child_that("a", move || {
                    let leaf = leaf.clone();
                    async move {
                        *leaf.lock().unwrap() = process::current();
                        pending::<()>().await;
                    }
                });
                Supervisor::builder(Strategy::OneForOne).max_restarts(0, SECOND).child(child)
            };
            let tree = Supervisor::builder(Strategy::OneForOne);
            let tree = tree.child(ChildSpec::supervisor("nested", nested).restart(restart)).start().await.unwrap();
            settle().await;
            log.take();
            let supervision = process::info(pid(&tree, "nested").await).unwrap().supervises.unwrap();
            assert_eq!((supervision.kind, supervision.n_running), (SupervisorKind::OneForOne, 1));
            let leaf = of_test.lock().unwrap().unwrap();
            process::exit(leaf, Exit::Killed);
            settle().await;
            assert_eq!(log.take(), expected, "{restart:?}");
            tree.stop().await;
        }
    });
}

#[test]
fn giving_up_ends_the_owner_unless_it_traps_exits() {
    for_each_seed(|| async {
        let failing =
            || Supervisor::builder(Strategy::OneForOne).max_restarts(0, SECOND).child(Log::default().child("a"));
        let owner: Task<()> = Task::spawn(async move {
            let tree = failing().start().await.unwrap();
            process::exit(pid(&tree, "a").await, Exit::Killed);
            pending().await
        });
        assert!(has_given_up(&owner.await.unwrap_err()));

        let mut exits = process::trap_exits();
        let tree = failing().start().await.unwrap();
        crash(&tree, "a").await;
        let (from, exit) = exits.next().await.unwrap();
        assert!(from == tree.pid() && has_given_up(&exit), "{exit}");
    });
}

#[test]
fn the_exit_of_a_supervisor_that_gave_up_names_the_child_and_the_reason() {
    for_each_seed(|| async {
        let fails = || ChildSpec::task("poller", || async { Err::<(), _>("no disk") }).restart(Restart::Permanent);
        let tree = Supervisor::builder(Strategy::OneForOne).label("tree").max_restarts(1, SECOND).child(fails());
        let text = "supervisor \"tree\" gave up on child \"poller\", after 1 restart within 1s: no disk";
        assert_eq!(tree.unlinked().start().await.unwrap().ended().await, Exit::Shutdown(Some(text.into())));

        let tasks = TaskSupervisor::builder().unlinked().start();
        tasks.start_child_with(fails()).unwrap();
        let text =
            format!("supervisor {} gave up on child \"poller\", after 3 restarts within 5s: no disk", tasks.pid());
        assert_eq!(tasks.ended().await, Exit::Shutdown(Some(text.into())));
    });
}

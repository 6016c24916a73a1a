//! What a supervisor shows: how much of its restart limit is used, and which children wait for a restart until when.

use std::time::Duration;

use cordial::process::{self, InactiveState, Supervision};
use cordial::{Backoff, ChildSpec, Exit, Pid, Restart, Strategy, Supervisor, TaskSupervisor, testing};
use tokio::time::sleep;

const SECOND: Duration = Duration::from_secs(1);

fn supervision(pid: Pid) -> Supervision {
    process::inspector().info(pid).unwrap().supervises.unwrap()
}

/// Kills the process of the child with this id.
async fn kill(id: &str) {
    let snapshot = process::snapshot();
    let child = snapshot.processes.iter().find(|process| process.child_id.as_deref() == Some(id)).unwrap();
    process::exit(child.pid, Exit::Killed);
    process::monitor(child.pid).await;
    sleep(Duration::from_millis(1)).await;
}

/// A permanent child that waits.
fn waits(id: &'static str) -> ChildSpec {
    ChildSpec::task(id, std::future::pending::<()>).restart(Restart::Permanent)
}

#[test]
fn the_used_part_of_the_restart_limit_grows_and_falls_with_its_window() {
    testing::run(async {
        let tree = Supervisor::builder(Strategy::OneForOne).max_restarts(5, 10 * SECOND).child(waits("child"));
        let tree = tree.start().await.unwrap();
        let tasks = TaskSupervisor::builder().max_restarts(5, 10 * SECOND).start();
        tasks.start_child_with(waits("task")).unwrap();
        for (pid, child) in [(tree.pid(), "child"), (tasks.pid(), "task")] {
            let used = |restarts| {
                let supervision = supervision(pid);
                let intensity = supervision.intensity;
                assert_eq!((intensity.max_restarts, intensity.window), (5, 10 * SECOND));
                assert_eq!((supervision.n_running, supervision.restarts), (1, restarts));
                intensity.used
            };
            assert_eq!(used(0), 0);
            for n in 1..=2 {
                kill(child).await;
                assert_eq!(used(n), n as usize);
                sleep(4 * SECOND).await;
            }
            sleep(3 * SECOND).await;
            assert_eq!(used(2), 1, "the first restart is more than ten seconds ago");
            sleep(4 * SECOND).await;
            assert_eq!(used(2), 0);
        }
    });
}

#[test]
fn a_child_in_its_backoff_shows_when_it_is_started_again() {
    testing::run(async {
        let _exits = process::trap_exits();
        let backoff = Backoff::exponential(8 * SECOND, 8 * SECOND);
        let child = |id| waits(id).backoff(backoff);
        let tree = Supervisor::builder(Strategy::OneForOne).child(child("child")).child(waits("other"));
        let tree = tree.start().await.unwrap();
        let tasks = TaskSupervisor::builder().start();
        tasks.start_child_with(child("task")).unwrap();
        for (pid, id) in [(tree.pid(), "child"), (tasks.pid(), "task")] {
            kill(id).await;
            sleep(2 * SECOND).await;
            let supervision = supervision(pid);
            let [waiting] = &supervision.inactive[..] else { panic!("{supervision:?}") };
            assert_eq!((&*waiting.id, waiting.state, waiting.incarnation), (id, InactiveState::Restarting, 1));
            let restart_in = waiting.restart_in.unwrap();
            assert!(restart_in > 5 * SECOND && restart_in <= 6 * SECOND, "{restart_in:?}");
            assert_eq!((waiting.failures, supervision.intensity.used), (Some(1), 0), "a backoff does not count");
            let text = process::snapshot().to_string();
            assert!(text.contains(&format!("{id}: is restarted in 6.0s")), "{text}");
            sleep(7 * SECOND).await;
            assert!(self::supervision(pid).inactive.is_empty());
        }
    });
}

#[test]
fn a_child_that_has_not_finished_starting_is_counted() {
    testing::run(async {
        let slow = ChildSpec::init("slow", || async {
            sleep(3 * SECOND).await;
            Ok::<_, Exit>(std::future::pending::<()>())
        });
        let tasks = TaskSupervisor::builder().start();
        tasks.start_child_with(slow).unwrap();
        sleep(SECOND).await;
        let starting = || (supervision(tasks.pid()).n_running, supervision(tasks.pid()).n_starting);
        assert_eq!(starting(), (1, 1));
        sleep(3 * SECOND).await;
        assert_eq!(starting(), (1, 0));
        // The owner of the tree waits for its start, so another process takes the snapshot.
        let slow = ChildSpec::init("slow", || async {
            sleep(3 * SECOND).await;
            Ok::<_, Exit>(std::future::pending::<()>())
        });
        let looks = cordial::Task::spawn(async {
            sleep(SECOND).await;
            let snapshot = process::snapshot();
            let tree = snapshot.processes.iter().filter_map(|process| process.supervises.as_ref());
            tree.filter(|supervision| supervision.n_starting == 1).count()
        });
        let tree = Supervisor::builder(Strategy::OneForOne).child(slow).start().await.unwrap();
        assert_eq!((looks.await, supervision(tree.pid()).n_starting), (Ok(1), 0));
    });
}

//! Builds a random tree and disturbs it.

use cordial::{
    ChildSpec, Exit, Restart, Shutdown, StartError, Strategy, Supervisor, SupervisorBuilder, Task, TaskSupervisor,
    Timeout, process,
};
use tokio::time::sleep;

use crate::harness::{Harness, Path};
use crate::worker::{work, worker};

fn builder(harness: &Harness) -> SupervisorBuilder {
    let strategy = [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne][harness.random(3)];
    let max_restarts = if harness.one_in(3) { harness.random(3) } else { 20 };
    Supervisor::builder(strategy).max_restarts(max_restarts, harness.units(5))
}

/// A supervisor at this path, with up to `depth` levels below it.
fn level(harness: &Harness, path: &Path, depth: usize) -> SupervisorBuilder {
    let n_children = harness.random(4) + usize::from(path.is_empty());
    (0..n_children).fold(builder(harness), |tree, at| tree.child(child(harness, path, at, depth)))
}

fn child(harness: &Harness, path: &Path, at: usize, depth: usize) -> ChildSpec {
    let path: Path = path.iter().copied().chain([at]).collect();
    let id = format!("{at}");
    if depth > 0 && harness.one_in(3) {
        let of_child = harness.clone();
        let nested = ChildSpec::supervisor(id, move || level(&of_child, &path, depth - 1));
        return nested.restart(if harness.one_in(4) { Restart::Transient } else { Restart::Permanent });
    }
    worker(harness, path, id)
}

/// One run: builds a tree, disturbs it, and stops it.
pub(crate) async fn run(harness: Harness) {
    let tasks = TaskSupervisor::builder().label("tasks").max_children(harness.random(6)).shutdown(harness.time(3));
    let tasks = tasks.max_restarts(10, harness.units(5)).unlinked().start();
    harness.add_pid(tasks.pid());
    let tree = level(&harness, &Path::new(), 3);
    let tree = if harness.one_in(2) { tree.child(tasks.child_spec()) } else { tree };
    let started = tree.unlinked().start().await;
    let tree = match started {
        Ok(tree) => tree,
        Err(error) => {
            harness.count("tree did not start");
            assert!(matches!(error, StartError::Child { .. }), "{error}");
            tasks.stop().await;
            return;
        }
    };
    harness.add_pid(tree.pid());
    let end = process::monitor(tree.pid());
    let n_actions = harness.random(30);
    let mut n_added = 10;
    for _ in 0..n_actions {
        sleep(harness.time(2)).await;
        disturb(&harness, &tree, &tasks, &mut n_added).await;
    }
    if process::info(tree.pid()).is_none() && matches!(end.await, Exit::Shutdown(Some(_))) {
        harness.count("tree gave up");
    }
    // Restarts that are in progress are completed first, so that afterwards only the stop ends workers.
    harness.calm_down();
    sleep(harness.units(60)).await;
    harness.stop();
    let n_children = tree.which_children().await.len();
    let report = tree.stop().await;
    if n_children > 0 {
        harness.count("tree was stopped");
    }
    if !report.killed.is_empty() {
        harness.count("had to be killed");
    }
    tasks.stop().await;
    assert!(tree.which_children().await.is_empty() && tasks.children().is_empty());
}

async fn disturb(harness: &Harness, tree: &Supervisor, tasks: &TaskSupervisor, n_added: &mut usize) {
    let children = tree.which_children().await;
    let id = if children.is_empty() { None } else { Some(children[harness.random(children.len())].id.clone()) };
    match (harness.random(16), id) {
        (0..3, _) => {
            if let Some(pid) = harness.random_worker() {
                harness.count("worker was killed");
                process::exit(pid, Exit::Killed);
            }
        }
        (3, _) => {
            if let Some(supervisor) = harness.random_worker().and_then(process::info).and_then(|info| info.supervisor) {
                harness.count("supervisor was killed");
                process::exit(supervisor, Exit::Killed);
            }
        }
        (4, _) => {
            if let Some(supervisor) = harness.random_worker().and_then(process::info).and_then(|info| info.supervisor) {
                harness.count("supervisor was requested to stop");
                process::exit(supervisor, Exit::Shutdown(Some("enough".into())));
            }
        }
        (5, _) if harness.one_in(4) => {
            harness.count("task supervisor was killed");
            process::exit(tasks.pid(), Exit::Killed);
        }
        (6, Some(id)) => {
            if within(harness, {
                let tree = tree.clone();
                async move { tree.terminate_child(id).await.is_ok() }
            })
            .await
            {
                harness.count("child was terminated");
            }
        }
        (7, Some(id)) => {
            if within(harness, {
                let tree = tree.clone();
                async move { tree.restart_child(id).await.is_ok() }
            })
            .await
            {
                harness.count("child was restarted by a call");
            }
        }
        (8, Some(id)) => {
            if within(harness, {
                let tree = tree.clone();
                async move { tree.delete_child(id).await.is_ok() }
            })
            .await
            {
                harness.count("child was deleted");
            }
        }
        (9, _) => {
            *n_added += 1;
            let spec = worker(harness, vec![*n_added], format!("{n_added}"));
            if within(harness, {
                let tree = tree.clone();
                async move { tree.start_child(spec).await.is_ok() }
            })
            .await
            {
                harness.count("child was added");
            }
        }
        (10, _) => {
            let spec = worker_of_tasks(harness);
            let started = tasks.start_child_with(spec);
            harness.count(if started.is_ok() { "task was started" } else { "task was refused" });
        }
        (11, _) => {
            let task = tasks.spawn(work(harness.clone(), None));
            if harness.one_in(2) {
                drop(task);
            } else {
                drop(task.ignore());
            }
        }
        (12, _) => {
            if let Some(pid) = tasks.children().first()
                && tasks.terminate_child(*pid).await.is_ok()
            {
                harness.count("task was terminated");
            }
        }
        _ => {
            let started = tasks.start_child(work(harness.clone(), None));
            harness.count(if started.is_ok() { "task was started" } else { "task was refused" });
        }
    }
}

fn worker_of_tasks(harness: &Harness) -> ChildSpec {
    let of_child = harness.clone();
    let spec = ChildSpec::task("task", move || work(of_child.clone(), None)).shutdown(Shutdown::After(harness.time(3)));
    spec.restart(if harness.one_in(2) { Restart::Permanent } else { Restart::Transient })
}

/// Runs a call of a supervisor, and waits only for a limited time, since a child may be slow.
async fn within(harness: &Harness, call: impl Future<Output = bool> + Send + 'static) -> bool {
    let mut task = Task::spawn(call).timeout(Timeout::Infinity);
    let result = task.yield_for(harness.units(2)).await;
    drop(task.ignore());
    matches!(result, Some(Ok(true)))
}

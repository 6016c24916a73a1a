//! A random tree, and what is done to it.

use cordial::{
    ChildSpec, Exit, Restart, Shutdown, StartError, Strategy, Supervisor, SupervisorBuilder, Task, TaskSupervisor,
    Timeout, process,
};
use tokio::time::sleep;

use crate::ground::{Ground, Path};
use crate::worker::{live, worker};

fn builder(ground: &Ground) -> SupervisorBuilder {
    let strategy = [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne][ground.dice(3)];
    let max_restarts = if ground.chance(3) { ground.dice(3) } else { 20 };
    Supervisor::builder(strategy).max_restarts(max_restarts, ground.units(5))
}

/// A supervisor below this path, with up to `depth` levels below it.
fn level(ground: &Ground, path: &Path, depth: usize) -> SupervisorBuilder {
    let n_children = ground.dice(4) + usize::from(path.is_empty());
    (0..n_children).fold(builder(ground), |tree, at| tree.child(child(ground, path, at, depth)))
}

fn child(ground: &Ground, path: &Path, at: usize, depth: usize) -> ChildSpec {
    let path: Path = path.iter().copied().chain([at]).collect();
    let id = format!("{at}");
    if depth > 0 && ground.chance(3) {
        let of_child = ground.clone();
        let nested = ChildSpec::supervisor(id, move || level(&of_child, &path, depth - 1));
        return nested.restart(if ground.chance(4) { Restart::Transient } else { Restart::Permanent });
    }
    worker(ground, path, id)
}

/// One run: builds, disturbs, and stops.
pub(crate) async fn run(ground: Ground) {
    let tasks = TaskSupervisor::builder().label("tasks").max_children(ground.dice(6)).shutdown(ground.time(3));
    let tasks = tasks.max_restarts(10, ground.units(5)).unlinked().start();
    ground.saw(tasks.pid());
    let tree = level(&ground, &Path::new(), 3);
    let tree = if ground.chance(2) { tree.child(tasks.child_spec()) } else { tree };
    let started = tree.unlinked().start().await;
    let tree = match started {
        Ok(tree) => tree,
        Err(error) => {
            ground.count("tree did not start");
            assert!(matches!(error, StartError::Child { .. }), "{error}");
            tasks.stop().await;
            return;
        }
    };
    ground.saw(tree.pid());
    let end = process::monitor(tree.pid());
    let n_deeds = ground.dice(30);
    let mut n_added = 10;
    for _ in 0..n_deeds {
        sleep(ground.time(2)).await;
        disturb(&ground, &tree, &tasks, &mut n_added).await;
    }
    if process::info(tree.pid()).is_none() && matches!(end.await, Exit::Shutdown(Some(_))) {
        ground.count("tree gave up");
    }
    // What is under way comes to its end, so that all that happens after it is the stop.
    ground.calm_down();
    sleep(ground.units(60)).await;
    ground.stop();
    let n_left = tree.which_children().await.len();
    let report = tree.stop().await;
    if n_left > 0 {
        ground.count("tree was stopped");
    }
    if !report.killed.is_empty() {
        ground.count("had to be killed");
    }
    tasks.stop().await;
    assert!(tree.which_children().await.is_empty() && tasks.children().is_empty());
}

async fn disturb(ground: &Ground, tree: &Supervisor, tasks: &TaskSupervisor, n_added: &mut usize) {
    let children = tree.which_children().await;
    let id = if children.is_empty() { None } else { Some(children[ground.dice(children.len())].id.clone()) };
    match (ground.dice(16), id) {
        (0..3, _) => {
            if let Some(pid) = ground.anybody() {
                ground.count("worker was killed");
                process::exit(pid, Exit::Killed);
            }
        }
        (3, _) => {
            if let Some(supervisor) = ground.anybody().and_then(process::info).and_then(|info| info.supervisor) {
                ground.count("supervisor was killed");
                process::exit(supervisor, Exit::Killed);
            }
        }
        (4, _) => {
            if let Some(supervisor) = ground.anybody().and_then(process::info).and_then(|info| info.supervisor) {
                ground.count("supervisor was asked");
                process::exit(supervisor, Exit::Shutdown(Some("enough".into())));
            }
        }
        (5, _) if ground.chance(4) => {
            ground.count("task supervisor was killed");
            process::exit(tasks.pid(), Exit::Killed);
        }
        (6, Some(id)) => {
            if within(ground, {
                let tree = tree.clone();
                async move { tree.terminate_child(id).await.is_ok() }
            })
            .await
            {
                ground.count("child was terminated");
            }
        }
        (7, Some(id)) => {
            if within(ground, {
                let tree = tree.clone();
                async move { tree.restart_child(id).await.is_ok() }
            })
            .await
            {
                ground.count("child was restarted by hand");
            }
        }
        (8, Some(id)) => {
            if within(ground, {
                let tree = tree.clone();
                async move { tree.delete_child(id).await.is_ok() }
            })
            .await
            {
                ground.count("child was deleted");
            }
        }
        (9, _) => {
            *n_added += 1;
            let spec = worker(ground, vec![*n_added], format!("{n_added}"));
            if within(ground, {
                let tree = tree.clone();
                async move { tree.start_child(spec).await.is_ok() }
            })
            .await
            {
                ground.count("child was added");
            }
        }
        (10, _) => {
            let spec = worker_of_tasks(ground);
            let started = tasks.start_child_with(spec);
            ground.count(if started.is_ok() { "task was started" } else { "task was refused" });
        }
        (11, _) => {
            let task = tasks.spawn(live(ground.clone(), None));
            if ground.chance(2) {
                drop(task);
            } else {
                drop(task.ignore());
            }
        }
        (12, _) => {
            if let Some(pid) = tasks.children().first()
                && tasks.terminate_child(*pid).await.is_ok()
            {
                ground.count("task was terminated");
            }
        }
        _ => {
            let started = tasks.start_child(live(ground.clone(), None));
            ground.count(if started.is_ok() { "task was started" } else { "task was refused" });
        }
    }
}

fn worker_of_tasks(ground: &Ground) -> ChildSpec {
    let of_child = ground.clone();
    let spec = ChildSpec::task("task", move || live(of_child.clone(), None)).shutdown(Shutdown::After(ground.time(3)));
    spec.restart(if ground.chance(2) { Restart::Permanent } else { Restart::Transient })
}

/// Asks, and does not wait for ever: a child may be slow.
async fn within(ground: &Ground, question: impl Future<Output = bool> + Send + 'static) -> bool {
    let mut asked = Task::spawn(question).timeout(Timeout::Infinity);
    let answer = asked.yield_for(ground.units(2)).await;
    drop(asked.ignore());
    matches!(answer, Some(Ok(true)))
}

//! Children that log their start and their end, and shortcuts for the calls of a supervisor.

use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cordial::{
    ChildCounts, ChildInfo, ChildSpec, ChildState, Exit, Pid, Restart, Strategy, Supervisor, SupervisorBuilder, process,
};
use tokio::time::sleep;

/// A log of child events in order: `+a` when the child `a` starts, `-a` when its future is dropped.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub(crate) fn push(&self, event: impl Into<String>) {
        self.0.lock().unwrap().push(event.into());
    }

    /// Returns whether there was no event since the last `take`.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.lock().unwrap().is_empty()
    }

    /// Returns the events since the last call, separated by spaces.
    pub(crate) fn take(&self) -> String {
        std::mem::take(&mut *self.0.lock().unwrap()).join(" ")
    }

    /// A permanent child that never ends by itself.
    #[track_caller]
    pub(crate) fn child(&self, id: &'static str) -> ChildSpec {
        self.child_that(id, pending::<()>)
    }

    /// A permanent child that runs `work`.
    #[track_caller]
    pub(crate) fn child_that<F, Fut>(&self, id: &'static str, mut work: F) -> ChildSpec
    where
        F: FnMut() -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let log = self.clone();
        let spec = ChildSpec::task(id, move || {
            let guard = LogGuard::new(&log, id);
            let work = work();
            async move {
                let _guard = guard;
                work.await;
            }
        });
        spec.restart(Restart::Permanent)
    }
}

/// Logs its creation and its drop.
pub(crate) struct LogGuard(Log, &'static str);

impl LogGuard {
    pub(crate) fn new(log: &Log, id: &'static str) -> LogGuard {
        log.push(format!("+{id}"));
        LogGuard(log.clone(), id)
    }
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        self.0.push(format!("-{}", self.1));
    }
}

/// Exits this long after a shutdown request.
pub(crate) async fn exits_late(time: Duration) {
    cordial::shutdown_requested().await;
    sleep(time).await;
}

pub(crate) fn one_for_one() -> SupervisorBuilder {
    Supervisor::builder(Strategy::OneForOne)
}

pub(crate) async fn info(tree: &Supervisor, id: &str) -> Option<ChildInfo> {
    tree.which_children().await.into_iter().find(|child| *child.id == *id)
}

pub(crate) async fn pid(tree: &Supervisor, id: &str) -> Pid {
    info(tree, id).await.and_then(|child| child.pid).unwrap_or_else(|| panic!("{id} has no process"))
}

pub(crate) async fn state(tree: &Supervisor, id: &str) -> Option<ChildState> {
    info(tree, id).await.map(|child| child.state)
}

/// Returns whether this is the exit of a supervisor that gave up, which means that it has exceeded its restart intensity.
pub(crate) fn has_given_up(exit: &Exit) -> bool {
    matches!(exit, Exit::Shutdown(Some(why)) if why.contains(" gave up on child "))
}

/// The numbers of specifications, of active children, of supervisors and of workers.
pub(crate) fn numbers(counts: ChildCounts) -> [usize; 4] {
    [counts.specs, counts.active, counts.supervisors, counts.workers]
}

/// Ends a process, and returns when its exit was seen.
pub(crate) async fn end(pid: Pid, exit: Exit) {
    process::exit(pid, exit);
    process::monitor(pid).await;
}

/// Kills a child, and lets all ready tasks run.
pub(crate) async fn crash(tree: &Supervisor, id: &str) {
    let pid = pid(tree, id).await;
    process::exit(pid, Exit::Killed);
    settle().await;
}

/// Lets all ready tasks run, and 1 ms of virtual time pass.
pub(crate) async fn settle() {
    sleep(Duration::from_millis(1)).await;
}

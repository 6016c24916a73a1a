//! Not a test: children that tell when they start and when they end.

use std::future::pending;
use std::sync::{Arc, Mutex};

use cordial::{ChildInfo, ChildSpec, ChildState, Exit, Pid, Restart, Supervisor, process};

/// What has happened, in order: `+a` when the child a has started, `-a` when its destructors have run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub(crate) fn note(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }

    /// What has happened since the last call.
    pub(crate) fn take(&self) -> String {
        std::mem::take(&mut *self.0.lock().unwrap()).join(" ")
    }

    /// A child that runs until it is ended. It is permanent.
    #[track_caller]
    pub(crate) fn child(&self, id: &'static str) -> ChildSpec {
        self.child_that(id, pending::<()>)
    }

    /// A child that does this. It is permanent.
    #[track_caller]
    pub(crate) fn child_that<F, Fut>(&self, id: &'static str, mut deed: F) -> ChildSpec
    where
        F: FnMut() -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let log = self.clone();
        let spec = ChildSpec::task(id, move || {
            let noted = Noted::new(&log, id);
            let deed = deed();
            async move {
                let _noted = noted;
                deed.await;
            }
        });
        spec.restart(Restart::Permanent)
    }
}

/// Notes its birth and its death.
pub(crate) struct Noted(Log, &'static str);

impl Noted {
    pub(crate) fn new(log: &Log, id: &'static str) -> Noted {
        log.note(format!("+{id}"));
        Noted(log.clone(), id)
    }
}

impl Drop for Noted {
    fn drop(&mut self) {
        self.0.note(format!("-{}", self.1));
    }
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

/// Whether this is the exit of a supervisor that gave up.
pub(crate) fn has_given_up(exit: &Exit) -> bool {
    matches!(exit, Exit::Shutdown(Some(why)) if why.contains(" gave up on child "))
}

/// Crashes a child, and waits until everything has settled.
pub(crate) async fn crash(tree: &Supervisor, id: &str) {
    let pid = pid(tree, id).await;
    process::exit(pid, Exit::Killed);
    settle().await;
}

/// Waits until everything that can run has run, without letting much time pass.
pub(crate) async fn settle() {
    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
}

//! The state that the handles and the process of a supervisor share.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};

use super::call::TreeCall;
use super::child_infos::ChildInfos;
use crate::pid::Pid;
use crate::process::{RestartError, RuntimeHandle, Supervise, Supervision, SupervisorKind, discard};
use crate::supervisor::factory::Factory;
use crate::supervisor::incarnation::Incarnations;
use crate::supervisor::intensity::{RestartLimit, SharedIntensity};
use crate::supervisor::restart::Restart;
use crate::supervisor::startable::WillRestart;
use crate::supervisor::strategy::Strategy;

/// The shared state of one supervisor.
pub(super) struct TreeShared {
    pub(super) strategy: Strategy,
    pub(super) incarnations: Incarnations,
    pub(super) children: ChildInfos,
    pub(super) calls: mpsc::UnboundedSender<TreeCall>,
    pub(super) n_restarts: AtomicU64,
    pub(super) intensity: SharedIntensity,
    /// The supervisor of which this one is a child, and its key there.
    parent: Option<(Weak<dyn WillRestart>, u64)>,
    /// Factories of servers, kept while the supervisor of the server, a child of this one, is being restarted. By the key of that child:
    /// see [`WillRestart::keep_server`].
    kept_servers: Mutex<BTreeMap<u64, Vec<Factory>>>,
}

impl TreeShared {
    pub(super) fn new(
        runtime: &RuntimeHandle,
        strategy: Strategy,
        limit: RestartLimit,
        calls: mpsc::UnboundedSender<TreeCall>,
        parent: Option<(Weak<dyn WillRestart>, u64)>,
    ) -> TreeShared {
        TreeShared {
            strategy,
            parent,
            kept_servers: Mutex::default(),
            incarnations: Incarnations::new(runtime.clone()),
            children: ChildInfos::new(runtime),
            calls,
            n_restarts: AtomicU64::new(0),
            intensity: SharedIntensity::new(limit),
        }
    }
}

impl TreeShared {
    /// Sends a call and waits for its reply. Returns `None` if the supervisor begins to stop before it replies, and in a forked
    /// process.
    pub(super) async fn call<T>(&self, call: impl FnOnce(oneshot::Sender<T>) -> TreeCall) -> Option<T> {
        if self.incarnations.runtime().is_forked() {
            return None;
        }
        let (sender, reply) = oneshot::channel();
        self.calls.send(call(sender)).ok()?;
        reply.await.ok()
    }

    /// Returns the parent, and the key there, if this supervisor stops or has stopped and the parent will start it again.
    fn rebuilt_by(&self) -> Option<(Arc<dyn WillRestart>, u64)> {
        // The channel is open until the supervisor begins to stop.
        let (parent, key) = self.parent.as_ref().filter(|_| self.calls.is_closed())?;
        let parent = parent.upgrade()?;
        parent.will_restart(*key).then_some((parent, *key))
    }

    /// Returns whether this supervisor stops or has stopped, and its parent will start it again.
    pub(super) fn is_rebuilt(&self) -> bool {
        self.rebuilt_by().is_some()
    }

    /// Drops the factory of a server. If this supervisor stops or has stopped and its parent will start it again, the parent keeps the
    /// factory instead.
    pub(super) fn give_up_server(&self, server: Factory) {
        match self.rebuilt_by() {
            Some((parent, key)) => parent.keep_server(key, server),
            None => discard(server),
        }
    }

    /// Gives up the servers that are kept for the child with this key.
    pub(super) fn give_up_servers_of(&self, key: u64) {
        let servers = self.kept_servers().remove(&key);
        servers.into_iter().flatten().for_each(|server| self.give_up_server(server));
    }

    fn kept_servers(&self) -> MutexGuard<'_, BTreeMap<u64, Vec<Factory>>> {
        self.kept_servers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl WillRestart for TreeShared {
    fn will_restart(&self, key: u64) -> bool {
        if self.calls.is_closed() { self.is_rebuilt() } else { self.children.will_restart(key) }
    }

    fn keep_server(&self, key: u64, server: Factory) {
        if self.calls.is_closed() {
            // The child may have been removed from the table already, so a server that is kept now might never be given up.
            return self.give_up_server(server);
        }
        self.kept_servers().entry(key).or_default().push(server);
    }
}

impl Supervise for TreeShared {
    fn is_starting(&self, child: Pid) -> bool {
        self.children.is_starting(child)
    }

    fn kind(&self) -> SupervisorKind {
        self.strategy.kind()
    }

    fn restart_child(self: Arc<Self>, child: Pid) -> BoxFuture<'static, Result<Pid, RestartError>> {
        Box::pin(async move {
            let (id, restart) = self.children.of_process(child).ok_or(RestartError::NoProcess)?;
            if restart == Restart::Temporary {
                return Err(RestartError::Temporary(id));
            }
            let terminated = self.call(|reply| TreeCall::Terminate(id.clone(), Some(child), reply)).await;
            terminated.ok_or(RestartError::SupervisorStopped)?.map_err(|_| RestartError::NoProcess)?;
            let restarted = self.call(|reply| TreeCall::Restart(id, None, reply)).await;
            restarted.ok_or(RestartError::SupervisorStopped)?.map_err(RestartError::NotStarted)
        })
    }

    fn supervision(&self) -> Supervision {
        let now = self.children.clock().now();
        let (n_running, n_starting) = self.children.n_processes();
        Supervision {
            kind: self.kind(),
            incarnation: self.incarnations.number(),
            restarts: self.n_restarts.load(Ordering::Relaxed),
            max_children: None,
            intensity: self.intensity.describe(now),
            n_running,
            n_starting,
            inactive: self.children.inactive(now),
        }
    }
}

impl fmt::Debug for TreeShared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TreeShared")
            .field("strategy", &self.strategy)
            .field("incarnations", &self.incarnations)
            .finish_non_exhaustive()
    }
}

//! The state that the handles and the process of a supervisor share.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};

use super::call::TreeCall;
use super::child_infos::ChildInfos;
use crate::pid::Pid;
use crate::process::{RestartError, RuntimeHandle, Supervise, Supervision, SupervisorKind};
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
}

impl TreeShared {
    pub(super) fn new(
        runtime: &RuntimeHandle,
        strategy: Strategy,
        limit: RestartLimit,
        calls: mpsc::UnboundedSender<TreeCall>,
    ) -> TreeShared {
        TreeShared {
            strategy,
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
}

impl WillRestart for TreeShared {
    fn will_restart(&self, key: u32) -> bool {
        // The channel is open until the supervisor begins to stop.
        !self.calls.is_closed() && self.children.will_restart(key)
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
            let terminated = self.call(|reply| TreeCall::Terminate(id.clone(), reply)).await;
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

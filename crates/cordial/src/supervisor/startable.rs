//! The interface through which a supervisor starts as the child of another supervisor.

use std::fmt;
use std::sync::{Arc, Weak};

use super::factory::Factory;
use super::start_reply::PendingStart;
use crate::error::StartError;
use crate::pid::Pid;
use crate::process::{ChildSlot, ReportSlot, RuntimeHandle};

/// The options of a supervisor, for [`ChildSpec::supervisor`](crate::ChildSpec::supervisor).
///
/// Sealed: only types of this crate implement it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the builder of a supervisor",
    label = "expected `Supervisor::builder(..)` or `TaskSupervisor::builder()`, not started",
    note = "a task supervisor that is running becomes a child by `TaskSupervisor::child_spec`"
)]
pub trait Startable: sealed::Sealed {
    /// Starts the supervisor as a child of the calling process.
    #[doc(hidden)]
    fn start_as_child(self, position: ChildPosition) -> Result<StartedSupervisor, StartError>;
}

#[expect(unnameable_types, reason = "that is what seals the trait")]
pub(super) mod sealed {
    /// Prevents implementations of `Startable` outside this crate.
    pub trait Sealed {}
}

/// The position of a supervisor that is a child: its parent, its id and its slot.
#[expect(unnameable_types, reason = "for a sealed trait")]
#[derive(Debug)]
pub struct ChildPosition {
    pub(super) runtime: RuntimeHandle,
    pub(super) id: Arc<str>,
    pub(super) slot: ChildSlot,
    /// The parent, which starts the child again.
    pub(super) parent: Weak<dyn WillRestart>,
}

/// Implemented by a parent: says whether it will start a child again. If so, a call that the child
/// refuses may succeed later.
pub(super) trait WillRestart: fmt::Debug + Send + Sync {
    /// Returns whether the child with this key, which is exiting or has exited, will be started again.
    fn will_restart(&self, key: u64) -> bool;

    /// Keeps the factory of a server. The supervisor of the server is the child with this key, and is being restarted. The factory is
    /// dropped once that supervisor has started again, or is not to be started again. Until then, the messages of the server wait
    /// for its next process. If the next incarnation of the supervisor does not have the same server as a child, the drop of the factory
    /// answers the messages.
    fn keep_server(&self, key: u64, server: Factory);
}

/// A supervisor that has been started as a child.
#[expect(unnameable_types, reason = "for a sealed trait")]
pub struct StartedSupervisor {
    pub(super) pid: Pid,
    /// Receives the outcome of the start. `None` if the supervisor has started already, because it starts without children.
    pub(super) ready: Option<PendingStart>,
    /// Where the supervisor leaves the report of its stop.
    pub(super) report: ReportSlot,
}

impl fmt::Debug for StartedSupervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StartedSupervisor").field("pid", &self.pid).finish_non_exhaustive()
    }
}

//! Starting a supervisor: on its own, or as the child of another supervisor.

use std::sync::{Arc, Weak};

use tokio::sync::mpsc;

use super::builder::SupervisorBuilder;
use super::call::Calls;
use super::children::ChildTable;
use super::handle::Supervisor;
use super::server::serve_tree;
use super::shared::TreeShared;
use super::state::TreeState;
use crate::error::StartError;
use crate::exit::Refusal;
use crate::process::{ChildSlot, RuntimeHandle, current_runtime};
use crate::supervisor::spawn::{SpawnSupervisor, SpawnedSupervisor};
use crate::supervisor::start_reply::{PendingStart, start_reply};
use crate::supervisor::startable::{ChildPosition, Startable, StartedSupervisor, WillRestart, sealed};

/// A supervisor whose process has started.
struct StartedTree {
    shared: Arc<TreeShared>,
    process: SpawnedSupervisor,
    /// Receives the outcome once the children have started.
    ready: PendingStart,
}

impl SupervisorBuilder {
    /// Starts the supervisor and its children one after another, each after the previous one has started. If a child
    /// fails to start, the supervisor stops those that have started, in reverse order, and exits. A child with a
    /// [`backoff`](crate::ChildSpec::backoff) is tried again instead, for as long as this is awaited, or until
    /// [`give_up_after`](crate::Backoff::give_up_after) is reached.
    ///
    /// The supervisor belongs to the process that awaits this, unless it is [`unlinked`](SupervisorBuilder::unlinked); outside a
    /// process it belongs to the runtime. When that process exits, for any reason, the supervisor
    /// stops its children in reverse order and exits. When the supervisor gives up or shuts down automatically, that
    /// process exits too, unless it traps exits. Several supervisors of one process stop in reverse start order.
    ///
    /// # Errors
    ///
    /// - [`StartError::Child`] names the child that failed to start, and its exit.
    /// - [`StartError::TimedOut`] names the child that had not started within its [`start_timeout`](crate::ChildSpec::start_timeout).
    /// - [`StartError::DuplicateId`], [`StartError::SignificantPermanent`] or [`StartError::SignificantNever`]: no process was started.
    /// - [`StartError::AlreadySupervised`]: a task supervisor or a server among the children has another parent already, or belongs to
    ///   another runtime.
    /// - [`StartError::GaveUp`]: a child that had started needed a restart that would have exceeded a limit, before the last child had
    ///   started.
    /// - [`StartError::Refused`]: the runtime refused a process, or the supervisor was stopped while it started.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future before it is ready stops the children that have started, in reverse order.
    ///
    /// # Elixir
    ///
    /// `Supervisor.start_link/2`.
    ///
    /// # Examples
    ///
    /// ```
    /// use cordial::{ChildSpec, StartError, Strategy, Supervisor};
    ///
    /// cordial::testing::run(async {
    ///     let twice = || ChildSpec::task("twin", || async {});
    ///     let started = Supervisor::builder(Strategy::OneForOne).child(twice()).child(twice()).start().await;
    ///     assert_eq!(started.unwrap_err(), StartError::DuplicateId("twin".into()));
    /// });
    /// ```
    pub async fn start(self) -> Result<Supervisor, StartError> {
        self.check()?;
        let started = self.start_process(&current_runtime(), None, None)?;
        match started.ready.outcome().await {
            Some(Ok(guard)) => {
                guard.disarm();
                Ok(Supervisor::new(started.shared))
            }
            Some(Err(error)) => Err(error),
            None => Err(StartError::Refused(Refusal::SupervisorStopped)),
        }
    }

    /// Starts the process, which then starts the children. `slot` and `parent` are `Some` if the supervisor is itself a child.
    fn start_process(
        self,
        runtime: &RuntimeHandle,
        slot: Option<ChildSlot>,
        parent: Option<Weak<dyn WillRestart>>,
    ) -> Result<StartedTree, Refusal> {
        let SupervisorBuilder { strategy, label, limit, auto_shutdown, children, owned_by, spawned_at } = self;
        let (sender, calls) = mpsc::unbounded_channel();
        let (mut reply, ready) = start_reply();
        let parent = parent.zip(slot.as_ref().map(ChildSlot::index));
        let shared = Arc::new(TreeShared::new(runtime, strategy, limit, sender, parent));
        let children = ChildTable::new(shared.clone(), children);
        let mut state = TreeState::new(shared.clone(), children, Calls::new(calls), label.clone(), auto_shutdown);
        state.start_is_delayed = reply.take_delayed();
        let incarnations = &shared.incarnations;
        let spawn = SpawnSupervisor { incarnations, supervisor: shared.clone(), slot, owned_by, label, spawned_at };
        // Boxed, since the future is large.
        let serve = |incarnation, exit_signals| Box::pin(serve_tree(state, reply, incarnation, exit_signals));
        let process = spawn.start(serve)?;
        Ok(StartedTree { shared, process, ready })
    }
}

impl sealed::Sealed for SupervisorBuilder {}

impl Startable for SupervisorBuilder {
    fn start_as_child(mut self, position: ChildPosition) -> Result<StartedSupervisor, StartError> {
        self.check()?;
        let ChildPosition { runtime, id, slot, parent } = position;
        self.label.get_or_insert(id);
        let StartedTree { process, ready, .. } = self.start_process(&runtime, Some(slot), Some(parent))?;
        Ok(StartedSupervisor { pid: process.pid, ready: Some(ready), report: process.report })
    }
}

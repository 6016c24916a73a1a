//! Starting a task supervisor: on its own, as a child of another supervisor, or by adoption while it runs.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::builder::TaskSupervisorBuilder;
use super::children::TaskChildren;
use super::handle::TaskSupervisor;
use super::server::serve_tasks;
use super::shared::{TasksShared, TreeParent};
use crate::error::StartError;
use crate::exit::Refusal;
use crate::pid::Pid;
use crate::process::{ChildSlot, Shutdown, current_runtime, detach_from_owner};
use crate::supervisor::nested::{Adoptable, HandedOver, NestedSupervisor};
use crate::supervisor::restart::Restart;
use crate::supervisor::spawn::{SpawnSupervisor, SpawnedSupervisor};
use crate::supervisor::spec::{ChildSpec, ChildStart};
use crate::supervisor::startable::{ChildPosition, Startable, StartedSupervisor, sealed};

impl TaskSupervisor {
    /// Starts a task supervisor with default options: any number of children, 3 restarts within 5 s, and 5 s for its
    /// tasks to shut down.
    #[must_use = "without its handle no task can be started under it"]
    #[track_caller]
    pub fn start() -> TaskSupervisor {
        TaskSupervisor::builder().start()
    }

    /// Returns the specification that hands the task supervisor over to a [`Supervisor`](crate::Supervisor). When the
    /// `Supervisor` starts this child, the running incarnation becomes its child, and no longer belongs to the process that started
    /// it. If no incarnation is running, a new one is started.
    ///
    /// Use this if other code keeps the handle to start tasks. A [`Supervisor`](crate::Supervisor) cannot be handed
    /// over: pass its builder to [`ChildSpec::supervisor`].
    ///
    /// The child is permanent, and its shutdown has no limit, because its tasks have limits of their own. Its id is the
    /// label, or `"TaskSupervisor"` without one. A task supervisor has one parent: until this parent has ended or has deleted the
    /// child, another `Supervisor` cannot start it, and gets [`StartError::AlreadySupervised`].
    ///
    /// # Elixir
    ///
    /// `{Task.Supervisor, name: name}` as a child. There the parent starts the task supervisor;
    /// here it may be running already.
    ///
    /// # Examples
    ///
    /// ```
    /// use cordial::{ChildSpec, Strategy, Supervisor, TaskSupervisor};
    ///
    /// cordial::testing::run(async {
    ///     let emails = TaskSupervisor::builder().label("emails").start();
    ///     let tree = Supervisor::builder(Strategy::OneForOne).child(emails.child_spec()).start().await.unwrap();
    ///     assert_eq!(tree.which_children().await[0].pid, Some(emails.pid()));
    ///     tree.stop().await;
    ///     assert!(emails.start_child(async {}).is_err());
    /// });
    /// ```
    #[track_caller]
    pub fn child_spec(&self) -> ChildSpec {
        let id = self.shared().options.label.clone().unwrap_or_else(|| "TaskSupervisor".into());
        let start = ChildStart::Supervisor(NestedSupervisor::HandedOver(HandedOver::new(self.clone())));
        ChildSpec::new(id, start, Restart::Permanent, Shutdown::Infinity)
    }
}

impl TaskSupervisorBuilder {
    /// Starts the task supervisor. It accepts tasks when this returns.
    ///
    /// If the runtime refuses the process of the task supervisor, for example because it was shut down, the task supervisor refuses all
    /// tasks.
    pub fn start(self) -> TaskSupervisor {
        let shared = TasksShared::new(current_runtime(), self);
        // If the runtime refuses the process, each call of the handle returns the refusal.
        let _ = start_incarnation(&shared, None);
        TaskSupervisor::new(shared)
    }
}

impl sealed::Sealed for TaskSupervisorBuilder {}

impl Startable for TaskSupervisorBuilder {
    fn start_as_child(self, position: ChildPosition) -> Result<StartedSupervisor, StartError> {
        TaskSupervisor::new(TasksShared::new(position.runtime.clone(), self)).adopt(position)
    }
}

impl Adoptable for TaskSupervisor {
    fn adopt(&self, position: ChildPosition) -> Result<StartedSupervisor, StartError> {
        let shared = self.shared();
        let ChildPosition { runtime, id, slot, parent: will_restart } = position;
        let (new_parent, registry, index) = (slot.parent().pid, slot.parent().children.clone(), slot.index());
        {
            let mut parent = shared.parent();
            let has_other = parent.as_ref().is_some_and(|known| known.pid != new_parent && runtime.is_alive(known.pid));
            if has_other || !shared.runtime().is_same_runtime(&runtime) {
                return Err(StartError::AlreadySupervised(id));
            }
            *parent = Some(TreeParent { pid: new_parent, key: index, will_restart });
        }
        let mut slot = Some(slot);
        if let Some((pid, report)) = shared.incarnations.running() {
            detach_from_owner(&runtime, pid);
            // If the process has exited in the meantime, the slot is not taken.
            let last = runtime.with(pid, |entry| slot.take().and_then(|slot| entry.move_to(slot)));
            drop(last);
            if slot.is_none() {
                // The parent runs this code, so it is not stopping, and admits the child.
                let _ = registry.registered(index, pid);
                if let Some(children) = shared.children() {
                    children.set_root(&runtime, runtime.root_of(pid));
                }
                return Ok(StartedSupervisor { pid, ready: None, report });
            }
        }
        let SpawnedSupervisor { pid, report } = start_incarnation(shared, slot)?;
        Ok(StartedSupervisor { pid, ready: None, report })
    }

    fn release(&self, parent: Pid) {
        self.shared().parent().take_if(|present| present.pid == parent);
    }
}

/// Starts the next incarnation: as a child in this slot, or owned as the options say.
fn start_incarnation(shared: &Arc<TasksShared>, slot: Option<ChildSlot>) -> Result<SpawnedSupervisor, Refusal> {
    let options = &shared.options;
    let (sender, exits) = mpsc::unbounded_channel();
    let children = Arc::new(TaskChildren::new(shared.n_shards(), options.max_children, sender, shared.runtime()));
    let spawn = SpawnSupervisor {
        incarnations: &shared.incarnations,
        supervisor: shared.clone(),
        slot,
        owned_by: options.owned_by,
        label: options.label.clone(),
        spawned_at: options.spawned_at,
    };
    let serve =
        |incarnation, exit_signals| serve_tasks(shared.clone(), children.clone(), exits, incarnation, exit_signals);
    let spawned = spawn.start(serve)?;
    // Children are admitted only now: each of them refers to the supervisor by its pid, which the start has returned.
    children.open(spawned.pid, shared.runtime().root_of(spawned.pid), options.shutdown);
    shared.set_children(&children);
    Ok(spawned)
}

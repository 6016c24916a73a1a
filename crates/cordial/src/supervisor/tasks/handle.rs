//! `TaskSupervisor`: the handle.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use super::builder::TaskSupervisorBuilder;
use super::restartable::{RestartableChildren, Terminated};
use super::shared::TasksShared;
use super::waiting_child::WaitingChild;
use crate::error::NotFound;
use crate::exit::Exit;
use crate::pid::Pid;
use crate::process::{RuntimeHandle, StopReport, stop_one};
use crate::supervisor::child_counts::ChildCounts;

/// A supervisor of tasks that do not depend on each other: it owns them, limits their number, and stops them when it
/// stops.
///
/// This is a handle. Clones are handles of the same supervisor. Dropping a handle does not stop the
/// supervisor.
///
/// A task under a supervisor is an ordinary [`Task`](crate::Task) that ends before the supervisor does, unless its poll
/// does not return. The supervisor belongs to the process that starts it: when that process exits, for any reason, the
/// supervisor stops its tasks and exits. A supervisor that is started outside a process, or with
/// [`unlinked`](TaskSupervisorBuilder::unlinked), belongs to the runtime.
///
/// A task supervisor can be a child of a [`Supervisor`](crate::Supervisor), see
/// [`child_spec`](TaskSupervisor::child_spec). The handle stays valid when the parent restarts the
/// task supervisor. Between two incarnations, starts are refused with
/// [`Refusal::SupervisorRestarting`](crate::Refusal::SupervisorRestarting); retry them.
///
/// | to start | call |
/// |---|---|
/// | a task whose value is used, and which is shut down when its handle is dropped | [`spawn`](TaskSupervisor::spawn), [`spawn_link`](TaskSupervisor::spawn_link) |
/// | a task whose value is used, and which continues when its handle is dropped | [`spawn_nolink`](TaskSupervisor::spawn_nolink) |
/// | a child without a handle, which is not started again | [`start_child`](TaskSupervisor::start_child) |
/// | the same, after a wait while the supervisor is full | [`start_child_when_room`](TaskSupervisor::start_child_when_room) |
/// | a child without a handle, which may be started again | [`start_child_with`](TaskSupervisor::start_child_with) |
///
/// Many threads can start tasks at the same time: a start sends no message to the process of the supervisor.
///
/// # Elixir
///
/// `Task.Supervisor`.
///
/// # Examples
///
/// ```
/// use cordial::TaskSupervisor;
///
/// cordial::testing::run(async {
///     let emails = TaskSupervisor::builder().label("emails").max_children(100).start();
///     let sent = emails.spawn(async { "sent" });
///     assert_eq!(sent.await, Ok("sent"));
///     emails.start_child(async { /* send another one */ }).unwrap();
///     assert!(emails.stop().await.is_clean());
/// });
/// ```
#[derive(Clone)]
pub struct TaskSupervisor {
    shared: Arc<TasksShared>,
}

impl TaskSupervisor {
    /// Returns the options of a new task supervisor.
    #[track_caller]
    pub fn builder() -> TaskSupervisorBuilder {
        TaskSupervisorBuilder::new(Location::caller())
    }

    /// Returns the options of a new task supervisor that was started at this location.
    pub(crate) fn builder_at(spawned_at: &'static Location<'static>) -> TaskSupervisorBuilder {
        TaskSupervisorBuilder::new(spawned_at)
    }

    pub(super) fn new(shared: Arc<TasksShared>) -> TaskSupervisor {
        TaskSupervisor { shared }
    }

    pub(super) fn shared(&self) -> &Arc<TasksShared> {
        &self.shared
    }

    /// Returns the children that are running, in no order. Children that are restarting are left out, see
    /// [`waiting_children`](TaskSupervisor::waiting_children).
    ///
    /// # Elixir
    ///
    /// `Task.Supervisor.children/1`.
    #[must_use]
    pub fn children(&self) -> Vec<Pid> {
        self.shared.children().map(|children| children.running()).unwrap_or_default()
    }

    /// Returns the children that are restarting: they have exited and wait for their restart, or have not finished starting again.
    #[must_use]
    pub fn waiting_children(&self) -> Vec<WaitingChild> {
        self.shared.children().map(|children| children.restartable.restarting()).unwrap_or_default()
    }

    /// Returns how many children there are. Children that are restarting are not active.
    ///
    /// Waits for restarts that are made at once, but not for longer than 10 ms.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    ///
    /// # Elixir
    ///
    /// `DynamicSupervisor.count_children/1`.
    pub async fn count_children(&self) -> ChildCounts {
        let Some(children) = self.shared.children() else { return ChildCounts::default() };
        children.restartable.settled().await;
        children.counts()
    }

    /// Stops a child and waits until it has exited. The child is not started again. It is stopped as its
    /// [`ChildSpec`](crate::ChildSpec::shutdown) says, or without one as the supervisor stops its
    /// [tasks](TaskSupervisorBuilder::shutdown).
    ///
    /// If the poll of the killed child does not return for 100 ms, the child is abandoned, and this returns `Ok`. For a
    /// child that is restarting, pass its [`last_pid`](WaitingChild::last_pid), see
    /// [`waiting_children`](TaskSupervisor::waiting_children).
    ///
    /// # Errors
    ///
    /// [`NotFound`] if the process is not a child of this supervisor, or has exited and its child is not restarting.
    ///
    /// # Cancel safety
    ///
    /// After the first poll the child is not started again, and its process, if there is one, has been asked to shut down. If the
    /// future is dropped before the grace time is over, the child is not killed.
    ///
    /// # Elixir
    ///
    /// `Task.Supervisor.terminate_child/2`.
    pub async fn terminate_child(&self, pid: Pid) -> Result<(), NotFound> {
        let children = self.shared.children().ok_or(NotFound)?;
        let runtime = self.shared.runtime();
        let supervisor = self.pid();
        let running = runtime.with(pid, |entry| {
            let slot = entry.child_slot.as_ref().filter(|slot| slot.parent().pid == supervisor)?;
            // Only restartable children have an id.
            Some((slot.parent().shutdown, slot.parent().id.is_some().then_some(slot.index())))
        });
        match running.flatten() {
            Some((shutdown, restartable)) => {
                if let Some(index) = restartable {
                    children.restartable.terminate_running(index, pid);
                }
                stop_one(runtime, pid, shutdown).await;
                Ok(())
            }
            None => terminate_exited(runtime, &children.restartable, pid).await,
        }
    }

    /// Stops all tasks at once, each with its own grace time, and then the supervisor, whose exit is
    /// [`Exit::Normal`] if it had no other reason to stop. Waits for the exit of the supervisor, and returns the tasks that had to be
    /// killed or abandoned. If the supervisor has already exited, returns the report of its earlier stop.
    ///
    /// A supervisor that is a permanent child is then started again by its parent.
    ///
    /// # Cancel safety
    ///
    /// After the first poll the supervisor stops, even if the future is dropped.
    ///
    /// # Elixir
    ///
    /// `Supervisor.stop/1`.
    pub async fn stop(&self) -> StopReport {
        self.shared.incarnations.stop().await
    }

    /// Asks the supervisor to stop, and does not wait.
    pub(crate) fn request_stop(&self) {
        self.shared.incarnations.request_stop();
    }

    /// Returns the pid of the incarnation that is running, or else of the last one.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.shared.incarnations.pid()
    }

    /// Returns how many incarnations, the present one included, the supervisor has had.
    #[must_use]
    pub fn incarnation(&self) -> u32 {
        self.shared.incarnations.number()
    }

    /// Waits until the incarnation that is running has exited, and returns its exit. If none is running, returns the
    /// exit of the last one.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn ended(&self) -> Exit {
        self.shared.incarnations.ended().await
    }
}

/// Terminates the child that is known by the process `pid`, which has exited.
pub(super) async fn terminate_exited(
    runtime: &RuntimeHandle,
    children: &RestartableChildren,
    pid: Pid,
) -> Result<(), NotFound> {
    let mut terminated = children.terminate_exited(pid).ok_or(NotFound)?;
    while terminated == Terminated::Starting {
        tokio::task::yield_now().await;
        // The process of the restart is stopped as soon as it is in the process table, and may have exited since.
        terminated = children.terminate_exited(pid).unwrap_or(Terminated::Removed);
    }
    if let Terminated::Running(restarted, shutdown) = terminated {
        stop_one(runtime, restarted, shutdown).await;
    }
    Ok(())
}

impl fmt::Debug for TaskSupervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskSupervisor")
            .field("label", &self.shared.options.label)
            .field("pid", &self.pid())
            .field("incarnation", &self.incarnation())
            .finish_non_exhaustive()
    }
}

//! Starting tasks and children under a task supervisor.

use std::panic::Location;

use super::handle::TaskSupervisor;
use super::reservation::Reservation;
use super::restartable::{RestartProgress, RestartableChild, RestartableState};
use super::start_restartable::RestartableStart;
use crate::error::StartError;
use crate::exit::Refusal;
use crate::pid::Pid;
use crate::process::{ChildSlot, Outcome, Recipient, Scope, Spawn, box_if_large, caller_lineage, current_scope};
use crate::supervisor::restart::Restart;
use crate::supervisor::restart_backoff::RestartBackoff;
use crate::supervisor::spec::{ChildSpec, ChildStart};
use crate::task::{Ownership, Task};

impl TaskSupervisor {
    /// Spawns a task as [`Task::spawn`] does, under this supervisor.
    ///
    /// If the supervisor is full, is stopping or has ended, or if the runtime refuses the task, awaiting the task returns
    /// [`Exit::Refused`](crate::Exit::Refused).
    ///
    /// # Elixir
    ///
    /// `Task.Supervisor.async/2` with failures as values. There a full supervisor raises.
    ///
    /// # Examples
    ///
    /// ```
    /// use cordial::{Exit, TaskSupervisor};
    ///
    /// cordial::testing::run(async {
    ///     let one = TaskSupervisor::builder().max_children(1).start();
    ///     let first = one.spawn(async { 1 });
    ///     assert!(matches!(one.spawn(async { 2 }).await, Err(Exit::Refused(_))));
    ///     assert_eq!(first.await, Ok(1));
    ///     assert_eq!(one.spawn(async { 3 }).await, Ok(3));
    /// });
    /// ```
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> Task<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let spawn = Spawn::new(Location::caller());
        box_if_large!(future: F => self.spawn_task(spawn, Ownership::Owned, future))
    }

    /// Spawns a task as [`Task::spawn_link`] does, under this supervisor.
    ///
    /// # Elixir
    ///
    /// `Task.Supervisor.async/2`.
    #[track_caller]
    pub fn spawn_link<F>(&self, future: F) -> Task<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let spawn = Spawn::new(Location::caller()).linked();
        box_if_large!(future: F => self.spawn_task(spawn, Ownership::Owned, future))
    }

    /// Spawns a task as [`spawn`](TaskSupervisor::spawn) does, but the handle does not own the task. The task continues
    /// under the supervisor when the handle is dropped, when the holder of the handle exits, or when an await times out.
    ///
    /// # Elixir
    ///
    /// `Task.Supervisor.async_nolink/2`.
    ///
    /// # Examples
    ///
    /// ```
    /// use cordial::TaskSupervisor;
    ///
    /// cordial::testing::run(async {
    ///     let tasks = TaskSupervisor::start();
    ///     drop(tasks.spawn_nolink(std::future::pending::<()>()));
    ///     assert_eq!(tasks.children().len(), 1);
    /// });
    /// ```
    #[track_caller]
    pub fn spawn_nolink<F>(&self, future: F) -> Task<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let spawn = Spawn::new(Location::caller());
        box_if_large!(future: F => self.spawn_task(spawn, Ownership::Detached, future))
    }

    /// Starts a child that is not started again: its restart is [`Restart::Temporary`]. An output of `Err` is an
    /// abnormal exit, as a panic is.
    ///
    /// When this returns, the child may not have been polled yet. If the supervisor stops before the first poll, the
    /// child ends without having run, since it has not opted in to graceful shutdown yet.
    ///
    /// # Errors
    ///
    /// [`StartError::Refused`] if the supervisor is full, is stopping or has ended, or if the runtime refuses the process.
    ///
    /// # Elixir
    ///
    /// `Task.Supervisor.start_child/2`.
    ///
    /// # Examples
    ///
    /// ```
    /// use cordial::{Exit, TaskSupervisor, process};
    ///
    /// cordial::testing::run(async {
    ///     let tasks = TaskSupervisor::start();
    ///     let child = tasks.start_child(async { /* count a page view */ }).unwrap();
    ///     assert_eq!(process::monitor(child).await, Exit::Normal);
    /// });
    /// ```
    #[track_caller]
    pub fn start_child<F>(&self, future: F) -> Result<Pid, StartError>
    where
        F: Future + Send + 'static,
        F::Output: Outcome,
    {
        let (slot, spawned_at) = (self.shared().slot(), Location::caller());
        box_if_large!(future: F => self.start_temporary(slot, spawned_at, future))
    }

    /// Starts a child as [`start_child`](TaskSupervisor::start_child) does, but waits while the supervisor is full. The futures
    /// proceed in the order in which they were first polled. The wait has no timeout, but ends
    /// when the supervisor begins to stop. A child of the supervisor that awaits this future still counts as a child: if such children
    /// fill the supervisor, none of their waits ends.
    ///
    /// # Errors
    ///
    /// [`StartError::Refused`] if the supervisor is stopping, has ended, or is being restarted, even if that happens during the wait,
    /// or if the runtime refuses the process.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is ready, no child is started, and the place in the queue is lost.
    ///
    /// # Elixir
    ///
    /// No equivalent: there a full supervisor is an error.
    #[track_caller]
    pub fn start_child_when_room<F>(&self, future: F) -> impl Future<Output = Result<Pid, StartError>> + Send + use<F>
    where
        F: Future + Send + 'static,
        F::Output: Outcome,
    {
        let (tasks, spawned_at) = (self.clone(), Location::caller());
        // Boxed, because the returned future contains this one, and is moved by the caller.
        let future = Box::pin(future);
        async move {
            let shared = tasks.shared();
            let slot = match shared.reserve().await {
                Ok(reservation) => reservation.slot().map_err(|refusal| shared.refine_refusal(refusal)),
                Err(refusal) => Err(refusal),
            };
            tasks.start_temporary(slot, spawned_at, future)
        }
    }

    /// Starts a child from a specification, which has a factory, so that the child may be transient or permanent.
    ///
    /// The process of the child has started when this returns. The process calls the factory and
    /// runs the future, so a panic of the factory, or an `Err` of the outer future of an
    /// [`init`](ChildSpec::init) child, is the exit of the child. A child is removed if its first
    /// start fails in this way and it has no [`backoff`](ChildSpec::backoff), or if its `init` returns
    /// [`Ignore`](crate::Ignore). A start that takes longer than its [`start_timeout`](ChildSpec::start_timeout) fails in the
    /// same way. The id of the specification is the label of the child; several children of a task
    /// supervisor may have the same id.
    ///
    /// # Errors
    ///
    /// - [`StartError::Refused`], as for [`start_child`](TaskSupervisor::start_child).
    /// - [`StartError::NotATask`]: the child is a supervisor.
    /// - [`StartError::SignificantPermanent`]: the child is significant and permanent. [`StartError::SignificantNever`]: it is significant
    ///   and not permanent, but a task supervisor never shuts down automatically.
    /// - [`StartError::AlreadySupervised`]: the child is a server that is running, is the child of a supervisor, or belongs to another
    ///   runtime.
    ///
    /// # Elixir
    ///
    /// `Task.Supervisor.start_child/3` with the option `:restart`.
    ///
    /// # Examples
    ///
    /// ```
    /// use cordial::{ChildSpec, Restart, TaskSupervisor};
    /// use std::sync::atomic::{AtomicU32, Ordering};
    /// use std::time::Duration;
    ///
    /// static RUNS: AtomicU32 = AtomicU32::new(0);
    ///
    /// cordial::testing::run(async {
    ///     let tasks = TaskSupervisor::start();
    ///     let flaky = ChildSpec::task("flaky", || async { assert!(RUNS.fetch_add(1, Ordering::SeqCst) > 0, "no luck") });
    ///     tasks.start_child_with(flaky.restart(Restart::Transient)).unwrap();
    ///     tokio::time::sleep(Duration::from_secs(1)).await;
    ///     assert_eq!(RUNS.load(Ordering::SeqCst), 2);
    /// });
    /// ```
    pub fn start_child_with(&self, spec: ChildSpec) -> Result<Pid, StartError> {
        let ChildSpec {
            id, start, restart, shutdown, start_timeout, backoff, is_significant, spawned_at, server, ..
        } = spec;
        let ChildStart::Worker(factory) = start else { return Err(StartError::NotATask(id)) };
        if is_significant {
            return Err(if restart == Restart::Permanent {
                StartError::SignificantPermanent(id)
            } else {
                StartError::SignificantNever(id)
            });
        }
        let shared = self.shared();
        let refuse = |refusal: Refusal| {
            let refusal = shared.refine_refusal(refusal);
            shared.emit_refused(spawned_at, &refusal);
            StartError::Refused(refusal)
        };
        shared.runtime().refuse_forked().map_err(refuse)?;
        let children = shared.children().ok_or(Refusal::SupervisorStopped).map_err(refuse)?;
        let permit = children.limit.try_acquire().map_err(refuse)?;
        if let Some(server) = &server {
            // Only a `Supervisor` takes over a process that is running.
            server.claim(self.pid())?;
        }
        let child = RestartableChild {
            id,
            factory,
            restart,
            shutdown,
            spawned_at,
            restart_backoff: backoff.and_then(RestartBackoff::new),
            lineage: caller_lineage(shared.runtime()),
            scope: current_scope().and_then(Scope::without_deadline),
            incarnation: 1,
            restart_at: None,
            started_at: None,
            start_timeout,
            watch: None,
            pid: None,
            known_pid: None,
            state: RestartableState::Running,
            has_started: false,
            restart_progress: RestartProgress::Done,
        };
        let start = RestartableStart::of(&child);
        let index = children.restartable.add(child).ok_or(Refusal::SupervisorStopped).map_err(refuse)?;
        permit.forget();
        let last = server.as_ref().map(|server| server.pid());
        let pid = start.start(shared.runtime(), &children.restartable, self.pid(), index).map_err(refuse)?;
        if let Some((server, last)) = server.zip(last) {
            server.process_started(last, pid);
        }
        Ok(pid)
    }

    fn spawn_task<F>(&self, spawn: Spawn, ownership: Ownership, future: F) -> Task<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        match self.shared().slot() {
            Ok(slot) => Task::spawn_on(self.shared().runtime(), &mut spawn.child_slot(slot), ownership, future),
            Err(refusal) => Task::refused(spawn.spawned_at, Some(self.pid()), refusal),
        }
    }

    /// Starts a temporary child in a slot.
    fn start_temporary<F>(
        &self,
        slot: Result<ChildSlot, Refusal>,
        spawned_at: &'static Location<'static>,
        future: F,
    ) -> Result<Pid, StartError>
    where
        F: Future + Send + 'static,
        F::Output: Outcome,
    {
        let runtime = self.shared().runtime();
        let spawn = |slot| Spawn::new(spawned_at).without_owner_in_scope().child_slot(slot);
        let start = |slot| spawn(slot).start(runtime, future, Outcome::into_result);
        slot.and_then(start).map(|started| started.pid).map_err(|refusal| {
            self.shared().emit_refused(spawned_at, &refusal);
            StartError::Refused(refusal)
        })
    }

    /// Starts a temporary child, whose reply goes to `recipient`. Uses the reservation, or takes a slot at once if there is none.
    pub(super) fn start_detached<F, R>(
        &self,
        reservation: Option<Result<Reservation, Refusal>>,
        spawn: &mut Spawn,
        future: F,
        recipient: R,
    ) -> Result<Pid, Refusal>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
        R: Recipient<F::Output> + Send + 'static,
        R::Output: Send + 'static,
    {
        let slot = match reservation {
            Some(reservation) => {
                let refine = |refusal| self.shared().refine_refusal(refusal);
                reservation.and_then(|reservation| reservation.slot().map_err(refine))
            }
            None => self.shared().slot(),
        };
        let slot = slot.inspect_err(|refusal| self.shared().emit_refused(spawn.spawned_at, refusal))?;
        spawn.child_slot = Some(slot);
        spawn.start_detached(self.shared().runtime(), future, recipient)
    }
}

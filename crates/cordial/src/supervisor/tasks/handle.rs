//! `TaskSupervisor`: the handle, and how tasks are started under it.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use super::builder::TaskSupervisorBuilder;
use super::kept::{Record, State};
use super::live::{ChildOfTree, Live};
use super::room::Permit;
use super::roster::{Roster, lock};
use super::serve::Start;
use crate::error::{NotFound, StartError};
use crate::exit::{Exit, Refusal};
use crate::pid::Pid;
use crate::process::{
    ChildSlot, Outcome, Recipient, Shutdown, Spawn, StopReport, caller_lineage, detach_from_owner, stop_one,
};
use crate::supervisor::clock::Clock;
use crate::supervisor::factory::Ready;
use crate::supervisor::nested::{ChildOf, HandedOver, Launched, Nested};
use crate::supervisor::spec::{ChildSpec, Kind, Restart};
use crate::task::{Ownership, Task};
use crate::{telemetry, unwind};

/// A supervisor of tasks, none of which depends on another: it owns them, bounds them, shows them, and ends them when it
/// ends. This is a handle on it, and clones are handles on the same one; dropping them stops nothing.
///
/// A task under it is a [`Task`] like any other, and its own process; in addition it never outlives its supervisor. The
/// supervisor belongs to the process that starts it: when that ends, for whatever reason, the supervisor ends its tasks
/// and then itself. Started outside a process, or with [`unlinked`](TaskSupervisorBuilder::unlinked), it belongs to the
/// runtime. Under a [`Supervisor`](crate::Supervisor) it is a child, see [`child_spec`](TaskSupervisor::child_spec), and the
/// handle stays good across its restarts; between two incarnations it refuses what is asked of it, with
/// [`Refusal::SupervisorRestarting`]: try again.
///
/// | to | call |
/// |---|---|
/// | use the value of a task, and own it | [`spawn`](TaskSupervisor::spawn), [`spawn_link`](TaskSupervisor::spawn_link) |
/// | use the value of a task, and let it run on if it is given up | [`spawn_nolink`](TaskSupervisor::spawn_nolink) |
/// | let something run, which is not started again | [`start_child`](TaskSupervisor::start_child) |
/// | the same, and wait while the supervisor is full | [`start_child_when_room`](TaskSupervisor::start_child_when_room) |
/// | let something run, and have it started again | [`start_child_with`](TaskSupervisor::start_child_with) |
///
/// Many threads may start tasks at the same time: a start is no message to the process of the supervisor.
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
    live: Arc<Live>,
}

impl TaskSupervisor {
    /// Starts one with default options: no limit on its children, 3 restarts within 5 s, and 5 s for its tasks to end.
    #[must_use = "without its handle nothing can be started under it"]
    #[track_caller]
    pub fn start() -> TaskSupervisor {
        TaskSupervisor::builder().start()
    }

    /// Options for one.
    #[track_caller]
    pub fn builder() -> TaskSupervisorBuilder {
        TaskSupervisorBuilder::new()
    }

    pub(super) fn new(live: Arc<Live>) -> TaskSupervisor {
        TaskSupervisor { live }
    }

    /// As [`Task::spawn`], under this supervisor.
    ///
    /// When it is full, stopping or gone, the task answers [`Exit::Refused`].
    ///
    /// # Elixir
    ///
    /// `Task.Supervisor.async/2` with failures as values; there a full supervisor raises.
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
        self.launch(Spawn::new(Location::caller()), Ownership::Owned, future)
    }

    /// As [`Task::spawn_link`], under this supervisor.
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
        self.launch(Spawn::new(Location::caller()).linked(), Ownership::Owned, future)
    }

    /// As [`spawn`](TaskSupervisor::spawn), but the handle does not own the task: when it is given up, by a drop, by the
    /// end of its holder, or by a limit that passes, the task runs on under the supervisor.
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
        self.launch(Spawn::new(Location::caller()), Ownership::Detached, future)
    }

    /// Starts a child that is not started again: [`Restart::Temporary`]. An `Err`, like a panic, is an abnormal exit.
    ///
    /// # Errors
    ///
    /// [`StartError::Refused`] when the supervisor is full, stopping or gone.
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
        let spawned_at = Location::caller();
        let place = self.place().inspect_err(|refusal| self.tell_refused(spawned_at, refusal));
        self.start_in(place?, spawned_at, future)
    }

    /// As [`start_child`](TaskSupervisor::start_child), but waits while `max_children` are running, in the order of the
    /// calls. There is no limit on the wait but the end of the supervisor.
    ///
    /// # Errors
    ///
    /// [`StartError::Refused`] when the supervisor is stopping, gone, or between two incarnations, or ends during the wait.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future before it is ready starts nothing, and gives up the turn.
    ///
    /// # Elixir
    ///
    /// None: a full supervisor is an error there.
    #[track_caller]
    pub fn start_child_when_room<F>(&self, future: F) -> impl Future<Output = Result<Pid, StartError>> + Send + use<F>
    where
        F: Future + Send + 'static,
        F::Output: Outcome,
    {
        let (tasks, spawned_at) = (self.clone(), Location::caller());
        async move {
            let place = match tasks.room().await {
                Ok(turn) => turn.place().map_err(|refusal| tasks.live.explain(refusal)),
                Err(refusal) => Err(refusal),
            };
            let place = place.inspect_err(|refusal| tasks.tell_refused(spawned_at, refusal));
            tasks.start_in(place?, spawned_at, future)
        }
    }

    /// Starts a child by its specification, which has a factory: so it may be transient or permanent.
    ///
    /// It has started when this returns. The future of an [`init`](ChildSpec::init) child is run as a whole, and an outer
    /// `Err` is its exit. Its id is its label; ids of a task supervisor's children need not differ.
    ///
    /// # Errors
    ///
    /// [`StartError::Refused`] as in [`start_child`](TaskSupervisor::start_child); [`StartError::Child`] if the factory
    /// panics; [`StartError::NotATask`] for a supervisor; [`StartError::SignificantNever`] for a significant child, since a
    /// task supervisor never shuts down by itself.
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
        let ChildSpec { id, kind, restart, shutdown, backoff, is_significant, spawned_at } = spec;
        let Kind::Worker(factory) = kind else { return Err(StartError::NotATask(id)) };
        if is_significant {
            return Err(if restart == Restart::Permanent {
                StartError::SignificantPermanent(id)
            } else {
                StartError::SignificantNever(id)
            });
        }
        let entered: Result<_, Refusal> = self.live.with_roster(|roster| {
            let roster = roster.ok_or(Refusal::SupervisorStopped)?;
            Ok((roster.clone(), roster.room.try_enter()?))
        });
        let entered = entered.map_err(|refusal| self.live.explain(refusal));
        let (roster, permit) = entered.inspect_err(|refusal| self.tell_refused(spawned_at, refusal))?;
        let made = match unwind::catch(|| factory.make(Ready::unheard())) {
            Ok(made) => made,
            Err(unwound) => return Err(StartError::Child { exit: unwound.into_start_failure(&id, spawned_at), id }),
        };
        let record = Record {
            id,
            factory,
            restart,
            shutdown,
            spawned_at,
            backoff,
            waits: None,
            lineage: caller_lineage(self.live.runtime()),
            incarnation: 1,
            started: Clock::new(self.live.runtime()).now(),
            pid: Pid::NO_PROCESS,
            state: State::Runs,
        };
        let start = Start::of(&record);
        let Some(index) = roster.kept.add(record) else {
            let refusal = self.live.explain(Refusal::SupervisorStopped);
            self.tell_refused(spawned_at, &refusal);
            return Err(StartError::Refused(refusal));
        };
        permit.hand_over();
        let supervisor = self.pid();
        start.begin(&self.live, &roster, supervisor, index, |_| made).map_err(|refusal| {
            roster.kept.forget(roster.kept.remove(index));
            self.tell_refused(spawned_at, &refusal);
            StartError::Refused(refusal)
        })
    }

    /// The children that run, without those that wait for a restart; in no order.
    ///
    /// # Elixir
    ///
    /// `Task.Supervisor.children/1`.
    #[must_use]
    pub fn children(&self) -> Vec<Pid> {
        let Some(roster) = self.live.roster() else { return Vec::new() };
        let mut children = roster.pids();
        children.extend(roster.kept.pids());
        children
    }

    /// Ends a child and waits until it has ended. It has the grace that its start gave it, and is not started again.
    ///
    /// One whose poll does not return is abandoned 100 ms after it was killed, and this answers `Ok` then. A child that
    /// waits for a restart is named by its last pid.
    ///
    /// # Errors
    ///
    /// [`NotFound`] if this is no child of this supervisor, any more.
    ///
    /// # Cancel safety
    ///
    /// Once polled, the child has been asked. Dropping the future gives up the kill after the grace.
    ///
    /// # Elixir
    ///
    /// `Task.Supervisor.terminate_child/2`.
    pub async fn terminate_child(&self, pid: Pid) -> Result<(), NotFound> {
        let roster = self.live.roster().ok_or(NotFound)?;
        let runtime = self.live.runtime();
        let own = self.pid();
        let known = runtime.with(pid, |entry| {
            let place = entry.child_slot.as_ref().filter(|place| place.parent().pid == own)?;
            // Those that are started again have an id.
            Some((place.parent().shutdown, place.parent().id.is_some().then_some(place.index())))
        });
        match known.flatten() {
            Some((shutdown, kept)) => {
                if let Some(index) = kept {
                    roster.kept.terminate(index, pid);
                }
                stop_one(runtime, pid, shutdown).await;
                Ok(())
            }
            None => {
                let waiting = roster.kept.take_waiting(pid).ok_or(NotFound)?;
                roster.kept.forget(waiting);
                Ok(())
            }
        }
    }

    /// Ends all tasks, all at once, each with its own grace, and then the supervisor, whose exit is [`Exit::Normal`]. Waits
    /// for that, and tells who had to be killed or abandoned. Of one that has ended: the report of that end.
    ///
    /// A supervisor that is a permanent child is started again by its parent.
    ///
    /// # Cancel safety
    ///
    /// Once polled, the stop takes place.
    ///
    /// # Elixir
    ///
    /// `Supervisor.stop/1`.
    pub async fn stop(&self) -> StopReport {
        self.live.life.stop().await
    }

    /// The process of the supervisor: of its present incarnation, or else of its last.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.live.life.current().pid
    }

    /// How many processes, the present one included, have been this supervisor.
    #[must_use]
    pub fn incarnation(&self) -> u32 {
        self.live.life.current().number
    }

    /// How the present incarnation ends, when it has; of one that has ended: how.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn ended(&self) -> Exit {
        self.live.life.ended().await
    }

    /// Hands it over to a [`Supervisor`](crate::Supervisor): when that starts, the incarnation that runs becomes its child,
    /// and no longer ends with the process that started it. If none runs, one is started.
    ///
    /// Use this where somebody keeps the handle to start tasks. A [`Supervisor`](crate::Supervisor) cannot be handed over,
    /// and has no such call: whoever wants one in a tree gives its builder to [`ChildSpec::supervisor`].
    ///
    /// The child is permanent, has all the time that its tasks take to end, and is called by its label, or
    /// `"TaskSupervisor"`. A second tree that takes it does not start.
    ///
    /// # Elixir
    ///
    /// `{Task.Supervisor, name: name}` as a child, which the supervisor starts; here it may run before.
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
        let id = self.live.options.label.clone().unwrap_or_else(|| "TaskSupervisor".into());
        let kind = Kind::Supervisor(Nested::HandedOver(HandedOver::new(self.clone())));
        ChildSpec::new(id, kind, Restart::Permanent, Shutdown::Infinity)
    }

    /// Whether `max_children` was set.
    pub(super) fn is_limited(&self) -> bool {
        self.live.options.max_children.is_some()
    }

    pub(super) fn launch<F>(&self, spawn: Spawn, ownership: Ownership, future: F) -> Task<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        match self.place() {
            Ok(place) => Task::spawn_on(self.live.runtime(), spawn.child_slot(place), ownership, future),
            Err(refusal) => Task::refused(spawn.spawned_at, Some(self.pid()), refusal),
        }
    }

    /// Starts a child whose output goes to the recipient.
    pub(super) fn start_detached<F, R>(
        &self,
        place: Result<ChildSlot, Refusal>,
        spawn: Spawn,
        future: F,
        recipient: R,
    ) -> Result<Pid, Refusal>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
        R: Recipient<F::Output> + Send + 'static,
        R::Output: Send + 'static,
    {
        let place = place.inspect_err(|refusal| self.tell_refused(spawn.spawned_at, refusal))?;
        spawn.child_slot(place).start_detached(self.live.runtime(), future, recipient)
    }

    fn start_in<F>(
        &self,
        place: ChildSlot,
        spawned_at: &'static Location<'static>,
        future: F,
    ) -> Result<Pid, StartError>
    where
        F: Future + Send + 'static,
        F::Output: Outcome,
    {
        let started = Spawn::new(spawned_at).child_slot(place).start(self.live.runtime(), future, Outcome::into_result);
        started.map(|started| started.pid).map_err(|refusal| {
            self.tell_refused(spawned_at, &refusal);
            StartError::Refused(refusal)
        })
    }

    /// A place for a child that is not started again, if there is room.
    pub(super) fn place(&self) -> Result<ChildSlot, Refusal> {
        let place = self.live.with_roster(|roster| {
            let roster = roster.ok_or(Refusal::SupervisorStopped)?;
            let permit = roster.room.try_enter()?;
            let place = roster.place()?;
            permit.hand_over();
            Ok(place)
        });
        place.map_err(|refusal| self.live.explain(refusal))
    }

    /// Waits for room.
    pub(super) async fn room(&self) -> Result<Turn, Refusal> {
        let roster = self.live.roster().ok_or(Refusal::SupervisorStopped)?;
        let permit = roster.room.clone().enter().await.map_err(|refusal| self.live.explain(refusal))?;
        Ok(Turn { roster, permit })
    }

    fn tell_refused(&self, spawned_at: &'static Location<'static>, refusal: &Refusal) {
        telemetry::refused(spawned_at, Some(self.pid()), refusal);
    }

    /// Becomes the child of the calling process, a supervisor.
    pub(in crate::supervisor) fn become_child(&self, child_of: ChildOf) -> Result<Launched, StartError> {
        let ChildOf { runtime, id, place, outlook } = child_of;
        let new_parent = place.parent().pid;
        {
            let mut parent = lock(&self.live.parent);
            let has_other = parent
                .as_ref()
                .is_some_and(|known| known.parent != new_parent && runtime.with(known.parent, |_| ()).is_some());
            if has_other || !self.live.runtime().is_same(&runtime) {
                return Err(StartError::AlreadySupervised(id));
            }
            *parent = Some(ChildOfTree { parent: new_parent, key: place.index(), outlook });
        }
        let incarnation = self.live.life.current();
        if !self.live.life.is_over() {
            let (index, children) = (place.index(), place.parent().children.clone());
            detach_from_owner(&runtime, incarnation.pid);
            let mut place = Some(place);
            runtime.with(incarnation.pid, |entry| entry.child_slot = place.take());
            match place {
                None => {
                    let _ = children.registered(index, incarnation.pid);
                    return Ok(Launched { pid: incarnation.pid, is_ready: None, report: incarnation.report });
                }
                // It has ended meanwhile.
                Some(place) => return self.next_incarnation(place),
            }
        }
        self.next_incarnation(place)
    }

    /// This supervisor no longer has it as a child.
    pub(in crate::supervisor) fn is_given_up_by(&self, parent: Pid) {
        lock(&self.live.parent).take_if(|present| present.parent == parent);
    }

    fn next_incarnation(&self, place: ChildSlot) -> Result<Launched, StartError> {
        let (pid, report) = self.live.start(Some(place)).map_err(StartError::Refused)?;
        Ok(Launched { pid, is_ready: None, report })
    }
}

/// Room for one child of one incarnation.
pub(super) struct Turn {
    roster: Arc<Roster>,
    permit: Permit,
}

impl Turn {
    pub(super) fn place(self) -> Result<ChildSlot, Refusal> {
        let place = self.roster.place()?;
        self.permit.hand_over();
        Ok(place)
    }
}

impl fmt::Debug for TaskSupervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskSupervisor")
            .field("label", &self.live.options.label)
            .field("pid", &self.pid())
            .field("incarnation", &self.incarnation())
            .finish_non_exhaustive()
    }
}

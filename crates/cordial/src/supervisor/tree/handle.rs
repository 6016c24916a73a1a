//! `Supervisor`: the handle.

use std::fmt;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::builder::SupervisorBuilder;
use super::call::TreeCall;
use super::info::ChildInfo;
use super::shared::TreeShared;
use crate::error::{DeleteError, NotFound, StartError};
use crate::exit::{Exit, Refusal};
use crate::pid::Pid;
use crate::process::{RuntimeHandle, Scope, StopReport, current, current_scope};
use crate::supervisor::child_counts::ChildCounts;
use crate::supervisor::spec::ChildSpec;
use crate::supervisor::strategy::Strategy;

/// A supervisor: it starts its children in order, restarts them by a strategy, and stops them in reverse order.
///
/// This is a handle. Clones are handles of the same supervisor. Dropping a handle does not stop the
/// supervisor.
///
/// When a child exits, the supervisor restarts it according to the first table below, once the last process of the
/// child is gone. If the children need more restarts than [`max_restarts`](SupervisorBuilder::max_restarts) allows, or a child fails
/// as often in a row as its [`give_up_after`](crate::Backoff::give_up_after) says, the supervisor gives up: it emits an event, stops
/// its children and exits with [`Exit::Shutdown`]. The text of that exit names the child and its last exit. The process that the
/// supervisor belongs to ends with the same exit, unless it traps exits. If that process is the root of a program, the program exits
/// with status 1, see [`main`](crate::main).
///
/// [`SupervisorBuilder::start`] says which process a supervisor belongs to. For many children that do not depend on
/// each other, use a [`TaskSupervisor`](crate::TaskSupervisor). To make a supervisor the child of another, do not start
/// it, but pass its builder to [`ChildSpec::supervisor`]. Only a task supervisor can be handed over while it runs, with
/// [`child_spec`](crate::TaskSupervisor::child_spec).
///
/// | exit of a child | `Permanent` | `Transient` | `Temporary` |
/// |---|---|---|---|
/// | `Normal`, `Shutdown` | restarted | kept, without a process | removed |
/// | any other | restarted | restarted | removed |
///
/// | strategy | stops, in reverse start order | starts, in start order |
/// |---|---|---|
/// | `OneForOne` | | that child |
/// | `OneForAll` | all other running children | all children, including those that had exited or were terminated |
/// | `RestForOne` | the running children after it | that child and all children after it, including those that had exited or were terminated |
///
/// A temporary child that a restart stops is removed. A child that a call starts while an earlier child waits for its restart is
/// restarted after that child, unless the strategy is `OneForOne`. A restart that fails is tried again at once, and each attempt counts
/// as a restart. With a [`backoff`](ChildSpec::backoff), it is tried again after a delay, and is not counted.
///
/// A supervisor traps exits. A [`Shutdown`](Exit::Shutdown) signal stops it. After a kill it kills its children and
/// exits. Any other signal has an effect only if its sender is the process that the supervisor belongs to.
///
/// # Elixir
///
/// `Supervisor`. Differences:
///
/// - A restart can be delayed ([`ChildSpec::backoff`]) and waits for a process that is stuck in a poll.
/// - In OTP, `which_children` and `count_children` wait until the start or stop of a child is done. Here they wait for at most 10 ms, for a
///   restart that is made at once, and show which children are `Starting` or `Restarting`.
/// - Exits that have arrived are handled before the restarts for which they call, and calls after that. In OTP a child may be started
///   only to be stopped for the next exit.
/// - A restart that fails is counted at once. In OTP the calls that have arrived come first.
/// - `terminate_child`, or a stop of the supervisor, ends an `init` that hangs; in OTP they wait for that `init`. An `init` may
///   terminate and delete other children of its supervisor. It cannot start a child: the call
///   returns an error, where OTP deadlocks.
/// - If one child holds up a restart of several children and is terminated, the children after it
///   are started. In OTP they stay down until they are restarted by hand.
///
/// # Examples
///
/// ```
/// use cordial::{ChildSpec, Restart, Strategy, Supervisor};
///
/// cordial::testing::run(async {
///     let tree = Supervisor::builder(Strategy::RestForOne)
///         .child(ChildSpec::init("cache", || async { Ok::<_, std::io::Error>(std::future::pending::<()>()) }))
///         .child(ChildSpec::task("reader", std::future::pending::<()>).restart(Restart::Permanent))
///         .start()
///         .await
///         .unwrap();
///     cordial::process::exit(tree.which_children().await[0].pid.unwrap(), cordial::Exit::Killed);
///     tokio::time::sleep(std::time::Duration::from_secs(1)).await;
///     assert!(tree.which_children().await.iter().all(|child| child.incarnation == 2));
///     assert!(tree.stop().await.is_clean());
/// });
/// ```
#[derive(Clone)]
pub struct Supervisor {
    shared: Arc<TreeShared>,
}

impl Supervisor {
    /// Returns the options of a new supervisor.
    #[track_caller]
    pub fn builder(strategy: Strategy) -> SupervisorBuilder {
        SupervisorBuilder::new(strategy)
    }

    pub(super) fn new(shared: Arc<TreeShared>) -> Supervisor {
        Supervisor { shared }
    }

    /// Returns the children in start order. There are none after the supervisor has exited.
    ///
    /// A child whose exit the caller has seen is shown as restarted, restarting or stopped, or is
    /// left out. The call waits for restarts that are made at once, but not for longer than 10 ms,
    /// even while the supervisor is busy.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    ///
    /// # Elixir
    ///
    /// `Supervisor.which_children/1`.
    pub async fn which_children(&self) -> Vec<ChildInfo> {
        if self.runtime().is_forked() {
            return Vec::new();
        }
        self.shared.children.settled().await;
        self.shared.children.all(self.shared.incarnations.runtime())
    }

    /// Returns how many children there are. Waits as [`which_children`](Supervisor::which_children) does.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    ///
    /// # Elixir
    ///
    /// `Supervisor.count_children/1`.
    pub async fn count_children(&self) -> ChildCounts {
        if self.runtime().is_forked() {
            return ChildCounts::default();
        }
        self.shared.children.settled().await;
        self.shared.children.counts()
    }

    /// Adds a child after all others, starts it, and waits until it has started.
    ///
    /// # Errors
    ///
    /// - [`StartError::AlreadyStarted`], [`StartError::AlreadyPresent`] or [`StartError::Restarting`]: the supervisor has a child with
    ///   this id.
    /// - [`StartError::Child`]: the child failed to start, or was terminated before it had started. [`StartError::TimedOut`]: the start
    ///   took too long. The child is removed.
    /// - [`StartError::AlreadySupervised`]: the child, a task supervisor or a server, has another parent or belongs to another runtime.
    /// - [`StartError::SignificantPermanent`]: the child is significant and permanent. [`StartError::SignificantNever`]: it is significant,
    ///   and the supervisor never shuts down automatically.
    /// - [`StartError::Ignored`]: the [`init`](ChildSpec::init) of the child returned [`Ignore`](crate::Ignore). The child stays, without a
    ///   process, unless it is temporary.
    /// - [`StartError::FromInit`]: this supervisor is starting the caller, or a process above it.
    /// - [`StartError::Refused`]: the supervisor is stopping or has ended, or the runtime refuses the process.
    /// - For a new supervisor, the errors that [`SupervisorBuilder::start`] returns before it starts a process.
    ///
    /// The call of another process, such as a task that an `init` has spawned, is not refused, but waits until the `init` is
    /// ready. If the `init` awaits that task, neither continues before the [`start_timeout`](ChildSpec::start_timeout) of the
    /// `init` is over.
    ///
    /// # Cancel safety
    ///
    /// After the first poll the call has been sent, and the child is started, even if the future is dropped.
    ///
    /// # Elixir
    ///
    /// `Supervisor.start_child/2`.
    pub async fn start_child(&self, spec: ChildSpec) -> Result<Pid, StartError> {
        let refused = Err(StartError::Refused(Refusal::SupervisorStopped));
        self.runtime().refuse_forked()?;
        let spec = ChildSpec { scope: current_scope().and_then(Scope::without_deadline), ..spec };
        self.call(|reply| TreeCall::Start(Box::new(spec), current(), reply)).await.unwrap_or(refused)
    }

    /// Stops a child as its [`shutdown`](ChildSpec::shutdown) says, and waits until its process has exited. The child
    /// is started again only by [`restart_child`](Supervisor::restart_child), or together with another child by the
    /// strategy. A temporary child is removed. A child that is being started is stopped as well: a `start_child` or
    /// `restart_child` that waits for it returns [`StartError::Child`]. If a restart of several
    /// children waits for this child, it continues with the next child.
    ///
    /// If the poll of the killed process does not return for 100 ms, the process is abandoned, and this returns `Ok`.
    ///
    /// # Errors
    ///
    /// [`NotFound`] if the supervisor has no such child, is stopping or has ended.
    ///
    /// # Cancel safety
    ///
    /// After the first poll the child is stopped, even if the future is dropped.
    ///
    /// # Elixir
    ///
    /// `Supervisor.terminate_child/2`.
    pub async fn terminate_child(&self, id: impl Into<Arc<str>>) -> Result<(), NotFound> {
        let id = id.into();
        self.call(|reply| TreeCall::Terminate(id, None, reply)).await.unwrap_or(Err(NotFound))
    }

    /// Starts a child that has no process, and waits until it has started.
    ///
    /// # Errors
    ///
    /// - [`StartError::NotFound`], [`StartError::AlreadyStarted`] or [`StartError::Restarting`].
    /// - [`StartError::StillThere`]: the last process of the child, or one that it owned, is stuck in a poll.
    /// - [`StartError::Child`], [`StartError::TimedOut`], [`StartError::AlreadySupervised`], [`StartError::Ignored`] and the errors of a new
    ///   supervisor, as for [`start_child`](Supervisor::start_child). The child stays, without a process.
    /// - [`StartError::FromInit`] and [`StartError::Refused`], as for [`start_child`](Supervisor::start_child).
    ///
    /// # Cancel safety
    ///
    /// After the first poll the child is started, even if the future is dropped.
    ///
    /// # Elixir
    ///
    /// `Supervisor.restart_child/2`.
    pub async fn restart_child(&self, id: impl Into<Arc<str>>) -> Result<Pid, StartError> {
        let id = id.into();
        let refused = Err(StartError::Refused(Refusal::SupervisorStopped));
        self.runtime().refuse_forked()?;
        self.call(|reply| TreeCall::Restart(id, current(), reply)).await.unwrap_or(refused)
    }

    /// Removes a child that has no process, or only an abandoned one.
    ///
    /// # Errors
    ///
    /// [`DeleteError`] if there is no such child, if it is running or will be restarted, or if the supervisor is
    /// stopping or has ended.
    ///
    /// # Cancel safety
    ///
    /// After the first poll the child is removed, even if the future is dropped.
    ///
    /// # Elixir
    ///
    /// `Supervisor.delete_child/2`.
    pub async fn delete_child(&self, id: impl Into<Arc<str>>) -> Result<(), DeleteError> {
        let id = id.into();
        self.call(|reply| TreeCall::Delete(id, reply)).await.unwrap_or(Err(NotFound.into()))
    }

    /// Stops the children one after another in reverse start order, and then the supervisor, whose exit is
    /// [`Exit::Normal`] if it had no other reason to stop. Waits for the exit of the supervisor, and returns the processes that had to
    /// be killed or abandoned, and those that were abandoned before and are still stuck. If the supervisor has already exited, returns
    /// the report of its earlier stop.
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

    /// Returns the pid of the supervisor.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.shared.incarnations.pid()
    }

    /// Waits until the supervisor has exited, and returns its exit.
    ///
    /// If the supervisor gives up or [shuts down automatically](crate::AutoShutdown), the process that started it exits
    /// as well, and can await this only if it [traps exits](crate::process::trap_exits) or if the supervisor is
    /// unlinked.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn ended(&self) -> Exit {
        self.shared.incarnations.ended().await
    }

    fn runtime(&self) -> &RuntimeHandle {
        self.shared.incarnations.runtime()
    }

    /// As [`TreeShared::call`].
    async fn call<T>(&self, call: impl FnOnce(oneshot::Sender<T>) -> TreeCall) -> Option<T> {
        self.shared.call(call).await
    }
}

impl fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supervisor")
            .field("strategy", &self.shared.strategy)
            .field("pid", &self.pid())
            .finish_non_exhaustive()
    }
}

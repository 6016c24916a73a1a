//! `Supervisor`: the handle.

use std::fmt;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::builder::SupervisorBuilder;
use super::call::Call;
use super::live::Live;
use super::view::{ChildInfo, Counts};
use crate::error::{DeleteError, NotFound, StartError};
use crate::exit::{Exit, Refusal};
use crate::pid::Pid;
use crate::process::StopReport;
use crate::supervisor::order::Strategy;
use crate::supervisor::spec::ChildSpec;

/// A supervisor of children that are started in order, restarted by a strategy, and stopped in reverse order. This is a
/// handle on it, and clones are handles on the same one; dropping them stops nothing.
///
/// A child that ends and has to run is started again, once its last process is fully gone. With too many restarts within a
/// time, the supervisor gives up: it stops its children and ends with [`Exit::Shutdown`], whose text names the child and its
/// last exit, and whoever it belongs to sees to the rest: a process ends with the same exit unless it traps exits, and a
/// program ends so with the status 1, see [`main`](crate::main). It never goes on without what it has to run, and never
/// gives up in silence.
///
/// Whom it belongs to is told at [`start`](SupervisorBuilder::start). For many children that do not depend on each other there is
/// [`TaskSupervisor`](crate::TaskSupervisor). To make one the child of another, do not start it: give its builder to
/// [`ChildSpec::supervisor`]. Only a task supervisor that runs can be handed over, with
/// [`child_spec`](crate::TaskSupervisor::child_spec).
///
/// | child has ended | `Permanent` | `Transient` | `Temporary` |
/// |---|---|---|---|
/// | `Normal`, `Shutdown` | restart | stays, without a process | forgotten |
/// | otherwise | restart | restart | forgotten |
///
/// | restart under | stopped, in reverse order | started, in order |
/// |---|---|---|
/// | `OneForOne` | | that child |
/// | `OneForAll` | all others that run | all, also those that had ended or were terminated |
/// | `RestForOne` | those after it that run | it and those after it, as above |
///
/// A supervisor traps exits. A [`Shutdown`](Exit::Shutdown) that is sent to it stops it, and a kill makes it kill its
/// children and end; other signals concern it only if they come from the process that it belongs to.
///
/// A temporary child that is stopped for the sake of another is forgotten as well. A restart that fails is tried again at
/// once, or after the child's backoff, and counts like the first.
///
/// # Elixir
///
/// `Supervisor`. Here a restart may wait ([`ChildSpec::backoff`]) and waits for a process that is stuck in a poll; and a child
/// that is slow to start or stop holds up nobody who only looks.
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
    live: Arc<Live>,
}

impl Supervisor {
    /// Options for one, with a strategy.
    #[track_caller]
    pub fn builder(strategy: Strategy) -> SupervisorBuilder {
        SupervisorBuilder::new(strategy)
    }

    pub(super) fn new(live: Arc<Live>) -> Supervisor {
        Supervisor { live }
    }

    /// The children in start order, also while the supervisor is busy. None when it has ended.
    ///
    /// # Cancel safety
    ///
    /// It does not wait.
    ///
    /// # Elixir
    ///
    /// `Supervisor.which_children/1`.
    pub async fn which_children(&self) -> Vec<ChildInfo> {
        self.live.view.children()
    }

    /// How many children there are, also while the supervisor is busy.
    ///
    /// # Cancel safety
    ///
    /// It does not wait.
    ///
    /// # Elixir
    ///
    /// `Supervisor.count_children/1`.
    pub async fn count_children(&self) -> Counts {
        self.live.view.counts()
    }

    /// Adds a child after all others and starts it.
    ///
    /// # Errors
    ///
    /// [`StartError::AlreadyStarted`], [`StartError::AlreadyPresent`] or [`StartError::Restarting`] if there is a child
    /// of that id; [`StartError::Child`] if it fails to start, and is forgotten;
    /// [`StartError::SignificantPermanent`] and [`StartError::SignificantNever`];
    /// [`StartError::Refused`] when the supervisor is stopping or gone.
    ///
    /// # Cancel safety
    ///
    /// Once polled, the child is started, whether or not anybody waits for it.
    ///
    /// # Elixir
    ///
    /// `Supervisor.start_child/2`.
    pub async fn start_child(&self, spec: ChildSpec) -> Result<Pid, StartError> {
        let gone = Err(StartError::Refused(Refusal::SupervisorStopped));
        self.ask(|answer| Call::Start(Box::new(spec), answer)).await.unwrap_or(gone)
    }

    /// Ends a child, by its shutdown, and waits for that. It is not started again but by
    /// [`restart_child`](Supervisor::restart_child), or for the sake of another; a temporary one is forgotten.
    ///
    /// One whose poll does not return is abandoned 100 ms after it was killed, and this answers `Ok` then.
    ///
    /// # Errors
    ///
    /// [`NotFound`] if there is no such child, or no supervisor any more.
    ///
    /// # Cancel safety
    ///
    /// Once polled, the child is ended.
    ///
    /// # Elixir
    ///
    /// `Supervisor.terminate_child/2`.
    pub async fn terminate_child(&self, id: impl Into<Arc<str>>) -> Result<(), NotFound> {
        let id = id.into();
        self.ask(|answer| Call::Terminate(id, answer)).await.unwrap_or(Err(NotFound))
    }

    /// Starts a child that has no process.
    ///
    /// # Errors
    ///
    /// [`StartError::NotFound`], [`StartError::AlreadyStarted`], [`StartError::Restarting`];
    /// [`StartError::StillThere`] if its last process is stuck in a poll; [`StartError::Child`] if it fails to start, and stays
    /// without a process; [`StartError::Refused`] when the supervisor is stopping or gone.
    ///
    /// # Cancel safety
    ///
    /// Once polled, the child is started.
    ///
    /// # Elixir
    ///
    /// `Supervisor.restart_child/2`.
    pub async fn restart_child(&self, id: impl Into<Arc<str>>) -> Result<Pid, StartError> {
        let id = id.into();
        let gone = Err(StartError::Refused(Refusal::SupervisorStopped));
        self.ask(|answer| Call::Restart(id, answer)).await.unwrap_or(gone)
    }

    /// Forgets a child that has no process.
    ///
    /// # Errors
    ///
    /// [`DeleteError`]: there is no such child, or it runs, or it is about to.
    ///
    /// # Cancel safety
    ///
    /// Once polled, the child is forgotten.
    ///
    /// # Elixir
    ///
    /// `Supervisor.delete_child/2`.
    pub async fn delete_child(&self, id: impl Into<Arc<str>>) -> Result<(), DeleteError> {
        let id = id.into();
        self.ask(|answer| Call::Delete(id, answer)).await.unwrap_or(Err(DeleteError::NotFound))
    }

    /// Stops the children in reverse order, one after the other, and then the supervisor, whose exit is
    /// [`Exit::Normal`]. Waits for that, and tells who had to be killed or abandoned. Of one that has ended: the report of that
    /// end.
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

    /// The process of the supervisor.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.live.life.current().pid
    }

    /// How the supervisor ends, when it has.
    ///
    /// The process that started it learns of a give-up or an [automatic shutdown](crate::AutoShutdown) here only if it
    /// [traps exits](crate::process::trap_exits), or if the supervisor is unlinked: else that ends the process first.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn ended(&self) -> Exit {
        self.live.life.ended().await
    }

    /// `None` if the supervisor ends without an answer.
    async fn ask<T>(&self, call: impl FnOnce(oneshot::Sender<T>) -> Call) -> Option<T> {
        let (sender, answer) = oneshot::channel();
        self.live.calls.send(call(sender)).ok()?;
        answer.await.ok()
    }
}

impl fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supervisor")
            .field("strategy", &self.live.strategy)
            .field("pid", &self.pid())
            .finish_non_exhaustive()
    }
}

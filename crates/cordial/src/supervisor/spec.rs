//! What a supervisor knows of a child before it runs.

use std::error::Error;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use super::factory::Factory;
use super::nested::Nested;
use super::startable::Startable;
use crate::backoff::Backoff;
use crate::process::{Outcome, Shutdown};

/// Whether a child that has ended by itself is started again.
///
/// # Elixir
///
/// The `restart` value of a child specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// Always.
    Permanent,
    /// After an abnormal exit: any but [`Exit::Normal`](crate::Exit::Normal) and
    /// [`Exit::Shutdown`](crate::Exit::Shutdown).
    Transient,
    /// Never; when it has ended, it is forgotten.
    Temporary,
}

/// A child of a supervisor: how it is started, and what becomes of it when it ends.
///
/// | made by | starts | `restart` | `shutdown` |
/// |---|---|---|---|
/// | [`task`](ChildSpec::task) | the future that the factory gives; it has started when the factory has returned | `Temporary` | 5 s |
/// | [`init`](ChildSpec::init) | the inner future, once the outer one has given it; it has started then | `Permanent` | 5 s |
/// | [`supervisor`](ChildSpec::supervisor) | a supervisor, once all its children have started | `Permanent` | without limit |
/// | [`TaskSupervisor::child_spec`](crate::TaskSupervisor::child_spec) | a task supervisor that runs already | `Permanent` | without limit |
///
/// The factory is called for each incarnation, in the process of the child; that of a supervisor in the process of its
/// parent. When it panics, or an outer future gives `Err`, the child has failed to start.
///
/// # Elixir
///
/// `Supervisor.child_spec/2`. There every child is permanent unless it says otherwise, and a `Task` says temporary.
///
/// # Examples
///
/// ```
/// use cordial::{Backoff, ChildSpec, Restart, Strategy, Supervisor};
/// use std::time::Duration;
///
/// cordial::testing::run(async {
///     let poller = ChildSpec::task("poller", || async { Err::<(), _>("gone") })
///         .restart(Restart::Transient)
///         .shutdown(Duration::from_secs(30))
///         .backoff(Backoff::exponential(Duration::from_secs(10), Duration::from_secs(60)));
///     let tree = Supervisor::builder(Strategy::OneForOne).child(poller).start().await.unwrap();
///     assert_eq!(tree.which_children().await.len(), 1);
///     tree.stop().await;
/// });
/// ```
#[must_use = "a child is started by a supervisor"]
pub struct ChildSpec {
    pub(super) id: Arc<str>,
    pub(super) kind: Kind,
    pub(super) restart: Restart,
    pub(super) shutdown: Shutdown,
    pub(super) backoff: Option<Backoff>,
    pub(super) is_significant: bool,
    pub(super) spawned_at: &'static Location<'static>,
}

/// What is started.
pub(super) enum Kind {
    Worker(Factory),
    Supervisor(Nested),
}

impl ChildSpec {
    /// A child that runs the future which the factory gives. Its restart is [`Restart::Temporary`], its shutdown 5 s.
    ///
    /// # Elixir
    ///
    /// `{Task, fun}` as a child.
    #[track_caller]
    pub fn task<F, Fut>(id: impl Into<Arc<str>>, factory: F) -> ChildSpec
    where
        F: FnMut() -> Fut + Send + 'static,
        Fut: Future + Send + 'static,
        Fut::Output: Outcome,
    {
        ChildSpec::new(id.into(), Kind::Worker(Factory::of_task(factory)), Restart::Temporary, Shutdown::default())
    }

    /// A child that first gets ready and then serves: the outer future does the first and gives the inner one. The next
    /// sibling starts only after that. Its restart is [`Restart::Permanent`], its shutdown 5 s.
    ///
    /// What it has got ready for its siblings goes through something that the factories share, such as a `Mutex` or a `watch`
    /// channel. Where there is nothing to serve then, the inner future is `std::future::pending::<()>()`: one that ends would
    /// be started again.
    ///
    /// # Elixir
    ///
    /// A `GenServer`, whose `init/1` is the outer future.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use cordial::ChildSpec;
    /// use tokio::net::TcpListener;
    ///
    /// let listener = ChildSpec::init("listener", || async {
    ///     let listener = TcpListener::bind("127.0.0.1:0").await?;
    ///     Ok::<_, std::io::Error>(async move { listener.accept().await.map(drop) })
    /// });
    /// # drop(listener);
    /// ```
    #[track_caller]
    pub fn init<F, Outer, Inner, E>(id: impl Into<Arc<str>>, factory: F) -> ChildSpec
    where
        F: FnMut() -> Outer + Send + 'static,
        Outer: Future<Output = Result<Inner, E>> + Send + 'static,
        Inner: Future + Send + 'static,
        Inner::Output: Outcome,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        ChildSpec::new(id.into(), Kind::Worker(Factory::of_init(factory)), Restart::Permanent, Shutdown::default())
    }

    /// A child that is a supervisor itself: what [`Supervisor::builder`](crate::Supervisor::builder) or
    /// [`TaskSupervisor::builder`](crate::TaskSupervisor::builder) gives. Its restart is [`Restart::Permanent`], and it
    /// has all the time that its children take to end.
    ///
    /// Each incarnation is built and started anew, so there is no handle on it from outside; what it does is seen in a
    /// [`Snapshot`](crate::Snapshot). For a task supervisor whose handle others use, there is
    /// [`TaskSupervisor::child_spec`](crate::TaskSupervisor::child_spec).
    ///
    /// # Examples
    ///
    /// ```
    /// use cordial::{ChildSpec, Strategy, Supervisor};
    ///
    /// cordial::testing::run(async {
    ///     let workers = || Supervisor::builder(Strategy::OneForAll).child(ChildSpec::task("worker", || async {}));
    ///     let tree = Supervisor::builder(Strategy::OneForOne).child(ChildSpec::supervisor("workers", workers));
    ///     tree.start().await.unwrap().stop().await;
    /// });
    /// ```
    #[track_caller]
    pub fn supervisor<F, S>(id: impl Into<Arc<str>>, builder: F) -> ChildSpec
    where
        F: FnMut() -> S + Send + 'static,
        S: Startable,
    {
        ChildSpec::new(id.into(), Kind::Supervisor(Nested::built(builder)), Restart::Permanent, Shutdown::Infinity)
    }

    #[track_caller]
    pub(super) fn new(id: Arc<str>, kind: Kind, restart: Restart, shutdown: Shutdown) -> ChildSpec {
        let spawned_at = Location::caller();
        ChildSpec { id, kind, restart, shutdown, backoff: None, is_significant: false, spawned_at }
    }

    /// Sets whether it is started again when it has ended by itself.
    pub fn restart(self, restart: Restart) -> ChildSpec {
        ChildSpec { restart, ..self }
    }

    /// Sets how its supervisor ends it. A process gets the time only if it has asked to be told, with
    /// [`shutdown_requested`](crate::shutdown_requested) or by trapping exits; others end at once.
    pub fn shutdown(self, shutdown: impl Into<Shutdown>) -> ChildSpec {
        ChildSpec { shutdown: shutdown.into(), ..self }
    }

    /// Sets how long a restart waits. Default: it does not.
    ///
    /// The waits grow as long as the child keeps failing. They begin anew once it has run for longer than the window of its
    /// supervisor's restart intensity. A wait holds up nothing else. Where `max_restarts` waits are longer than that window,
    /// the supervisor never gives up on this child.
    pub fn backoff(self, backoff: Backoff) -> ChildSpec {
        ChildSpec { backoff: Some(backoff), ..self }
    }

    /// Makes its end that of its supervisor, as that one's [`AutoShutdown`](crate::AutoShutdown) says: when it is
    /// transient and ends without a crash, or is temporary and ends at all.
    pub fn significant(self) -> ChildSpec {
        ChildSpec { is_significant: true, ..self }
    }
}

impl fmt::Debug for ChildSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChildSpec")
            .field("id", &self.id)
            .field("restart", &self.restart)
            .field("shutdown", &self.shutdown)
            .field("backoff", &self.backoff)
            .field("is_significant", &self.is_significant)
            .field("spawned_at", &self.spawned_at)
            .finish_non_exhaustive()
    }
}

//! Child specifications: how a child starts, stops and restarts.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use super::factory::Factory;
use super::nested::NestedSupervisor;
use super::restart::Restart;
use super::server_child::ServerChild;
use super::startable::Startable;
use crate::backoff::Backoff;
use crate::exit::IntoExit;
use crate::process::{Outcome, Scope, Shutdown};
use crate::timeout::Timeout;

/// The default of [`ChildSpec::start_timeout`].
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// The specification of a child: how its supervisor starts, stops and restarts the child.
///
/// | constructor | runs | has started when | `restart` | `shutdown` |
/// |---|---|---|---|---|
/// | [`task`](ChildSpec::task) | the future that the factory returns | the factory has returned | `Temporary` | 5 s |
/// | [`init`](ChildSpec::init) | the outer future, then the inner one | the outer future is ready | `Permanent` | 5 s |
/// | [`server`](ChildSpec::server) | a [server](crate::server) | its [`started`](crate::server::Server::started) has returned | `Permanent` | 5 s |
/// | [`supervisor`](ChildSpec::supervisor) | a new supervisor | all its children have started; a task supervisor, at once | `Permanent` | no limit |
/// | [`TaskSupervisor::child_spec`](crate::TaskSupervisor::child_spec) | a task supervisor that has handles, and may run already | at once | `Permanent` | no limit |
///
/// The factory is called once for each incarnation, in the process of the child; the builder of a
/// supervisor is called in the process of its parent. If the process ends before the child has started, for example because the
/// factory panics or the outer future returns `Err`, the child has failed to start. With the error [`Ignore`](crate::Ignore), the
/// outer future says that the child is not needed. The factory of a temporary child is called once
/// and then dropped.
///
/// # Elixir
///
/// `Supervisor.child_spec/2`. There a child is permanent by default, and a `Task` temporary.
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
#[must_use = "a specification does nothing before a supervisor starts it"]
pub struct ChildSpec {
    pub(super) id: Arc<str>,
    pub(super) start: ChildStart,
    pub(super) restart: Restart,
    pub(super) shutdown: Shutdown,
    pub(super) start_timeout: Timeout,
    pub(super) backoff: Option<Backoff>,
    pub(super) is_significant: bool,
    pub(super) spawned_at: &'static Location<'static>,
    /// The scope from which `Supervisor::start_child` was called. `None`: the scope of the supervisor.
    pub(super) scope: Option<Scope>,
    /// Set if the child is a server.
    pub(super) server: Option<Arc<dyn ServerChild>>,
}

/// How the incarnations of a child start.
pub(super) enum ChildStart {
    Worker(Factory),
    Supervisor(NestedSupervisor),
}

impl ChildSpec {
    /// Specifies a child that runs the future that `factory` returns. Its restart is [`Restart::Temporary`], its
    /// shutdown 5 s.
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
        ChildSpec::new(
            id.into(),
            ChildStart::Worker(Factory::of_task(factory)),
            Restart::Temporary,
            Shutdown::default(),
        )
    }

    /// Specifies a child that initializes before it serves: the outer future initializes and returns the inner future,
    /// which serves. The next sibling starts after the outer future is ready. Its restart is [`Restart::Permanent`],
    /// its shutdown 5 s.
    ///
    /// To pass something that was initialized to the siblings, let their factories share a `Mutex`
    /// or a `watch` channel. If the child has nothing to serve, return
    /// `std::future::pending::<()>()`: a permanent child whose inner future ends is started again.
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
        E: IntoExit,
    {
        ChildSpec::new(
            id.into(),
            ChildStart::Worker(Factory::of_init(factory)),
            Restart::Permanent,
            Shutdown::default(),
        )
    }

    /// Specifies a child that is itself a supervisor. `builder` returns a
    /// [`Supervisor::builder`](crate::Supervisor::builder) or a
    /// [`TaskSupervisor::builder`](crate::TaskSupervisor::builder). Its restart is [`Restart::Permanent`], and its
    /// shutdown has no limit, because its children have limits of their own.
    ///
    /// A new supervisor is built for each incarnation, so there is no handle to it; a [`Snapshot`](crate::Snapshot)
    /// shows it. For a task supervisor that other code starts tasks under, use
    /// [`TaskSupervisor::child_spec`](crate::TaskSupervisor::child_spec), and for a server that other code calls,
    /// [`ServerRef::child_spec`](crate::server::ServerRef::child_spec): the handle stays the same. While the supervisor is built anew,
    /// tasks are refused, and calls wait in the mailbox of the server.
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
        ChildSpec::new(
            id.into(),
            ChildStart::Supervisor(NestedSupervisor::built(builder)),
            Restart::Permanent,
            Shutdown::Infinity,
        )
    }

    #[track_caller]
    pub(super) fn new(id: Arc<str>, start: ChildStart, restart: Restart, shutdown: Shutdown) -> ChildSpec {
        let spawned_at = Location::caller();
        let start_timeout = match start {
            ChildStart::Worker(_) => Timeout::After(START_TIMEOUT),
            ChildStart::Supervisor(_) => Timeout::Infinity,
        };
        ChildSpec {
            id,
            start,
            restart,
            shutdown,
            start_timeout,
            backoff: None,
            is_significant: false,
            spawned_at,
            scope: None,
            server: None,
        }
    }

    /// Records that the child is this server.
    pub(crate) fn of_server(self, server: Arc<dyn ServerChild>) -> ChildSpec {
        ChildSpec { server: Some(server), ..self }
    }

    /// Sets the location in the user's source code.
    pub(crate) fn spawned_at(self, spawned_at: &'static Location<'static>) -> ChildSpec {
        ChildSpec { spawned_at, ..self }
    }

    /// Sets whether the child is started again after it has exited, unless its supervisor has stopped it.
    pub fn restart(self, restart: Restart) -> ChildSpec {
        ChildSpec { restart, ..self }
    }

    /// Sets how its supervisor stops the child. The grace time is for a child that has opted in to graceful
    /// shutdown, with [`shutdown_requested`](crate::shutdown_requested) or by trapping exits, and for a supervisor. Any other child
    /// ends at its current await.
    pub fn shutdown(self, shutdown: impl Into<Shutdown>) -> ChildSpec {
        ChildSpec { shutdown: shutdown.into(), ..self }
    }

    /// Sets how long the child may take to start. The table [above](ChildSpec) shows when a child has started. Default: 30 s; no limit
    /// for a child that is a supervisor, because its children have limits of their own.
    ///
    /// While a start takes long, the event `slow_start` is emitted. When the timeout elapses, the supervisor ends the child, and the start
    /// fails with [`StartError::TimedOut`](crate::StartError::TimedOut). This error is the exit of the child, unless the child traps
    /// exits or is a supervisor: then the child is killed. [`start_child`](crate::Supervisor::start_child) and
    /// [`restart_child`](crate::Supervisor::restart_child) return the error; for every other start, the event `start_failed` shows it.
    /// If a restart times out, the supervisor tries again.
    ///
    /// The timeout is for one attempt to start, without the delays of the [`backoff`](ChildSpec::backoff) of the child. For a child that
    /// is a supervisor, it includes all attempts to start the children of that supervisor, with their delays.
    ///
    /// A child that is stuck in a poll cannot be ended. It is abandoned 100 ms later, and its supervisor continues without it; a
    /// restart waits until the abandoned process has ended.
    ///
    /// # Elixir
    ///
    /// The option `:timeout` of `GenServer.start_link/3`, which is infinite by default.
    ///
    /// # Examples
    ///
    /// ```
    /// use cordial::{ChildSpec, StartError, Strategy, Supervisor};
    /// use std::time::Duration;
    ///
    /// cordial::testing::run(async {
    ///     let hangs = ChildSpec::init("hangs", || async {
    ///         std::future::pending::<()>().await;
    ///         Ok::<_, std::io::Error>(async {})
    ///     });
    ///     let timeout = Duration::from_secs(3);
    ///     let error = Supervisor::builder(Strategy::OneForOne).child(hangs.start_timeout(timeout)).start().await;
    ///     assert_eq!(error.unwrap_err(), StartError::TimedOut { id: "hangs".into(), timeout });
    /// });
    /// ```
    pub fn start_timeout(self, timeout: impl Into<Timeout>) -> ChildSpec {
        ChildSpec { start_timeout: timeout.into(), ..self }
    }

    /// Paces the restarts of the child instead of counting them: it is started again, after delays that grow to the longest
    /// one, for as long as its supervisor lives. Default: no delay, and the restarts count for
    /// [`max_restarts`](crate::SupervisorBuilder::max_restarts).
    ///
    /// This is for a child that needs a service that may be unavailable for a while, such as a database. The delays start over
    /// after an incarnation that ran for longer than the longest delay, and after `terminate_child`.
    /// [`give_up_after`](Backoff::give_up_after) lets the supervisor give up after many failures in a row. With a first delay of zero
    /// nothing is paced, and the restarts are counted. The supervisor does other work during a delay.
    ///
    /// The first start is paced as well. If the child fails to start or exceeds its `start_timeout`,
    /// [`SupervisorBuilder::start`](crate::SupervisorBuilder::start) tries again after a delay. It starts the next child only after this child
    /// has started, and fails if `give_up_after` is reached. During the delays, the supervisor restarts children that have started and then
    /// exited. If that supervisor is itself a child, its parent continues with other work, and starts the next children when that supervisor
    /// has started. A child of [`start_child_with`](crate::TaskSupervisor::start_child_with) is started again after a delay, as in a restart.
    /// [`start_child`](crate::Supervisor::start_child) and [`restart_child`](crate::Supervisor::restart_child) make one attempt, and
    /// return its error.
    ///
    /// A temporary child is never started again, so a backoff has no effect on it.
    ///
    /// # Elixir
    ///
    /// No equivalent: there each restart is counted, and is made at once.
    ///
    /// # Examples
    ///
    /// ```
    /// use cordial::{Backoff, ChildSpec, Strategy, Supervisor};
    /// use std::io::{Error, Result};
    /// use std::time::Duration;
    ///
    /// # async fn connect() -> Result<Duration> {
    /// #     static ATTEMPTS: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    /// #     match ATTEMPTS.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
    /// #         20.. => Ok(Duration::MAX),
    /// #         _ => Err(Error::other("connection refused")),
    /// #     }
    /// # }
    /// cordial::testing::run(async {
    ///     // `connect` fails twenty times, and takes four minutes for that.
    ///     let redis = ChildSpec::init("redis", || async {
    ///         let connection = connect().await?;
    ///         Ok::<_, Error>(async move { tokio::time::sleep(connection).await })
    ///     });
    ///     let redis = redis.backoff(Backoff::exponential(Duration::from_millis(100), Duration::from_secs(20)));
    ///     let tree = Supervisor::builder(Strategy::OneForOne).child(redis).start().await.unwrap();
    ///     assert_eq!(tree.count_children().await.active, 1);
    ///     tree.stop().await;
    /// });
    /// ```
    pub fn backoff(self, backoff: Backoff) -> ChildSpec {
        ChildSpec { backoff: Some(backoff), ..self }
    }

    /// Makes the child significant: its exit may shut down its supervisor, see [`AutoShutdown`](crate::AutoShutdown).
    /// Only exits after which the child is not started again count: the orderly exit of a transient
    /// child, and any exit of a temporary child. A stop by the supervisor itself, such as `terminate_child`, does not count.
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
            .field("start_timeout", &self.start_timeout)
            .field("spawned_at", &self.spawned_at)
            .finish_non_exhaustive()
    }
}

//! A server as the child of a supervisor: created for it, or handed over while it runs.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use super::behavior::Server;
use super::factory_owner::FactoryOwnerId;
use super::mailbox::DEFAULT_CAPACITY;
use super::run;
use super::shared::{CreateState, Options, ServerRef, ServerShared};
use crate::error::StartError;
use crate::exit::Refusal;
use crate::pid::Pid;
use crate::process::{ChildSlot, HeldValue, Shutdown, current, current_runtime};
use crate::supervisor::{Adopted, ChildSpec, Restart, ServerChild, TaskSupervisor};

impl<S: Server> ServerRef<S> {
    /// Returns the specification that hands the server over to a [`Supervisor`](crate::Supervisor). When the `Supervisor` starts, the
    /// running process becomes its child, and no longer belongs to the process that started it. Messages in the mailbox stay
    /// there. If no process is running, a new one is started.
    ///
    /// The id of the child is the label, or, without a label, the name of the type. Its restart is `Permanent`, unless the builder has
    /// set another one. A server has one parent: while that parent runs, a second `Supervisor` that has the server as a child fails to start.
    ///
    /// # Examples
    ///
    /// ```
    /// use cordial::server::{Server, ServerRef};
    /// use cordial::{Strategy, Supervisor};
    ///
    /// #[derive(Default)]
    /// struct Cache;
    ///
    /// impl Server for Cache {}
    ///
    /// cordial::testing::run(async {
    ///     let cache = ServerRef::start(Cache::default);
    ///     let tree = Supervisor::builder(Strategy::OneForOne).child(cache.child_spec()).start().await.unwrap();
    ///     assert_eq!(tree.which_children().await[0].pid, Some(cache.pid()));
    ///     tree.stop().await;
    /// });
    /// ```
    #[track_caller]
    pub fn child_spec(&self) -> ChildSpec {
        spec_in_tree(&self.0, FactoryGuard::new(&self.0))
    }
}

impl ChildSpec {
    /// Specifies a child that is a [server](crate::server), and returns its handle. `create` makes the state of each
    /// incarnation. The server has the id as its label.
    ///
    /// If `create` holds a handle to its own server, the closure, the mailbox and all that they hold are never dropped: take the handle of
    /// [`Context::server`](crate::server::Context::server) in [`started`](Server::started) instead.
    ///
    /// Messages that are sent before the supervisor has started wait within their limits. The restart of the child is
    /// `Permanent`, its shutdown 5 s. It has started when [`started`](Server::started) has returned.
    ///
    /// # Elixir
    ///
    /// `{MyServer, arg}` as a child.
    #[track_caller]
    pub fn server<S, F>(id: impl Into<Arc<str>>, create: F) -> (ServerRef<S>, ChildSpec)
    where
        S: Server,
        F: FnMut() -> S + Send + 'static,
    {
        let options = Options {
            label: Some(id.into()),
            restart: None,
            shutdown: Shutdown::default(),
            backoff: None,
            trap_exits: None,
            spawned_at: Location::caller(),
        };
        let create: CreateState<S> = HeldValue::new(Box::new(create));
        let shared = ServerShared::new(current_runtime(), DEFAULT_CAPACITY, options, create);
        let guard = FactoryGuard::new(&shared);
        guard.begin(None);
        let spec = spec_in_tree(&shared, guard);
        (ServerRef(shared), spec)
    }
}

fn spec_in_tree<S: Server>(shared: &Arc<ServerShared<S>>, guard: FactoryGuard<S>) -> ChildSpec {
    let child = Arc::new(SupervisedServer { shared: shared.clone(), factory_owner: guard.id });
    server_spec(shared, guard, Restart::Permanent).of_server(child)
}

/// Returns the specification of a child whose processes run the server.
pub(super) fn server_spec<S: Server>(
    shared: &Arc<ServerShared<S>>,
    guard: FactoryGuard<S>,
    default: Restart,
) -> ChildSpec {
    let options = &shared.options;
    let id = shared.child_id();
    let guard = Arc::new(guard);
    let start = move || {
        let guard = guard.clone();
        async move {
            let shared = guard.shared.clone();
            shared.attach(current().expect("a server is polled as a process"));
            // The guard has to live until the process is attached: the supervisor may have dropped the factory of a temporary child
            // before this first poll, and the drop of the last guard closes the mailbox if no process is attached.
            drop(guard);
            run::start(shared).await.map(run::Running::serve)
        }
    };
    let spec = ChildSpec::init(id, start).restart(options.restart.unwrap_or(default)).shutdown(options.shutdown);
    let spec = spec.spawned_at(options.spawned_at);
    match options.backoff {
        Some(backoff) => spec.backoff(backoff),
        None => spec,
    }
}

/// Owns the factory of a server. When it is dropped, no further process is started, unless there is another owner.
pub(super) struct FactoryGuard<S: Server> {
    shared: Arc<ServerShared<S>>,
    id: FactoryOwnerId,
}

impl<S: Server> FactoryGuard<S> {
    pub(super) fn new(shared: &Arc<ServerShared<S>>) -> FactoryGuard<S> {
        let id = shared.mailbox.with(|state| state.factory_owner.next_id());
        FactoryGuard { shared: shared.clone(), id }
    }

    pub(super) fn begin(&self, parent: Option<Pid>) {
        self.shared.mailbox.with(|state| state.factory_owner.begin(self.id, parent));
    }
}

impl<S: Server> Drop for FactoryGuard<S> {
    fn drop(&mut self) {
        let n_dropped = self.shared.mailbox.end_factory_owner(self.id);
        self.shared.emit_dropped(n_dropped);
    }
}

/// A server that a supervisor has, or is about to have, as a child.
struct SupervisedServer<S: Server> {
    shared: Arc<ServerShared<S>>,
    factory_owner: FactoryOwnerId,
}

impl<S: Server> SupervisedServer<S> {
    fn already_supervised(&self) -> StartError {
        StartError::AlreadySupervised(self.shared.child_id())
    }

    /// Returns an error if the supervisor `parent` belongs to another runtime, or was abandoned: it stops its children once it continues.
    fn check_parent(&self, parent: Pid) -> Result<(), StartError> {
        if parent.runtime() != self.shared.runtime.number() {
            return Err(self.already_supervised());
        }
        match self.shared.runtime.with(parent, |entry| entry.is_abandoned()) {
            Some(true) => Err(StartError::Refused(Refusal::SupervisorStopped)),
            _ => Ok(()),
        }
    }

    /// Makes the supervisor `parent` the one that starts the processes of the server. The caller holds the lock of the own supervisor of the
    /// server, and takes that supervisor out: so `stop` addresses the supervisor that starts the processes.
    fn become_owner(&self, parent: Pid) -> Result<(), StartError> {
        let (mailbox, runtime) = (&self.shared.mailbox, &self.shared.runtime);
        loop {
            let other = mailbox.with(|state| state.factory_owner.other_parent(self.factory_owner));
            let has_other = other.is_some_and(|other| other != parent && runtime.is_alive(other));
            if has_other {
                return Err(self.already_supervised());
            }
            // Fails if another supervisor has claimed the server since the check.
            if mailbox.with(|state| state.factory_owner.begin_after(other, self.factory_owner, parent)) {
                return Ok(());
            }
        }
    }
}

impl<S: Server> ServerChild for SupervisedServer<S> {
    fn claim(&self, parent: Pid) -> Result<(), StartError> {
        self.check_parent(parent)?;
        let stop_own_supervisor = {
            let mut own_supervisor = self.shared.own_supervisor();
            let (is_running, other) = self
                .shared
                .mailbox
                .with(|state| (state.is_running, state.factory_owner.other_parent(self.factory_owner)));
            // `parent` itself may have the server as another child, which waits for its restart.
            if is_running || other == Some(parent) {
                return Err(self.already_supervised());
            }
            let stop = own_supervisor.as_ref().map(TaskSupervisor::close_while_waiting);
            if matches!(stop, Some(None)) {
                return Err(self.already_supervised());
            }
            self.become_owner(parent)?;
            *own_supervisor = None;
            stop.flatten()
        };
        // Without the lock, and after the new owner has begun: the drop of the factory of the own supervisor then leaves the mailbox open.
        if let Some(stop) = stop_own_supervisor {
            stop();
        }
        Ok(())
    }

    fn adopt(&self, slot: ChildSlot) -> Result<Adopted, StartError> {
        let parent = slot.parent().clone();
        let index = slot.index();
        self.check_parent(parent.pid)?;
        let own_supervisor = {
            let mut own_supervisor = self.shared.own_supervisor();
            self.become_owner(parent.pid)?;
            own_supervisor.take()
        };
        let Some(own_supervisor) = own_supervisor else { return Ok(Adopted::NotRunning(slot)) };
        let adopted = own_supervisor.hand_over_child(slot);
        if let Adopted::Running(pid) = &adopted {
            // The parent runs this code, so it is not stopping, and admits the child.
            let _ = parent.children.registered(index, *pid);
            if self.shared.mailbox.is_stop_asked() {
                // The supervisor that was asked to stop the server has just lost its child.
                self.shared.runtime.request_shutdown(*pid);
            }
        }
        Ok(adopted)
    }

    fn pid(&self) -> Pid {
        self.shared.mailbox.with(|state| state.pid)
    }

    fn process_started(&self, last: Pid, pid: Pid) {
        self.shared.attach_after(last, pid);
    }

    fn not_restarted(&self) {
        let n_dropped = self.shared.mailbox.close();
        self.shared.emit_dropped(n_dropped);
    }
}

impl<S: Server> fmt::Debug for SupervisedServer<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SupervisedServer").field("id", &self.shared.child_id()).finish_non_exhaustive()
    }
}

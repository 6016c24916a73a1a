//! A server as the child of a supervisor: created for it, or handed over while it runs.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use super::behavior::Server;
use super::custody::CustodyId;
use super::mailbox::DEFAULT_CAPACITY;
use super::run;
use super::shared::{Options, ServerRef, Shared, short_type_name};
use crate::error::StartError;
use crate::pid::Pid;
use crate::process::{ChildSlot, Shutdown, current, current_runtime};
use crate::supervisor::{Adopted, ChildSpec, Restart, ServerChild};

impl<S: Server> ServerRef<S> {
    /// Returns the specification that hands the server over to a [`Supervisor`](crate::Supervisor). When the `Supervisor` starts, the
    /// running process becomes its child, and no longer belongs to the process that started it. Messages in the mailbox stay
    /// there. If no process is running, a new one is started.
    ///
    /// The id of the child is the label, or the name of the type without one. Its restart is `Permanent`, unless the builder has
    /// set another one. A server has one parent: a second `Supervisor` that has it as a child fails to start.
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
        spec_in_tree(&self.0, Custodian::new(&self.0))
    }
}

impl ChildSpec {
    /// Specifies a child that is a [server](crate::server), and returns its handle. `create` makes the state of each
    /// incarnation. The server has the id as its label.
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
        let shared = Shared::new(current_runtime(), DEFAULT_CAPACITY, options, Box::new(create));
        let custodian = Custodian::new(&shared);
        custodian.begin(None);
        let spec = spec_in_tree(&shared, custodian);
        (ServerRef(shared), spec)
    }
}

fn spec_in_tree<S: Server>(shared: &Arc<Shared<S>>, custodian: Custodian<S>) -> ChildSpec {
    let child = Arc::new(TreeChild { shared: shared.clone(), custody: custodian.id });
    worker(shared, custodian, Restart::Permanent).of_server(child)
}

/// Returns the specification of a child whose processes are those of the server.
pub(super) fn worker<S: Server>(shared: &Arc<Shared<S>>, custodian: Custodian<S>, default: Restart) -> ChildSpec {
    let options = &shared.options;
    let id = options.label.clone().unwrap_or_else(|| short_type_name::<S>().into());
    let custodian = Arc::new(custodian);
    let start = move || {
        let custodian = custodian.clone();
        async move {
            let shared = custodian.shared.clone();
            shared.attach(current().expect("a server is polled as a process"));
            // The supervisor drops the factory of a temporary child before this first poll. The mailbox would close without a process.
            drop(custodian);
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

/// Holds the factory of a server. When it is dropped, no further process is started.
pub(super) struct Custodian<S: Server> {
    shared: Arc<Shared<S>>,
    id: CustodyId,
}

impl<S: Server> Custodian<S> {
    pub(super) fn new(shared: &Arc<Shared<S>>) -> Custodian<S> {
        let id = shared.mailbox.with(|state| state.custody.next_id());
        Custodian { shared: shared.clone(), id }
    }

    pub(super) fn begin(&self, parent: Option<Pid>) {
        self.shared.mailbox.with(|state| state.custody.begin(self.id, parent));
    }
}

impl<S: Server> Drop for Custodian<S> {
    fn drop(&mut self) {
        self.shared.mailbox.end_custody(self.id);
    }
}

/// A server that a supervisor has, or is about to have, as a child.
struct TreeChild<S: Server> {
    shared: Arc<Shared<S>>,
    custody: CustodyId,
}

impl<S: Server> TreeChild<S> {
    fn id(&self) -> Arc<str> {
        self.shared.options.label.clone().unwrap_or_else(|| short_type_name::<S>().into())
    }
}

impl<S: Server> ServerChild for TreeChild<S> {
    fn claim(&self, parent: Pid) -> Result<(), StartError> {
        let (mailbox, runtime) = (&self.shared.mailbox, &self.shared.runtime);
        let other = mailbox.with(|state| state.custody.other_parent(self.custody));
        let has_other = other.is_some_and(|other| other != parent && runtime.is_alive(other));
        if has_other || parent.runtime() != runtime.number() {
            return Err(StartError::AlreadySupervised(self.id()));
        }
        mailbox.with(|state| state.custody.begin(self.custody, Some(parent)));
        Ok(())
    }

    fn adopt(&self, slot: ChildSlot) -> Result<Adopted, StartError> {
        let parent = slot.parent().clone();
        let index = slot.index();
        self.claim(parent.pid)?;
        let Some(keeper) = self.shared.keeper().take() else { return Ok(Adopted::NotRunning(slot)) };
        let adopted = keeper.hand_over_child(slot);
        if let Adopted::Running(pid) = &adopted {
            // The parent is running this code, so it admits the child.
            let _ = parent.children.registered(index, *pid);
        }
        Ok(adopted)
    }

    fn is_running(&self) -> bool {
        self.shared.mailbox.with(|state| state.is_running)
    }

    fn not_restarted(&self) {
        self.shared.mailbox.close();
    }
}

impl<S: Server> fmt::Debug for TreeChild<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TreeChild").field("id", &self.id()).finish_non_exhaustive()
    }
}

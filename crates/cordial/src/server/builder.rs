//! The options of a server, and its start.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use super::behavior::{ExitOf, Handle, Server};
use super::child::{FactoryGuard, server_spec};
use super::context::Context;
use super::mailbox::DEFAULT_CAPACITY;
use super::shared::{CreateState, Options, ServerRef, ServerShared};
use crate::backoff::Backoff;
use crate::error::StartError;
use crate::exit::Exit;
use crate::pid::Pid;
use crate::process::{HeldValue, Shutdown, current_runtime};
use crate::supervisor::{Restart, TaskSupervisor};

/// The options of a server. Created by [`ServerRef::builder`].
#[must_use = "options do nothing before `start`"]
pub struct ServerBuilder<S: Server> {
    options: Options<S>,
    capacity: usize,
    max_restarts: Option<(usize, Duration)>,
    is_unlinked: bool,
    create: CreateState<S>,
}

impl<S: Server> ServerBuilder<S> {
    #[track_caller]
    pub(super) fn new(create: impl FnMut() -> S + Send + 'static) -> ServerBuilder<S> {
        let options = Options {
            label: None,
            restart: None,
            shutdown: Shutdown::default(),
            backoff: None,
            trap_exits: None,
            spawned_at: Location::caller(),
        };
        let create: CreateState<S> = HeldValue::new(Box::new(create));
        ServerBuilder { options, capacity: DEFAULT_CAPACITY, max_restarts: None, is_unlinked: false, create }
    }

    /// Sets the label, which events, snapshots and errors show, and which is the id of the child. Default: no label; the id of the
    /// child is the name of the type.
    pub fn label(mut self, label: impl Into<Arc<str>>) -> ServerBuilder<S> {
        self.options.label = Some(label.into());
        self
    }

    /// Sets how many messages the mailbox has room for. Default: 1024. Senders of further messages wait.
    ///
    /// # Panics
    ///
    /// If `capacity` is 0, since no message would ever be handled.
    #[track_caller]
    pub fn mailbox(self, capacity: usize) -> ServerBuilder<S> {
        assert!(capacity > 0, "a mailbox with room for 0 messages takes none; use at least `mailbox(1)`");
        ServerBuilder { capacity, ..self }
    }

    /// Sets whether the server is started again when its process has ended. Default: `Temporary` while it has no supervisor, and
    /// `Permanent` as the child of one.
    pub fn restart(mut self, restart: Restart) -> ServerBuilder<S> {
        self.options.restart = Some(restart);
        self
    }

    /// Sets the grace time: how long a stop waits for the message in hand and for [`stopping`](Server::stopping) before it kills the
    /// process. Default: 5 s.
    pub fn shutdown(mut self, shutdown: impl Into<Shutdown>) -> ServerBuilder<S> {
        self.options.shutdown = shutdown.into();
        self
    }

    /// Sets how many restarts are allowed within which time, while the server has no supervisor. Default: 3 within 5 s. If one more
    /// is needed, the server is given up. The process that has started it then ends with [`Exit::Shutdown`], unless the server is
    /// [`unlinked`](ServerBuilder::unlinked) or that process traps exits. As the child of a supervisor, the server has the limit of that
    /// supervisor.
    ///
    /// # Panics
    ///
    /// If `window` is zero, since no restart would ever count.
    #[track_caller]
    pub fn max_restarts(self, max_restarts: usize, window: Duration) -> ServerBuilder<S> {
        assert!(
            !window.is_zero(),
            "`max_restarts` with a window of zero counts nothing; use a longer one, such as 5 s"
        );
        ServerBuilder { max_restarts: Some((max_restarts, window)), ..self }
    }

    /// Paces the restarts instead of counting them, see [`ChildSpec::backoff`](crate::ChildSpec::backoff).
    pub fn backoff(mut self, backoff: Backoff) -> ServerBuilder<S> {
        self.options.backoff = Some(backoff);
        self
    }

    /// Lets the server trap exits from its start, see [`Context::trap_exits`].
    pub fn trap_exits(mut self) -> ServerBuilder<S>
    where
        S: Handle<ExitOf>,
    {
        self.options.trap_exits = Some(Context::trap_exits);
        self
    }

    /// Makes the server belong to the runtime instead of the process that starts it.
    pub fn unlinked(self) -> ServerBuilder<S> {
        ServerBuilder { is_unlinked: true, ..self }
    }

    /// Starts the server. Messages that are sent before [`started`](Server::started) has returned wait in the mailbox.
    ///
    /// If the runtime refuses the process, each message is answered with the refusal.
    pub fn start(self) -> ServerRef<S> {
        let ServerBuilder { options, capacity, max_restarts, is_unlinked, create } = self;
        let shared = ServerShared::new(current_runtime(), capacity, options, create);
        let options = &shared.options;
        let own_supervisor = {
            let mut own_supervisor = TaskSupervisor::builder_at(options.spawned_at).shutdown(options.shutdown);
            if let Some(label) = &options.label {
                own_supervisor = own_supervisor.label(label.clone());
            }
            if let Some((max_restarts, window)) = max_restarts {
                own_supervisor = own_supervisor.max_restarts(max_restarts, window);
            }
            if is_unlinked { own_supervisor.unlinked() } else { own_supervisor }.start()
        };
        *shared.own_supervisor() = Some(own_supervisor.clone());
        let guard = FactoryGuard::new(&shared);
        guard.begin(None);
        let spec = server_spec(&shared, guard, Restart::Temporary);
        match own_supervisor.start_child_with(spec) {
            Ok(pid) => shared.attach_after(Pid::NO_PROCESS, pid),
            Err(error) => {
                let exit = match error {
                    StartError::Refused(refusal) => Exit::Refused(refusal),
                    error => Exit::from(error),
                };
                shared.mailbox.not_begun(exit);
                // The supervisor of the server has no child, and gets none.
                shared.own_supervisor().take();
                own_supervisor.request_stop();
            }
        }
        ServerRef(shared)
    }
}

impl<S: Server> fmt::Debug for ServerBuilder<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerBuilder")
            .field("label", &self.options.label)
            .field("mailbox", &self.capacity)
            .field("restart", &self.options.restart)
            .finish_non_exhaustive()
    }
}

//! `ServerRef`: starting a server, sending messages, stopping it, and looking at it.

use super::behavior::{Handle, Server};
use super::builder::ServerBuilder;
use super::call::Call;
use super::cast::{Cast, TryCastError};
use super::mailbox::Stopper;
use super::message::Message;
use super::reply::Reply;
use super::sending::{NotSent, Sent, WhenFull};
use super::shared::ServerRef;
use crate::exit::Exit;
use crate::pid::Pid;
use crate::process::{self, Sender, StopOutcome, StopReport, monitor_on, sender, stop_one};

impl<S: Server> ServerRef<S> {
    /// Starts a server with default options. `create` makes the state of each incarnation, in its process.
    ///
    /// The server is not restarted unless it becomes the child of a supervisor, see [`child_spec`](ServerRef::child_spec).
    ///
    /// If `create` holds a handle to its own server, the closure, the mailbox and all that they hold are never dropped: take
    /// the handle of [`Context::server`](crate::server::Context::server) in [`started`](Server::started) instead.
    ///
    /// # Elixir
    ///
    /// `GenServer.start_link/3`. There, a crash of the server ends its starter.
    #[track_caller]
    pub fn start<F>(create: F) -> ServerRef<S>
    where
        F: FnMut() -> S + Send + 'static,
    {
        ServerRef::builder(create).start()
    }

    /// Returns the options of a new server. `create` makes the state of each incarnation, in its process.
    #[track_caller]
    pub fn builder<F>(create: F) -> ServerBuilder<S>
    where
        F: FnMut() -> S + Send + 'static,
    {
        ServerBuilder::new(create)
    }

    /// Sends a message, and waits for the answer: for at most 5 s from the first poll, unless [`timeout`](Call::timeout) or the
    /// [`await_limit`](crate::process::Builder::await_limit) of the runtime sets another limit. The limit covers the wait for room in
    /// the mailbox, the time in the mailbox, and the handler.
    ///
    /// | answer | when |
    /// |---|---|
    /// | the reply | the handler, or the task of a [`Later`](crate::server::Later), has returned it |
    /// | [`Exit::Timeout`] | the limit has passed. Its text says what the server was doing: this message or another one, its `Later`, its start, or the wait for a restart |
    /// | [`Exit::Refused`] | the message was not handled: the server had ended before the call and is not restarted, stops before it gets to the message, or was refused by the runtime; or this process was forked from the program |
    /// | an [`Exit::Error`] with this reason | the server ended without a crash, after it had begun to handle the message |
    /// | an [`Exit::Error`] with this reason | the server calls itself |
    /// | the exit of the server | the server crashed after it had begun to handle the message, or crashed while the message waited and is not restarted |
    /// | the exit of the task | the task of a `Later` has ended without a value |
    ///
    /// # Elixir
    ///
    /// `GenServer.call/3`. There, the caller exits.
    pub fn call<M>(&self, message: M) -> Call<<S::Reply as Reply>::Value>
    where
        S: Handle<M>,
        M: Send + 'static,
    {
        Call::new(self, message)
    }

    /// Sends a message, and waits only while the mailbox is full: for at most 5 s from the first poll, unless
    /// [`timeout`](Cast::timeout) or the [`await_limit`](crate::process::Builder::await_limit) of the runtime sets another limit. `Ok`
    /// means that the message is in the mailbox; it is dropped, with the event `casts_dropped`, if the server
    /// [stops](ServerRef::stop) first. Messages get room in the order in which they were sent. A process that has cast 64 messages in one
    /// poll lets other processes run before it sends the next one. A cast of the server to itself does not wait: if the mailbox is full,
    /// the result is an [`Exit::Error`].
    ///
    /// # Elixir
    ///
    /// `GenServer.cast/2`. There, the mailbox has no bound.
    pub fn cast<M>(&self, message: M) -> Cast
    where
        S: Handle<M>,
        M: Send + 'static,
    {
        Cast::new(self, message)
    }

    /// Sends a message if there is room for it now.
    ///
    /// # Errors
    ///
    /// [`TryCastError`], with the message, if the mailbox is full, other messages wait for room, or the server has stopped.
    pub fn try_cast<M>(&self, message: M) -> Result<(), TryCastError<M>>
    where
        S: Handle<M>,
        M: Send + 'static,
    {
        let shared = &self.0;
        if shared.runtime.is_forked() {
            return Err(TryCastError::Stopped(message));
        }
        let Sender { process, carried, .. } = sender();
        let sent = Sent { at: shared.runtime.coarse_now(process), sender: None };
        match shared.mailbox.send_unboxed(Message { message, scope: carried }, sent, WhenFull::Refuse) {
            Ok(_) => Ok(()),
            Err((Message { message, .. }, NotSent::Stopped(_))) => Err(TryCastError::Stopped(message)),
            Err((Message { message, .. }, NotSent::Full | NotSent::ToItself(_))) => Err(TryCastError::Full(message)),
        }
    }

    /// Stops the server, and waits for the end of its process, whose exit is [`Exit::Normal`] unless it has to be killed. The message
    /// that is being handled is finished, [`stopping`](Server::stopping) runs, and messages that are still in the mailbox are answered with
    /// [`Refusal::ServerStopped`](crate::Refusal::ServerStopped). When the grace time of the server is over, the process is killed; the
    /// report then names it.
    ///
    /// A server that is a permanent child is then started again by its supervisor. If no process is running, such as while a supervisor
    /// of a tree delays a restart, there is nothing to stop: [`terminate_child`](crate::Supervisor::terminate_child) ends such a
    /// child.
    ///
    /// In a handler of the server itself, `stop` returns an empty report at once: the server stops after this message.
    ///
    /// # Cancel safety
    ///
    /// After the first poll the server stops, even if the future is dropped.
    ///
    /// # Elixir
    ///
    /// `GenServer.stop/1`. There, the messages that were sent before the stop are handled first. Here, casts that are still in the mailbox
    /// are dropped. To have them handled, await a [`call`](ServerRef::call) first: the server handles it after all casts that were sent
    /// before it.
    pub async fn stop(&self) -> StopReport {
        let shared = &self.0;
        if shared.runtime.is_forked() {
            // The server runs only in the program from which this process was forked.
            return StopReport::default();
        }
        let own_supervisor = {
            // Under the lock, so that a supervisor which takes the server over sees the stop, or is seen here.
            let own_supervisor = shared.own_supervisor();
            let stopper = if own_supervisor.is_some() { Stopper::OwnSupervisor } else { Stopper::OtherSupervisor };
            shared.mailbox.set_stop_asked(stopper);
            own_supervisor.clone()
        };
        let pid = self.pid();
        if process::current() == Some(pid) {
            // The server would wait for its own end.
            shared.stop_itself(pid);
            return StopReport::default();
        }
        if let Some(own_supervisor) = own_supervisor {
            let report = own_supervisor.stop().await;
            let parent = shared.runtime.with(pid, |entry| entry.parent().map(|parent| parent.pid)).flatten();
            if parent.is_none_or(|parent| parent == own_supervisor.pid()) {
                return report;
            }
            // Another supervisor has taken the process over before its own one could stop it.
        }
        let shutdown = shared.runtime.with(pid, |entry| entry.parent().map(|parent| parent.shutdown)).flatten();
        let mut report = StopReport::default();
        match stop_one(&shared.runtime, pid, shutdown.unwrap_or_default()).await {
            StopOutcome::AsRequested => {}
            StopOutcome::Killed(stopped) => report.killed.push(stopped),
            StopOutcome::Abandoned(stopped) => report.abandoned.push(stopped),
        }
        report
    }

    /// Returns the pid of the running process of the server, or of the last one if none is running. If no process was started yet, and in
    /// a process that was forked from the program, returns a pid that no process has.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.0.pid()
    }

    /// Waits until the running process of the server has ended, and returns its exit. If none is running, returns the exit of the last
    /// one, or the reason why none was started.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn ended(&self) -> Exit {
        let mut awaited = None;
        loop {
            if let Err(refusal) = self.0.runtime.refuse_forked() {
                return Exit::Refused(refusal);
            }
            let (pid, is_running, overtaken, last_exit) =
                self.0.mailbox.with(|state| (state.pid, state.is_running, state.overtaken, state.last_exit.clone()));
            // If another process runs by now, the awaited one has ended before it was monitored.
            if !is_running || awaited.is_some_and(|awaited| awaited != pid && overtaken != Some(awaited)) {
                return last_exit.unwrap_or(Exit::NoProcess);
            }
            match monitor_on(&self.0.runtime, *awaited.get_or_insert(pid)).await {
                // The process has left the table, and its exit is about to be recorded.
                Exit::NoProcess => tokio::task::yield_now().await,
                exit => return exit,
            }
        }
    }

    /// Returns how full the mailbox is, and what the server has handled. In a process that was forked from the program, the mailbox is
    /// empty and has handled nothing.
    #[must_use]
    pub fn mailbox(&self) -> process::MailboxInfo {
        process::Serving::mailbox(&*self.0)
    }
}

//! The methods of `Context`.

use std::panic::Location;
use std::time::Duration;

use super::behavior::{ExitOf, Handle, Server};
use super::context::{Context, Trap};
use super::message::Message;
use super::reply::Later;
use super::shared::ServerRef;
use super::timers::Timer;
use crate::exit::Exit;
use crate::pid::Pid;
use crate::process::{HeldValue, trap_exits};

impl<S: Server> Context<S> {
    /// Returns a handle to the server itself, for tasks that send it messages.
    ///
    /// A handler that waits for a [`call`](ServerRef::call) to its own server would wait for itself, so such a call is answered at
    /// once, with an [`Exit::Error`].
    #[must_use]
    pub fn server(&self) -> ServerRef<S> {
        self.server.clone()
    }

    /// Returns the process of this incarnation.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.own
    }

    /// Answers the message after the handler has returned: the future runs as a task of the server, and the server handles the
    /// next messages meanwhile. The caller gets its output, or the exit of the task.
    ///
    /// The task starts when the handler returns the [`Later`]. The task is asked to shut down when its caller gives up, and when the
    /// process of the server ends. The limit of the call still counts.
    ///
    /// # Elixir
    ///
    /// `{:noreply, state}` and `GenServer.reply/2` in a task.
    #[track_caller]
    pub fn reply_later<F>(&mut self, future: F) -> Later<F::Output>
    where
        F: Future + Send + 'static,
    {
        Later { future: Box::pin(future), spawned_at: Location::caller() }
    }

    /// Sends a message to this incarnation after a delay. Dropping the [`Timer`] cancels it.
    ///
    /// The message does not go through the mailbox: it is handled as soon as the server is free, even if the mailbox is full.
    ///
    /// # Elixir
    ///
    /// `Process.send_after/3`.
    #[must_use = "dropping a Timer cancels it; use `detach` to let it run"]
    pub fn send_after<M>(&mut self, delay: Duration, message: M) -> Timer
    where
        S: Handle<M>,
        M: Send + 'static,
    {
        self.timers.once(delay, Message::item(message))
    }

    /// Sends a message to this incarnation again and again, first after one period. Dropping the [`Timer`] ends it. Ticks do
    /// not pile up: of those that come due while the server handles a message, it receives one.
    ///
    /// # Elixir
    ///
    /// `:timer.send_interval/2`.
    ///
    /// # Panics
    ///
    /// If the period is zero.
    #[must_use = "dropping a Timer ends it; use `detach` to let it run"]
    #[track_caller]
    pub fn every<M, F>(&mut self, period: Duration, mut message: F) -> Timer
    where
        S: Handle<M>,
        M: Send + 'static,
        F: FnMut() -> M + Send + 'static,
    {
        assert!(!period.is_zero(), "`every` with a period of zero would never let the server rest; use a longer one");
        self.timers.every(period, HeldValue::new(Box::new(move || Message::item(message()))))
    }

    /// Sends a message to this incarnation when it has handled no message of its mailbox for the length of `delay`, and again
    /// after each further `delay`. Messages of timers and trapped exits do not count. `None` turns the timeout off; each call
    /// replaces the last one.
    ///
    /// # Elixir
    ///
    /// The timeout in `{:noreply, state, timeout}`, which has to be set again by each callback there.
    ///
    /// # Panics
    ///
    /// If the delay is zero.
    #[track_caller]
    pub fn idle_timeout<M, F>(&mut self, delay: Option<Duration>, mut message: F)
    where
        S: Handle<M>,
        M: Send + 'static,
        F: FnMut() -> M + Send + 'static,
    {
        assert!(
            delay.is_none_or(|delay| !delay.is_zero()),
            "`idle_timeout` with a delay of zero would never let the server rest; use a longer one"
        );
        self.timers.idle(delay, HeldValue::new(Box::new(move || Message::item(message()))));
    }

    /// Ends the process with this exit, once the handler has returned and [`stopping`](Server::stopping) has run. An abnormal exit is
    /// a crash, after which the server is restarted unless it is [`Temporary`](crate::Restart::Temporary). Of several exits, the last
    /// one counts.
    ///
    /// # Elixir
    ///
    /// `{:stop, reason, state}`.
    pub fn stop(&mut self, exit: Exit) {
        self.stop = Some(exit);
    }

    /// Traps exits from now on: the exits of linked processes, and those that other processes send, become messages
    /// [`ExitOf`]. A kill and a request to shut down are not messages: they end the server.
    ///
    /// [`ServerBuilder::trap_exits`](crate::server::ServerBuilder::trap_exits) does the same before `started`.
    ///
    /// # Elixir
    ///
    /// `Process.flag(:trap_exit, true)`.
    pub fn trap_exits(&mut self)
    where
        S: Handle<ExitOf>,
    {
        let into_item = |pid, exit| Message::item(ExitOf(pid, exit));
        self.exits.get_or_insert_with(|| Trap { exits: trap_exits(), into_item });
    }
}

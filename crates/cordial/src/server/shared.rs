//! What the handles and the processes of a server share.

use std::fmt;
use std::panic::Location;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::context::Context;
use super::envelope::Item;
use super::laters::Laters;
use super::mailbox::{Handled, Lengths, Mailbox, MailboxState};
use crate::backoff::Backoff;
use crate::exit::{Exit, NamedLimit, TimedOut};
use crate::pid::Pid;
use crate::process::{HeldValue, MailboxInfo, NextIncarnation, RuntimeHandle, Serving, Shutdown};
use crate::supervisor::{Restart, TaskSupervisor};
use crate::task::timed_out;
use crate::{telemetry, unwind};

/// Creates the state of each incarnation. A `HeldValue`, because a supervisor drops the functions of all its children together, and two
/// destructors that panic would abort the program.
pub(super) type CreateState<S> = HeldValue<Box<dyn FnMut() -> S + Send>>;

/// [`Context::trap_exits`] as a function pointer, because `Options` has no bound `S: Handle<ExitOf>`.
pub(super) type TrapExits<S> = fn(&mut Context<S>);

/// A handle to a server. Clones are handles to the same server, and stay valid across its restarts. Dropping a handle does not
/// stop the server.
///
/// | to | call |
/// |---|---|
/// | send a message, and wait for the answer | [`call`](ServerRef::call) |
/// | send a message, and wait only while the mailbox is full | [`cast`](ServerRef::cast) |
/// | send a message without waiting | [`try_cast`](ServerRef::try_cast) |
/// | let a supervisor restart the server | [`child_spec`](ServerRef::child_spec), [`ChildSpec::server`](crate::ChildSpec::server) |
/// | end it | [`stop`](ServerRef::stop) |
///
/// The mailbox outlives the processes of the server: messages that wait when a process ends are handled by the next one, in
/// order. Only the message that was being handled, and calls whose [`Later`](crate::server::Later) has not answered them, fail, as
/// [`call`](ServerRef::call) says. If no process follows a crash, all calls are answered with its exit, and casts are dropped.
///
/// The server belongs to the process that starts it, and stops when that process ends, unless the server is
/// [`unlinked`](crate::server::ServerBuilder::unlinked) or the child of a supervisor.
///
/// # Elixir
///
/// The name or pid of a `GenServer`. There, the queue is lost with its process.
pub struct ServerRef<S>(pub(super) Arc<ServerShared<S>>);

/// The options of a server.
pub(super) struct Options<S> {
    pub(super) label: Option<Arc<str>>,
    pub(super) restart: Option<Restart>,
    pub(super) shutdown: Shutdown,
    pub(super) backoff: Option<Backoff>,
    pub(super) trap_exits: Option<TrapExits<S>>,
    pub(super) spawned_at: &'static Location<'static>,
}

/// The shared state of one server.
pub(super) struct ServerShared<S> {
    pub(super) runtime: RuntimeHandle,
    pub(super) mailbox: Mailbox<Item<S>>,
    pub(super) options: Options<S>,
    /// Whether the process has called `stop` itself, and takes no further message: its supervisor is about to ask it to shut down.
    pub(super) awaits_request: AtomicBool,
    /// Taken out while it runs.
    create: Mutex<Option<CreateState<S>>>,
    /// Notified when `create` was put back.
    create_put_back: Notify,
    /// The supervisor that belongs to the server alone. `None` for the child of another one. It may have ended: then no process runs.
    own_supervisor: Mutex<Option<TaskSupervisor>>,
    pub(super) laters: Laters<Item<S>>,
}

impl<S: Send + 'static> ServerShared<S> {
    pub(super) fn new(
        runtime: RuntimeHandle,
        capacity: usize,
        options: Options<S>,
        create: CreateState<S>,
    ) -> Arc<ServerShared<S>> {
        Arc::new(ServerShared {
            mailbox: Mailbox::new(capacity),
            options,
            awaits_request: AtomicBool::new(false),
            create: Mutex::new(Some(create)),
            create_put_back: Notify::new(),
            own_supervisor: Mutex::new(None),
            laters: Laters::new(runtime.clone()),
            runtime,
        })
    }

    /// Takes the function that creates the states out. Waits while it runs in a process that was abandoned.
    pub(super) async fn take_create(&self) -> TakenCreate<'_, S> {
        loop {
            let create = lock(&self.create).take();
            match create {
                Some(create) => return TakenCreate { shared: self, create: Some(create) },
                None => self.create_put_back.notified().await,
            }
        }
    }

    pub(super) fn own_supervisor(&self) -> MutexGuard<'_, Option<TaskSupervisor>> {
        lock(&self.own_supervisor)
    }

    /// Makes the process `pid`, which runs this code, take no further message, and asks for its end.
    pub(super) fn stop_itself(&self, pid: Pid) {
        // Under the lock, so that a supervisor which takes the server over sees the stop, or is seen here.
        let own_supervisor = self.own_supervisor();
        match &*own_supervisor {
            Some(own_supervisor) => {
                self.awaits_request.store(true, Ordering::Relaxed);
                own_supervisor.request_stop();
            }
            None => self.runtime.request_shutdown(pid),
        }
    }

    /// Makes the current process `pid` the one of the next incarnation. The code that has started the process calls `attach_after`
    /// for it; either of the two calls may come first.
    pub(super) fn attach(self: &Arc<ServerShared<S>>, pid: Pid) {
        self.awaits_request.store(false, Ordering::Relaxed);
        let n_dropped = self.mailbox.begin(pid);
        self.emit_dropped(n_dropped);
        self.register(pid);
    }

    /// Makes the process `pid`, which was just started after the process `last`, the one of the next incarnation, unless that
    /// incarnation has begun already.
    pub(super) fn attach_after(self: &Arc<ServerShared<S>>, last: Pid, pid: Pid) {
        if self.mailbox.begin_after(last, pid) {
            self.register(pid);
        }
    }

    /// Puts the server into the table entry of its process, so that the end of the process reaches the mailbox.
    fn register(self: &Arc<ServerShared<S>>, pid: Pid) {
        let serving: Arc<dyn Serving> = self.clone();
        let replaced = self.runtime.with(pid, |entry| entry.rare().serving.replace(serving));
        let is_end_awaited =
            |state: &mut MailboxState<_>| state.is_running && (state.pid == pid || state.overtaken == Some(pid));
        if replaced.is_none() && self.mailbox.with(is_end_awaited) {
            // The process has ended before its first poll.
            let n_dropped = self.mailbox.end(pid, &Exit::NoProcess, NextIncarnation::Expected);
            self.emit_dropped(n_dropped);
        }
    }

    /// Emits `mailbox_full`, because a message waits for room.
    #[cold]
    pub(super) fn emit_full(&self, sender: Option<Pid>, message: &str) {
        let MailboxInfo { capacity, oldest, in_hand, .. } = self.mailbox();
        let pid = self.mailbox.with(|state| state.pid);
        let (label, spawned_at) = (self.options.label.as_deref(), self.options.spawned_at);
        unwind::ignore_panic(|| {
            let full = telemetry::MailboxFull { pid, label, spawned_at, capacity, oldest, in_hand, sender, message };
            telemetry::mailbox_full(&full);
        });
    }

    /// Emits `casts_dropped`, if casts were dropped.
    pub(super) fn emit_dropped(&self, n_dropped: usize) {
        if n_dropped > 0 {
            let pid = self.mailbox.with(|state| state.pid);
            let (label, spawned_at) = (self.options.label.as_deref(), self.options.spawned_at);
            unwind::ignore_panic(|| telemetry::casts_dropped(pid, label, spawned_at, n_dropped));
        }
    }

    /// Returns the exit of a sender whose limit has passed. `state` says what the server did.
    #[cold]
    pub(super) fn timed_out(&self, limit: NamedLimit, state: Option<String>) -> Exit {
        let pid = self.mailbox.with(|state| state.pid);
        let known = timed_out(&self.runtime, pid, limit);
        let known = known.unwrap_or_else(|| TimedOut::new(limit, pid, self.options.label.clone(), None));
        Exit::Timeout(known.with_state(state))
    }

    /// Says why a message may have waited. `None` if the server is idle.
    pub(super) fn why_slow(&self) -> Option<String> {
        let (is_running, has_started, last_exit) =
            self.mailbox.with(|state| (state.is_running, state.has_started, state.last_exit.clone()));
        if is_running && has_started {
            let in_hand = without_modules(self.mailbox.handled().in_hand?);
            return Some(format!("the server was handling `{in_hand}`"));
        }
        let now = if is_running {
            "the server was starting, and its `started` had not returned"
        } else if last_exit.is_some() {
            "the server was waiting for its supervisor to restart it"
        } else {
            "no supervisor had started the server"
        };
        let Some(exit) = last_exit else { return Some(now.to_owned()) };
        Some(format!("{now}; its last process had ended: {}", beginning_of(&exit)))
    }

    /// Returns the id of the server as a child: its label, or else the name of its type.
    pub(super) fn child_id(&self) -> Arc<str> {
        self.options.label.clone().unwrap_or_else(|| short_type_name::<S>().into())
    }

    /// Returns how an error names the server.
    pub(super) fn name(&self) -> String {
        let pid = self.mailbox.with(|state| state.pid);
        match &self.options.label {
            Some(label) => format!("{label:?} {pid}"),
            None => format!("{} {pid}", short_type_name::<S>()),
        }
    }
}

/// How many characters of the last exit a timeout error contains. The last exit may itself contain the text of a timeout error of the
/// incarnation before it, and so on: without a bound, the text would become longer with each restart.
const MAX_EXIT_CHARS: usize = 1000;

/// Returns the beginning of the text of an exit.
fn beginning_of(exit: &Exit) -> String {
    let text = unwind::format_caught(|| exit.to_string());
    match text.char_indices().nth(MAX_EXIT_CHARS) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

/// Returns the name of the type `T`, as [`without_modules`] shortens it.
pub(super) fn short_type_name<T: ?Sized>() -> &'static str {
    without_modules(std::any::type_name::<T>())
}

/// Returns the name of a type without the path of its module. Type parameters keep their paths, and so do the types in tuples, arrays,
/// references and functions.
pub(super) fn without_modules(name: &'static str) -> &'static str {
    let path = name.split('<').next().unwrap_or(name);
    if path.contains(['(', '[', '&', '*', ' ']) {
        return name;
    }
    path.rsplit("::").next().map_or(name, |last| &name[path.len() - last.len()..])
}

impl<S: Send + 'static> Serving for ServerShared<S> {
    fn ended(&self, own: Pid, exit: &Exit, next: &dyn Fn() -> NextIncarnation) {
        self.laters.end(own, exit);
        let owner = self.mailbox.with(|state| state.factory_owner.id());
        let mut n_dropped = self.mailbox.end(own, exit, next());
        // The supervisor may have decided a moment ago to start no further process. It could not close the mailbox then, because this
        // process counted as running until the call of `end` above. From now on, it can.
        if next() == NextIncarnation::Never {
            n_dropped += self.mailbox.close_after(own, owner);
        }
        self.emit_dropped(n_dropped);
        if self.mailbox.is_closed() {
            let own_supervisor = self.own_supervisor().take();
            if let Some(own_supervisor) = own_supervisor {
                own_supervisor.request_stop();
            }
        }
    }

    fn mailbox(&self) -> MailboxInfo {
        if self.runtime.is_forked() {
            return MailboxInfo { capacity: self.mailbox.capacity(), ..MailboxInfo::default() };
        }
        let Lengths { length, waiting, oldest } = self.mailbox.lengths();
        let Handled { handled, skipped, in_hand } = self.mailbox.handled();
        let first_process = self.mailbox.with(|state| state.first_process);
        let now = self.runtime.executor().coarse_now();
        let in_hand = in_hand.map(without_modules);
        let oldest = oldest.map(|since| Duration::from_millis(now.saturating_sub(since)));
        MailboxInfo {
            length,
            capacity: self.mailbox.capacity(),
            waiting,
            oldest,
            handled,
            skipped,
            in_hand,
            first_process,
        }
    }

    fn callers(&self) -> Vec<Pid> {
        self.mailbox.callers()
    }
}

/// The function that creates the states, which is put back when this value is dropped, even if it panics.
pub(super) struct TakenCreate<'a, S> {
    shared: &'a ServerShared<S>,
    create: Option<CreateState<S>>,
}

impl<S> TakenCreate<'_, S> {
    /// Creates the state of the next incarnation. Runs user code, which may panic.
    pub(super) fn create_state(mut self) -> S {
        self.create.as_mut().expect("set until the drop").get_mut()()
    }
}

impl<S> Drop for TakenCreate<'_, S> {
    fn drop(&mut self) {
        *lock(&self.shared.create) = self.create.take();
        self.shared.create_put_back.notify_one();
    }
}

impl<S> ServerShared<S> {
    /// Returns the process that is running, or else the last one. [`Pid::NO_PROCESS`] if none was started, and in a forked process, where
    /// a thread of the parent may hold the lock forever.
    pub(super) fn pid(&self) -> Pid {
        if self.runtime.is_forked() { Pid::NO_PROCESS } else { self.mailbox.with(|state| state.pid) }
    }
}

impl<S> Clone for ServerRef<S> {
    fn clone(&self) -> ServerRef<S> {
        ServerRef(self.0.clone())
    }
}

impl<S> fmt::Debug for ServerRef<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerRef")
            .field("server", &short_type_name::<S>())
            .field("label", &self.0.options.label)
            .field("pid", &self.0.pid())
            .finish_non_exhaustive()
    }
}

impl<S> fmt::Debug for ServerShared<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerShared").field("label", &self.options.label).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;

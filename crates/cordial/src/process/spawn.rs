//! The one path on which a process comes to be.

use std::panic::Location;
use std::sync::Arc;

use cordial_sched::{Executor, JoinHandle, Prepared, PreparedDetached, Reserved};
use tracing::{Level, Span};

use super::child_slot::{Admission, ChildSlot};
use super::context;
use super::entry::{Entry, Manners, Rare};
use super::guardian::{ExitSender, Guardian};
use super::handle::Handle;
use super::lineage::Lineage;
use super::process_future::{Holder, ProcessFuture, Recipient, Reply};
use super::signal::Signal;
use crate::exit::{Exit, Refusal};
use crate::pid::Pid;
use crate::{telemetry, unwind};

/// What is the same for every kind of process but these.
#[derive(Debug)]
pub(crate) struct Spawn {
    /// Where the user wrote it.
    pub(crate) spawned_at: &'static Location<'static>,
    /// Whether it is linked to the calling process, if there is one.
    pub(crate) tie: Tie,
    /// Whether `run` waits for what descends from it.
    pub(crate) is_root: bool,
    /// Its child_slot with its parent, if it has one.
    pub(crate) child_slot: Option<ChildSlot>,
    pub(crate) ancestry: Ancestry,
    /// Makes it a guardian, which traps exits from its birth.
    pub(crate) guardian: Option<Box<(Guardian, ExitSender)>>,
    pub(crate) label: Option<Arc<str>>,
}

/// The tie between a process and the one that spawned it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tie {
    None,
    Link,
}

/// Where a process comes from.
#[derive(Clone, Debug)]
pub(crate) enum Ancestry {
    /// From the process that calls.
    Caller,
    /// From where its earlier incarnations came.
    Known(Option<Arc<Lineage>>),
}

/// A process that was started for whoever holds the handle.
pub(crate) type SpawnedTask<T> = Spawned<JoinHandle<Reply<T>>>;

/// A process that was started, and the claim on what it gives, if somebody has one.
#[derive(Debug)]
pub(crate) struct Spawned<J> {
    pub(crate) pid: Pid,
    pub(crate) join: J,
    /// Whether it is linked to its first caller.
    pub(crate) is_linked: bool,
}

impl Spawn {
    pub(crate) fn new(spawned_at: &'static Location<'static>) -> Spawn {
        Spawn {
            spawned_at,
            tie: Tie::None,
            is_root: false,
            child_slot: None,
            ancestry: Ancestry::Caller,
            guardian: None,
            label: None,
        }
    }

    pub(crate) fn linked(self) -> Spawn {
        Spawn { tie: Tie::Link, ..self }
    }

    pub(crate) fn root(self) -> Spawn {
        Spawn { is_root: true, ..self }
    }

    pub(crate) fn child_slot(self, child_slot: ChildSlot) -> Spawn {
        Spawn { child_slot: Some(child_slot), ..self }
    }

    /// Starts a process on the runtime. `into_result` says what its output means.
    pub(crate) fn start<F, C, T>(self, runtime: &Handle, future: F, into_result: C) -> Result<SpawnedTask<T>, Refusal>
    where
        F: Future + Send + 'static,
        C: Fn(F::Output) -> Result<T, Exit> + Send + 'static,
        T: Send + 'static,
    {
        self.start_for(runtime, future, into_result, Holder, Executor::prepare, Prepared::start)
    }

    /// Starts a process that nobody holds: its output goes to the recipient. A refusal is told.
    pub(crate) fn start_detached<F, R>(self, runtime: &Handle, future: F, recipient: R) -> Result<Pid, Refusal>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
        R: Recipient<F::Output> + Send + 'static,
        R::Output: Send + 'static,
    {
        let (spawned_at, supervisor) =
            (self.spawned_at, self.child_slot.as_ref().map(|child_slot| child_slot.parent().pid));
        let start = |start: PreparedDetached, _: &Executor| start.start();
        let started = self.start_for(runtime, future, Ok, recipient, Executor::prepare_detached, start);
        started.map(|spawned| spawned.pid).inspect_err(|refusal| telemetry::refused(spawned_at, supervisor, refusal))
    }

    fn start_for<F, C, T, R, S, J>(
        self,
        runtime: &Handle,
        future: F,
        into_result: C,
        recipient: R,
        prepare: impl FnOnce(&Executor, Reserved, ProcessFuture<F, C, R>) -> S,
        start: impl FnOnce(S, &Executor) -> J,
    ) -> Result<Spawned<J>, Refusal>
    where
        F: Future + Send + 'static,
        C: Fn(F::Output) -> Result<T, Exit> + Send + 'static,
        R: Recipient<T> + Send + 'static,
    {
        let executor = runtime.executor();
        if executor.is_closed() {
            return Err(Refusal::RuntimeStopped);
        }
        let (key, pid) = runtime.reserve().ok_or(Refusal::TooManyProcesses)?;
        let caller = context::current().filter(|caller| caller.runtime() == pid.runtime());
        let linked_to = caller.filter(|_| self.tie == Tie::Link);
        // The caller cannot end before this returns, since it is what runs here.
        if let Some(caller) = linked_to {
            runtime.with(caller, |entry| entry.rare().links.insert(pid));
        }
        let lineage = match self.ancestry {
            Ancestry::Caller => caller.and_then(|caller| context::lineage_of_children(runtime, caller)),
            Ancestry::Known(lineage) => lineage,
        };
        let reserved = executor.reserve(key);
        let task = reserved.task();
        let body = ProcessFuture::new(task, span(pid, self.spawned_at), future, into_result, recipient);
        let prepared = prepare(executor, reserved, body);
        let mut rare: Option<Box<Rare>> = None;
        if let Some(caller) = linked_to {
            rare.get_or_insert_default().links.insert(caller);
        }
        if self.label.is_some() {
            rare.get_or_insert_default().label = self.label;
        }
        let is_guardian = self.guardian.is_some();
        if let Some(guardian) = self.guardian {
            let (guardian, told) = *guardian;
            let rare = rare.get_or_insert_default();
            rare.guardian = Some(Box::new(guardian));
            let id = rare.next_id();
            rare.traps.insert(id, told);
        }
        let (spawned_at, since, is_root) = (self.spawned_at, executor.coarse_now(), self.is_root);
        let parent = self.child_slot.as_ref().map(|child_slot| (child_slot.parent().clone(), child_slot.index()));
        let child_slot = self.child_slot;
        runtime.occupy(key, || Entry {
            task,
            spawned_at,
            since,
            lineage,
            lineage_of_children: None,
            ending: None,
            manners: Manners { is_root, wants_notice: is_guardian, ..Manners::default() },
            child_slot,
            rare,
        });
        let child_of = parent.as_ref().map(|(parent, _)| (parent.pid, parent.incarnation));
        if let Some((parent, index)) = parent
            && parent.children.registered(index, pid) == Admission::Closed
        {
            runtime.signal(pid, parent.shutdown.first_signal());
        }
        // A subscriber that panics must not leave a process behind that never starts.
        if telemetry::is_enabled(Level::TRACE) {
            let _ = unwind::catch(|| telemetry::started(pid, self.spawned_at, caller, child_of));
        }
        if executor.is_closed() {
            // Whoever closed it may have looked into the table before this process stood there.
            runtime.signal(pid, Signal::Sent { from: None, reason: Exit::Killed });
        }
        Ok(Spawned { pid, join: start(prepared, executor), is_linked: linked_to.is_some() })
    }
}

/// Where a process that is spawned here comes from.
pub(crate) fn caller_lineage(runtime: &Handle) -> Option<Arc<Lineage>> {
    let caller = context::current()?;
    runtime.with(caller, |entry| entry.lineage_of_children(caller))
}

/// The polls of a process run in a span of its own if somebody asks for those, else in the span that spawned it.
fn span(pid: Pid, spawned_at: &'static Location<'static>) -> Option<Box<Span>> {
    if !telemetry::is_enabled(Level::ERROR) {
        return None;
    }
    let span = unwind::catch(|| {
        let own = tracing::span!(target: "cordial::task", Level::TRACE, "task", %pid, %spawned_at);
        if own.is_disabled() { Span::current() } else { own }
    })
    .ok()?;
    (!span.is_none()).then(|| Box::new(span))
}

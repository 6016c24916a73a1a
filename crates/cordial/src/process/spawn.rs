//! The one path on which a process comes to be.

use std::panic::Location;
use std::sync::Arc;

use cordial_sched::{Executor, JoinHandle, Prepared, PreparedDetached, Reserved};
use tracing::{Level, Span};

use super::body::{Body, Conclusion, Holder, Recipient, Reply};
use super::context;
use super::entry::{Entry, Manners, Ties};
use super::guardian::{Guardian, Tell};
use super::handle::Handle;
use super::lineage::Lineage;
use super::outcome::Outcome;
use super::parent::{Door, Place};
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
    /// Its place with its parent, if it has one.
    pub(crate) place: Option<Place>,
    pub(crate) ancestry: Ancestry,
    /// Makes it a guardian, which traps exits from its birth.
    pub(crate) guardian: Option<Box<(Guardian, Tell)>>,
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
pub(crate) type Claimed<T> = Spawned<JoinHandle<Reply<T>>>;

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
            place: None,
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

    pub(crate) fn place(self, place: Place) -> Spawn {
        Spawn { place: Some(place), ..self }
    }

    /// Starts a process on the runtime. `conclude` says what its output means.
    pub(crate) fn start<F, C, T>(self, runtime: &Handle, future: F, conclude: C) -> Result<Claimed<T>, Refusal>
    where
        F: Future + Send + 'static,
        C: Fn(F::Output) -> Conclusion<T> + Send + 'static,
        T: Send + 'static,
    {
        self.start_for(runtime, future, conclude, Holder, Executor::prepare, Prepared::start)
    }

    /// Starts a process that nobody holds: its output goes to the recipient. A refusal is told.
    pub(crate) fn send_off<F, R>(self, runtime: &Handle, future: F, recipient: R) -> Result<Pid, Refusal>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
        R: Recipient<F::Output> + Send + 'static,
        R::Receipt: Send + 'static,
    {
        let (spawned_at, supervisor) = (self.spawned_at, self.place.as_ref().map(|place| place.parent().pid));
        let start = |start: PreparedDetached, _: &Executor| start.start();
        let started = self.start_for(runtime, future, as_value, recipient, Executor::prepare_detached, start);
        started.map(|spawned| spawned.pid).inspect_err(|refusal| telemetry::refused(spawned_at, supervisor, refusal))
    }

    fn start_for<F, C, T, R, S, J>(
        self,
        runtime: &Handle,
        future: F,
        conclude: C,
        recipient: R,
        prepare: impl FnOnce(&Executor, Reserved, Body<F, C, R>) -> S,
        start: impl FnOnce(S, &Executor) -> J,
    ) -> Result<Spawned<J>, Refusal>
    where
        F: Future + Send + 'static,
        C: Fn(F::Output) -> Conclusion<T> + Send + 'static,
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
            runtime.with(caller, |entry| entry.ties().links.insert(pid));
        }
        let lineage = match self.ancestry {
            Ancestry::Caller => caller.and_then(|caller| context::lineage_of_children(runtime, caller)),
            Ancestry::Known(lineage) => lineage,
        };
        let reserved = executor.reserve(key);
        let task = reserved.task();
        let body = Body::new(task, span(pid, self.spawned_at), future, conclude, recipient);
        let prepared = prepare(executor, reserved, body);
        let mut ties: Option<Box<Ties>> = None;
        if let Some(caller) = linked_to {
            ties.get_or_insert_default().links.insert(caller);
        }
        if self.label.is_some() {
            ties.get_or_insert_default().label = self.label;
        }
        let is_guardian = self.guardian.is_some();
        if let Some(guardian) = self.guardian {
            let (guardian, told) = *guardian;
            let ties = ties.get_or_insert_default();
            ties.guardian = Some(Box::new(guardian));
            let id = ties.next_id();
            ties.traps.insert(id, told);
        }
        let (spawned_at, since, is_root) = (self.spawned_at, executor.coarse_now(), self.is_root);
        let parent = self.place.as_ref().map(|place| (place.parent().clone(), place.index()));
        let place = self.place;
        runtime.occupy(key, || Entry {
            task,
            spawned_at,
            since,
            lineage,
            lineage_of_children: None,
            ending: None,
            manners: Manners { is_root, wants_notice: is_guardian, ..Manners::default() },
            place,
            ties,
        });
        let child_of = parent.as_ref().map(|(parent, _)| (parent.pid, parent.incarnation));
        if let Some((parent, index)) = parent
            && parent.children.arrived(index, pid) == Door::Closed
        {
            runtime.signal(pid, parent.shutdown.first_signal());
        }
        // A subscriber that panics must not leave a process behind that never starts.
        if telemetry::may_be_told(Level::TRACE) {
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

/// A task's output is its value.
pub(crate) fn as_value<T>(value: T) -> Conclusion<T> {
    (Some(value), Exit::Normal)
}

/// A process without a handle: its output says how it ended.
pub(crate) fn as_outcome<O: Outcome>(output: O) -> Conclusion<()> {
    match output.into_result() {
        Ok(()) => (Some(()), Exit::Normal),
        Err(exit) => (None, exit),
    }
}

/// The polls of a process run in a span of its own if somebody asks for those, else in the span that spawned it.
fn span(pid: Pid, spawned_at: &'static Location<'static>) -> Option<Box<Span>> {
    if !telemetry::may_be_told(Level::ERROR) {
        return None;
    }
    let span = unwind::catch(|| {
        let own = tracing::span!(target: "cordial::task", Level::TRACE, "task", %pid, %spawned_at);
        if own.is_disabled() { Span::current() } else { own }
    })
    .ok()?;
    (!span.is_none()).then(|| Box::new(span))
}

//! The one path on which a process comes to be.

use std::panic::Location;

use cordial_sched::JoinHandle;
use tracing::{Level, Span};

use super::body::{Body, Conclusion, Reply};
use super::context;
use super::entry::{Entry, Manners};
use super::handle::Handle;
use super::signal::Signal;
use crate::exit::{Exit, Refusal};
use crate::pid::Pid;
use crate::{telemetry, unwind};

/// What is the same for every kind of process but these.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spawn {
    /// Where the user wrote it.
    pub(crate) spawned_at: &'static Location<'static>,
    /// Whether it is linked to the calling process, if there is one.
    pub(crate) tie: Tie,
    /// Whether `run` waits for what descends from it.
    pub(crate) is_root: bool,
}

/// The tie between a process and the one that spawned it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tie {
    None,
    Link,
}

/// A process that was started, and the claim on what it gives.
#[derive(Debug)]
pub(crate) struct Spawned<T> {
    pub(crate) pid: Pid,
    pub(crate) join: JoinHandle<Reply<T>>,
    /// Whether it is linked to its first caller.
    pub(crate) is_linked: bool,
}

impl Spawn {
    pub(crate) fn new(spawned_at: &'static Location<'static>) -> Spawn {
        Spawn { spawned_at, tie: Tie::None, is_root: false }
    }

    pub(crate) fn linked(self) -> Spawn {
        Spawn { tie: Tie::Link, ..self }
    }

    pub(crate) fn root(self) -> Spawn {
        Spawn { is_root: true, ..self }
    }

    /// Starts a process on the runtime. `conclude` says what its output means.
    pub(crate) fn start<F, C, T>(self, runtime: &Handle, future: F, conclude: C) -> Result<Spawned<T>, Refusal>
    where
        F: Future + Send + 'static,
        C: Fn(F::Output) -> Conclusion<T> + Send + 'static,
        T: Send + 'static,
    {
        let executor = runtime.executor();
        if executor.is_closed() {
            return Err(Refusal::RuntimeStopped);
        }
        let (key, pid) = runtime.reserve().ok_or(Refusal::TooManyProcesses)?;
        let caller = context::current().filter(|caller| caller.runtime() == pid.runtime());
        let linked_to = caller.filter(|_| self.tie == Tie::Link);
        // The caller cannot end before this returns, since it is what runs here.
        let lineage = caller.and_then(|caller| context::lineage_of_children(runtime, caller));
        if let Some(caller) = linked_to {
            runtime.with(caller, |entry| entry.ties().links.insert(pid));
        }
        let body = Body::new(pid, runtime.endings(), span(pid, self.spawned_at), future, conclude);
        let (start, join) = executor.prepare(key, body);
        let mut entry = Entry {
            waker: start.waker(),
            spawned_at: self.spawned_at,
            since: executor.coarse_now(),
            lineage,
            lineage_of_children: None,
            ending: None,
            busy_ms: 0,
            manners: Manners { is_root: self.is_root, ..Manners::default() },
            ties: None,
        };
        if let Some(caller) = linked_to {
            entry.ties().links.insert(caller);
        }
        runtime.occupy(key, entry);
        // A subscriber that panics must not leave a process behind that never starts.
        if telemetry::may_be_told(Level::TRACE) {
            let _ = unwind::catch(|| telemetry::started(pid, self.spawned_at, caller));
        }
        if executor.is_closed() {
            // Whoever closed it may have looked into the table before this process stood there.
            runtime.signal(pid, Signal::Sent { from: None, reason: Exit::Killed });
        }
        start.start();
        Ok(Spawned { pid, join, is_linked: linked_to.is_some() })
    }
}

/// A task's output is its value.
pub(crate) fn as_value<T>(value: T) -> Conclusion<T> {
    (Some(value), Exit::Normal)
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

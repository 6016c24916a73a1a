//! The only place that creates a process.

use std::panic::Location;
use std::sync::Arc;

use cordial_sched::{JoinHandle, Reserved};
use tracing::{Level, Span};

use super::child_slot::{Admission, ChildSlot};
use super::entry::{Entry, Rare};
use super::guardian::{ExitSender, Guardian};
use super::kind::{Purpose, SpawnInfo};
use super::lineage::Lineage;
use super::process_future::{ProcessFuture, ProcessReply, Recipient, RegisteredParts, ToJoinHandle};
use super::runtime::{LiveRoot, RuntimeHandle, current, current_scope, lineage_of_spawned, refuse_ending_thread};
use super::scope::Scope;
use super::shutdown_notice::ShutdownNotice;
use super::signal::Signal;
use super::task_span::TaskSpan;
use crate::exit::{Exit, Refusal};
use crate::pid::Pid;
use crate::{telemetry, unwind};

/// The options of a spawn. Kinds of processes differ only in these.
#[derive(Debug)]
pub(crate) struct Spawn {
    /// The location in the user's source code.
    pub(crate) spawned_at: &'static Location<'static>,
    linkage: Linkage,
    /// The notice of the root that the process is; `None` for any other process.
    root_notice: Option<Arc<ShutdownNotice>>,
    /// The slot of the process in the registry of its parent, if it has a parent.
    pub(crate) child_slot: Option<ChildSlot>,
    pub(crate) ancestry: Ancestry,
    pub(crate) scope: InheritedScope,
    /// Makes the process a guardian. It traps exits from its spawn on, not only from its first poll.
    pub(crate) guardian: Option<Box<(Guardian, ExitSender)>>,
    pub(crate) label: Option<Arc<str>>,
    purpose: Purpose,
    /// The span in which the process is polled; `None` for the current one. Boxed, because few processes have one.
    pub(crate) span: Option<Box<Span>>,
}

/// Whether a process is linked to the process that spawns it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Linkage {
    None,
    Link,
}

/// Which lineage a process gets.
#[derive(Clone, Debug)]
pub(crate) enum Ancestry {
    /// The lineage of the processes that the calling process spawns.
    Caller,
    /// This lineage, for example that of an earlier incarnation; `None` for a process without callers and without a root.
    Known(Option<Arc<Lineage>>),
}

/// What a process inherits of the scope in which it is spawned.
#[derive(Clone, Debug)]
pub(crate) enum InheritedScope {
    Whole,
    /// All but the deadline, because the process has no owner within the scope.
    Values,
    /// Nothing: it gets this scope instead, for example that of an earlier incarnation.
    Known(Option<Scope>),
}

impl InheritedScope {
    fn into_scope(self) -> Option<Scope> {
        match self {
            InheritedScope::Whole => current_scope(),
            InheritedScope::Values => current_scope().and_then(Scope::without_deadline),
            InheritedScope::Known(scope) => scope,
        }
    }
}

/// A process that was started, with a join handle on its reply.
#[derive(Debug)]
pub(crate) struct SpawnedTask<T> {
    pub(crate) pid: Pid,
    pub(crate) join: JoinHandle<ProcessReply<T>>,
    /// Whether it is linked to the process that spawned it.
    pub(crate) is_linked: bool,
}

/// A larger future, in bytes, is boxed where it enters the library. Otherwise each call between that place and the box of the task
/// would copy the future on the stack, and a large future would overflow the stack.
pub(crate) const LARGEST_UNBOXED: usize = 2048;

/// Boxes a future if it is large, and then evaluates an expression that uses it. Each function through which the future of a user enters
/// the library calls this.
macro_rules! box_if_large {
    ($future:ident: $type:ty => $call:expr) => {
        if const { size_of::<$type>() > $crate::process::LARGEST_UNBOXED } {
            let $future = Box::pin($future);
            $call
        } else {
            $call
        }
    };
}

pub(crate) use box_if_large;

/// A process that is in the table, and whose task has no future yet.
struct RegisteredProcess {
    pid: Pid,
    /// Whether it is linked to the process that spawns it.
    is_linked: bool,
    reserved: Reserved,
}

impl Spawn {
    pub(crate) fn new(spawned_at: &'static Location<'static>) -> Spawn {
        Spawn {
            spawned_at,
            linkage: Linkage::None,
            root_notice: None,
            child_slot: None,
            ancestry: Ancestry::Caller,
            scope: InheritedScope::Whole,
            guardian: None,
            label: None,
            purpose: Purpose::Any,
            span: None,
        }
    }

    /// Links the process to the calling process, if there is one.
    pub(crate) fn linked(self) -> Spawn {
        Spawn { linkage: Linkage::Link, ..self }
    }

    /// Makes the process a root: the processes that it spawns descend from it, and `run` stops them.
    pub(crate) fn root(self, root: &LiveRoot<'_>) -> Spawn {
        Spawn { root_notice: Some(root.notice.clone()), ..self }
    }

    /// Sets what the process is for.
    pub(crate) fn purpose(self, purpose: Purpose) -> Spawn {
        Spawn { purpose, ..self }
    }

    /// Lets the process inherit no deadline, since it has no owner in the scope in which it is spawned.
    pub(crate) fn without_owner_in_scope(self) -> Spawn {
        Spawn { scope: InheritedScope::Values, ..self }
    }

    pub(crate) fn child_slot(self, child_slot: ChildSlot) -> Spawn {
        Spawn { child_slot: Some(child_slot), ..self }
    }

    /// Starts a process on the runtime. `into_result` converts the output of the future into the value or the exit of the
    /// process.
    ///
    /// # Errors
    ///
    /// [`Refusal`] if the runtime is shut down or its table is full, the program has forked, this thread is ending, or tokio's clock is
    /// paused. The caller has to emit the event `refused`.
    pub(crate) fn start<F, C, T>(
        &mut self,
        runtime: &RuntimeHandle,
        future: F,
        into_result: C,
    ) -> Result<SpawnedTask<T>, Refusal>
    where
        F: Future + Send + 'static,
        C: Fn(F::Output) -> Result<T, Exit> + Send + 'static,
        T: Send + 'static,
    {
        let mut process = ProcessFuture::new(future, into_result, ToJoinHandle);
        match self.register(runtime, process.carried()) {
            Ok(RegisteredProcess { pid, is_linked, reserved }) => {
                let executor = runtime.executor();
                Ok(SpawnedTask { pid, join: executor.prepare(reserved, process).start(executor), is_linked })
            }
            Err(refusal) => {
                // The future is dropped before `clear` frees the slot for another child: the child limit also bounds how much memory the
                // futures of children hold.
                drop(process);
                self.clear();
                Err(refusal)
            }
        }
    }

    /// Starts a process without a join handle: the recipient receives its reply.
    ///
    /// # Errors
    ///
    /// [`Refusal`] if the runtime is shut down or its table is full, the program has forked, this thread is ending, or tokio's clock is
    /// paused. Then this function has emitted the event `refused`.
    pub(crate) fn start_detached<F, R>(
        &mut self,
        runtime: &RuntimeHandle,
        future: F,
        recipient: R,
    ) -> Result<Pid, Refusal>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
        R: Recipient<F::Output> + Send + 'static,
        R::Output: Send + 'static,
    {
        let mut process = ProcessFuture::new(future, Ok, recipient);
        match self.register(runtime, process.carried()) {
            Ok(RegisteredProcess { pid, reserved, .. }) => {
                runtime.executor().prepare_detached(reserved, process).start();
                Ok(pid)
            }
            Err(refusal) => {
                // The future is dropped first, for the same reason as in `start`.
                drop(process);
                self.refuse(&refusal);
                Err(refusal)
            }
        }
    }

    // The rest is not generic, so that it is not compiled again for each future of a user.

    /// Drops the options of the refused process, such as its slot. Must be called before the refusal is reported, because the report
    /// runs user code, and that code has to find the slot free for another child.
    #[cold]
    fn clear(&mut self) {
        *self = Spawn::new(self.spawned_at);
    }

    /// Reports that a process without a join handle was refused.
    #[cold]
    fn refuse(&mut self, refusal: &Refusal) {
        let supervisor = self.child_slot.as_ref().map(|slot| slot.parent().pid);
        self.clear();
        telemetry::refused(self.spawned_at, supervisor, refusal);
    }

    /// Enters the process into the table, with a reserved task, its lineage and its scope. Sets `carried`, the parts that the future of
    /// the process carries. The caller of this function must start the process afterwards.
    fn register(
        &mut self,
        runtime: &RuntimeHandle,
        carried: &mut RegisteredParts,
    ) -> Result<RegisteredProcess, Refusal> {
        let executor = runtime.executor();
        if executor.is_closed() {
            return Err(Refusal::RuntimeStopped);
        }
        runtime.refuse_forked()?;
        refuse_ending_thread()?;
        let caller = current();
        runtime.refuse_paused_clock(caller)?;
        let (key, pid) = runtime.reserve().ok_or(Refusal::TooManyProcesses)?;
        let caller = caller.filter(|caller| caller.runtime() == pid.runtime());
        let linked_to = caller.filter(|_| self.linkage == Linkage::Link);
        // The entry of the caller stays in the table until this function returns, because this thread is polling the caller, or dropping
        // its future. So the end of the caller finds the link. The exception is a call from user code that runs while the caller ends, such as
        // a `tracing` subscriber: the entry is gone, and the caller gets no link.
        if let Some(caller) = linked_to {
            runtime.with(caller, |entry| entry.rare().links.insert(pid));
        }
        let lineage = match &self.ancestry {
            Ancestry::Caller => caller.and_then(|caller| lineage_of_spawned(runtime, caller)),
            Ancestry::Known(lineage) => lineage.clone(),
        };
        let reserved = executor.reserve(key);
        let task = reserved.task();
        *carried = RegisteredParts {
            task: Some(task.clone()),
            span: TaskSpan::new(pid, self.label.as_deref(), self.spawned_at, self.span.take().map(|span| *span)),
            scope: std::mem::replace(&mut self.scope, InheritedScope::Whole).into_scope(),
        };
        let rare = self.rare(linked_to);
        let (spawned_at, spawn_info) = (self.spawned_at, SpawnInfo::new(runtime.coarse_now(caller), self.purpose));
        let parent = self.child_slot.as_ref().map(|slot| (slot.parent().clone(), slot.index()));
        let child_slot = self.child_slot.take();
        runtime.occupy(key, || Entry::new(task, spawned_at, spawn_info, lineage, child_slot, rare));
        let child_of = parent.as_ref().map(|(parent, _)| (parent.pid, parent.incarnation));
        if let Some((parent, index)) = parent {
            let admission = parent.children.registered(index, pid);
            if parent.children.is_handed_over() {
                let root = runtime.root_of(parent.pid);
                runtime.with(pid, |entry| entry.set_root(root));
            }
            match admission {
                Admission::Open => {}
                Admission::Closed => runtime.signal(pid, Signal::first_of(parent.shutdown)),
                Admission::Killed => runtime.kill(pid),
            }
        }
        // A subscriber that panics must not leave a process in the table that never starts.
        if telemetry::is_enabled(Level::TRACE) {
            unwind::ignore_panic(|| telemetry::started(pid, self.label.as_deref(), self.spawned_at, caller, child_of));
        }
        if executor.is_closed() {
            // The thread that closed the executor may have killed all processes before this process
            // was in the table.
            runtime.signal(pid, Signal::Sent { from: None, reason: Exit::Killed });
        }
        Ok(RegisteredProcess { pid, is_linked: linked_to.is_some(), reserved })
    }

    /// Returns the part of the entry that most processes do not have.
    fn rare(&mut self, linked_to: Option<Pid>) -> Option<Box<Rare>> {
        let mut rare: Option<Box<Rare>> = None;
        if let Some(caller) = linked_to {
            rare.get_or_insert_default().links.insert(caller);
        }
        if self.label.is_some() {
            rare.get_or_insert_default().label = self.label.clone();
        }
        if self.root_notice.is_some() {
            rare.get_or_insert_default().root_notice = self.root_notice.take();
        }
        if let Some(guardian) = self.guardian.take() {
            let (guardian, exits) = *guardian;
            let rare = rare.get_or_insert_default();
            rare.guardian = Some(Box::new(guardian));
            let id = rare.next_id();
            rare.traps.insert(id, exits);
        }
        rare
    }
}

/// Returns the lineage of a process that the calling process spawns.
pub(crate) fn caller_lineage(runtime: &RuntimeHandle) -> Option<Arc<Lineage>> {
    let caller = current()?;
    runtime.with(caller, |entry| entry.lineage_of_spawned(caller))
}

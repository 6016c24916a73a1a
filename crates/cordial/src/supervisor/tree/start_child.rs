//! Starting one child.

use std::convert::identity;
use std::pin::pin;
use std::sync::{Arc, Weak};

use futures_util::future::{Either, select};
use tokio::sync::oneshot;

use super::call::{Caller, TreeCall, reply};
use super::child::{ChildStatus, StartCause};
use super::delayed_starts::DelayedStart;
use super::state::TreeState;
use crate::error::{NotFound, StartError};
use crate::exit::Exit;
use crate::pid::Pid;
use crate::process::{ChildSlot, Parent, ReportSlot, Spawn, discard, enter_scope};
use crate::supervisor::exit_signals::ExitSignals;
use crate::supervisor::factory::{FactoryUse, InitAck, InitResult};
use crate::supervisor::server_child::Adopted;
use crate::supervisor::spec::ChildStart;
use crate::supervisor::start_reply::{PendingStart, StartUpdate};
use crate::supervisor::start_watch::{StartStep, StartWatch};
use crate::supervisor::startable::{ChildPosition, StartedSupervisor};
use crate::supervisor::stop_reason::StopReason;
use crate::unwind;

/// A child whose process has started.
struct StartedProcess {
    pid: Pid,
    ready: Ready,
    report: Option<ReportSlot>,
}

/// What the supervisor waits for until the start of a child has ended.
enum Ready {
    Worker(oneshot::Receiver<InitResult>),
    Supervisor(PendingStart),
    /// The child has started already: it is a task supervisor, or a server that was running.
    Started,
}

/// How the start of a child has ended.
#[must_use = "the child has no process unless it has started"]
pub(super) enum StartOutcome {
    Started(Pid),
    /// The `init` of the child said that the child is not needed.
    Ignored,
    Failed(StartError),
    /// A call terminated the child before it had started. The child may have been removed.
    Terminated,
    /// The start may take long, and continues while the supervisor does other work.
    Delayed,
}

/// An input that a supervisor handles while it waits for the start of a child.
enum DuringStart {
    /// The start has ended. `None` if it has failed.
    Ended(Option<InitResult>),
    /// The start may take long.
    Delayed,
    Call(TreeCall),
    /// The next step of the [`StartWatch`] is due.
    WatchDue,
}

impl Ready {
    /// Waits until the child has started or has failed to start, or until its start is delayed. Cancel safe.
    async fn wait(&mut self) -> DuringStart {
        match self {
            Ready::Worker(ready) => DuringStart::Ended(ready.await.ok()),
            Ready::Started => DuringStart::Ended(Some(InitResult::Started)),
            Ready::Supervisor(pending) => match pending.next_update().await {
                StartUpdate::Delayed => DuringStart::Delayed,
                StartUpdate::Ended(Some(Ok(guard))) => {
                    guard.disarm();
                    DuringStart::Ended(Some(InitResult::Started))
                }
                StartUpdate::Ended(_) => DuringStart::Ended(None),
            },
        }
    }
}

impl TreeState {
    /// Starts the next incarnation of a child, and waits until the start has ended, has exceeded its timeout, or is delayed. During the
    /// wait, the supervisor handles calls that terminate this child or another one, and calls that delete another one, unless an
    /// earlier call about that child is deferred. A call that starts or restarts a child is deferred until this wait is over, or refused
    /// if this start waits for the caller. A child that has failed to start has no process, or only an abandoned one.
    pub(super) async fn start_child(
        &mut self,
        key: u64,
        cause: StartCause,
        signals: &mut ExitSignals,
    ) -> Result<StartOutcome, StopReason> {
        self.children[key].begin_start(cause);
        let StartedProcess { pid, mut ready, report } = match self.start_process(key, signals.pid()) {
            Ok(started) => started,
            Err(error) => {
                self.not_started(key, cause);
                return Ok(StartOutcome::Failed(error));
            }
        };
        self.children[key].report = report;
        self.children.set_status(key, ChildStatus::Starting(pid));
        self.calls.begin_start();
        let mut watch = StartWatch::new(self.children[key].spec.start_timeout, self.clock.now());
        let result = loop {
            let until_due = watch.due().saturating_sub(self.clock.now());
            let next = async {
                let call = pin!(self.calls.next_during_start());
                match select(select(pin!(ready.wait()), call), pin!(self.runtime.sleep(until_due))).await {
                    Either::Left((Either::Left((input, _)), _)) => input,
                    Either::Left((Either::Right((call, _)), _)) => DuringStart::Call(call),
                    Either::Right(((), _)) => DuringStart::WatchDue,
                }
            };
            match signals.run_until_stopped(next).await? {
                DuringStart::Ended(result) => break result,
                DuringStart::Delayed => {
                    let Ready::Supervisor(pending) = ready else { unreachable!("only nested supervisors are delayed") };
                    self.delay_start(DelayedStart { key, pid, watch, pending });
                    return Ok(StartOutcome::Delayed);
                }
                DuringStart::Call(call) => self.handle_call_during_start(key, pid, call, signals).await?,
                DuringStart::WatchDue => match watch.step(self.clock.now()) {
                    StartStep::Wait => {}
                    StartStep::Report(lasted) => self.emit_slow_start(signals.pid(), key, pid, lasted),
                    StartStep::End(timeout) => {
                        let error = StartError::TimedOut { id: self.children[key].spec.id.clone(), timeout };
                        self.end_start(key, pid, &error, signals).await?;
                        self.not_started(key, cause);
                        return Ok(StartOutcome::Failed(error));
                    }
                },
            }
            // A child that a call has added, and that has not started yet, is removed when it is terminated.
            if self.children.get(key).is_none_or(|child| child.pid() != Some(pid)) {
                return Ok(StartOutcome::Terminated);
            }
        };
        match result {
            Some(InitResult::Started) => {
                self.child_started(key, pid);
                Ok(StartOutcome::Started(pid))
            }
            Some(InitResult::Ignored) => {
                discard(self.exit_of_start(key, signals).await?);
                self.children.set_status(key, ChildStatus::Stopped);
                Ok(StartOutcome::Ignored)
            }
            None => {
                let exit = self.exit_of_start(key, signals).await?;
                self.not_started(key, cause);
                Ok(StartOutcome::Failed(StartError::Child { id: self.children[key].spec.id.clone(), exit }))
            }
        }
    }

    /// Waits for the exit of a child that has failed to start or is not needed, and then records that the child has no process.
    async fn exit_of_start(&mut self, key: u64, signals: &mut ExitSignals) -> Result<Exit, StopReason> {
        let incarnation = self.children[key].incarnation;
        let exit = signals.run_until_stopped(self.exits.next_of(key, incarnation)).await?;
        self.forget_process(key, self.clock.now());
        Ok(exit)
    }

    /// Marks a child as started, and replies to the call that waits for its start.
    pub(super) fn child_started(&mut self, key: u64, pid: Pid) {
        let now = self.clock.now();
        self.children[key].started(now);
        self.children.set_status(key, ChildStatus::Running(pid));
        self.reply_to_starter(key, Ok(pid));
    }

    /// Sets the status of a child that has failed to start.
    pub(super) fn not_started(&mut self, key: u64, cause: StartCause) {
        let status = match cause {
            // The next attempt is about to be scheduled.
            StartCause::Restart => ChildStatus::RestartAt(self.clock.now()),
            StartCause::First if self.children[key].is_tried_again() => ChildStatus::RestartAt(self.clock.now()),
            StartCause::First | StartCause::Added | StartCause::Called => ChildStatus::Stopped,
        };
        self.children.set_status(key, status);
    }

    /// Handles a call while the child `key` is starting as the process `starting`. A call that starts or restarts a child is refused if
    /// `starting` waits for the caller: deferring the call until `starting` has started would be a deadlock. A call that terminates a child
    /// is handled at once, because the `init` of `starting` may hang.
    async fn handle_call_during_start(
        &mut self,
        key: u64,
        starting: Pid,
        call: TreeCall,
        signals: &mut ExitSignals,
    ) -> Result<(), StopReason> {
        match call {
            TreeCall::Start(spec, caller, pid_reply) if self.waits_for(caller, starting) => {
                let error = StartError::FromInit(spec.id.clone());
                discard(spec);
                reply(pid_reply, Err(error));
            }
            TreeCall::Restart(id, caller, pid_reply) if self.waits_for(caller, starting) => {
                reply(pid_reply, Err(StartError::FromInit(id)));
            }
            TreeCall::Terminate(id, process, reply_to) if !self.calls.has_waiting(&id) => {
                let result = match self.children.key(&id) {
                    _ if self.has_other_process(&id, process) => Err(NotFound),
                    Some(other) if other != key => self.terminate_during_start(other, signals).await?,
                    _ => self.terminate(&id, signals).await?,
                };
                reply(reply_to, result);
            }
            TreeCall::Delete(id, reply_to) if self.may_delete_during_start(&id) => reply(reply_to, self.delete(&id)),
            call => self.calls.defer(call),
        }
        Ok(())
    }

    /// Returns whether `caller` is the process `starting`, or a process that is being started below `starting`. The start of `starting`
    /// then cannot end before `caller` has received its reply.
    fn waits_for(&self, caller: Caller, starting: Pid) -> bool {
        let mut caller = caller;
        while let Some(pid) = caller.filter(|pid| *pid != starting) {
            let parent = self.runtime.with(pid, |entry| entry.parent().map(|parent| parent.pid)).flatten();
            let supervisor = parent.and_then(|parent| {
                self.runtime.with(parent, |entry| Some(entry.guardian()?.supervisor.clone())).flatten()
            });
            caller = parent.filter(|_| supervisor.is_some_and(|supervisor| supervisor.is_starting(pid)));
        }
        caller.is_some()
    }

    fn start_process(&mut self, key: u64, supervisor: Pid) -> Result<StartedProcess, StartError> {
        let _entered = self.children[key].spec.scope.clone().map(enter_scope);
        let child = &mut self.children[key];
        let (incarnation, spec) = (child.incarnation, &mut child.spec);
        let parent = Arc::new(Parent {
            pid: supervisor,
            root: self.runtime.root_of(supervisor),
            id: Some(spec.id.clone()),
            incarnation,
            shutdown: spec.shutdown,
            children: self.exits.registry(&self.shared, incarnation),
        });
        let mut slot = ChildSlot::new(parent, key);
        if let Some(server) = &spec.server {
            slot = match server.adopt(slot)? {
                Adopted::Running(pid) => return Ok(StartedProcess { pid, ready: Ready::Started, report: None }),
                Adopted::NotRunning(slot) => slot,
            };
        }
        match &mut spec.start {
            ChildStart::Worker(factory) => {
                let (ack, ready) = InitAck::channel();
                let factory_use = FactoryUse::of(spec.restart);
                let mut spawn = Spawn::new(spec.spawned_at).child_slot(slot);
                spawn.label = Some(spec.id.clone());
                let started = spawn.start(&self.runtime, factory.clone().run(factory_use, ack), identity)?;
                Ok(StartedProcess { pid: started.pid, ready: Ready::Worker(ready), report: None })
            }
            ChildStart::Supervisor(nested) => {
                let position = ChildPosition {
                    runtime: self.runtime.clone(),
                    id: spec.id.clone(),
                    slot,
                    parent: Arc::downgrade(&self.shared) as Weak<_>,
                };
                let started =
                    unwind::catch_cold(|| nested.start(FactoryUse::of(spec.restart), position)).map_err(|unwound| {
                        StartError::Child {
                            exit: unwound.into_start_failure(&spec.id, spec.spawned_at),
                            id: spec.id.clone(),
                        }
                    })?;
                let StartedSupervisor { pid, ready, report } = started?;
                let ready = ready.map_or(Ready::Started, Ready::Supervisor);
                Ok(StartedProcess { pid, ready, report: Some(report) })
            }
        }
    }
}

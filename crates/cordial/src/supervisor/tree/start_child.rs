//! Starting one child.

use std::convert::identity;
use std::sync::{Arc, Weak};

use tokio::sync::oneshot;

use super::child::ChildStatus;
use super::state::TreeState;
use crate::error::StartError;
use crate::pid::Pid;
use crate::process::{ChildSlot, Parent, ReportSlot, Spawn};
use crate::supervisor::exit_signals::ExitSignals;
use crate::supervisor::factory::InitAck;
use crate::supervisor::incarnation::StartGuard;
use crate::supervisor::spec::ChildStart;
use crate::supervisor::startable::{ChildPosition, StartedSupervisor};
use crate::supervisor::stop_reason::StopReason;
use crate::unwind;

/// A child whose process has started.
struct StartedProcess {
    pid: Pid,
    ready: Ready,
    report: Option<ReportSlot>,
}

/// Receives whether the child has finished starting.
enum Ready {
    Worker(oneshot::Receiver<()>),
    Supervisor(Option<oneshot::Receiver<Result<StartGuard, StartError>>>),
}

impl Ready {
    /// Waits until the child has started or failed to, and returns whether it has started.
    async fn wait(self) -> bool {
        match self {
            Ready::Worker(ready) => ready.await.is_ok(),
            Ready::Supervisor(None) => true,
            Ready::Supervisor(Some(ready)) => match ready.await {
                Ok(Ok(guard)) => {
                    guard.disarm();
                    true
                }
                Ok(Err(_)) | Err(_) => false,
            },
        }
    }
}

impl TreeState {
    /// Starts the next incarnation of a child and waits until it has started. A child that fails to start has no
    /// process afterwards.
    pub(super) async fn start_child(
        &mut self,
        key: u32,
        signals: &mut ExitSignals,
    ) -> Result<Result<Pid, StartError>, StopReason> {
        let StartedProcess { pid, ready, report } = match self.start_process(key, signals.pid()) {
            Ok(started) => started,
            Err(error) => {
                self.children.set_status(key, ChildStatus::Stopped);
                return Ok(Err(error));
            }
        };
        self.children[key].report = report;
        self.children.set_status(key, ChildStatus::Starting(pid));
        if signals.run_until_stopped(ready.wait()).await? {
            self.children[key].started_at = Some(self.clock.now());
            self.children.set_status(key, ChildStatus::Running(pid));
            return Ok(Ok(pid));
        }
        let incarnation = self.children[key].incarnation;
        let exit = signals.run_until_stopped(self.exits.next_of(key, incarnation)).await?;
        self.process_gone(key);
        self.children.publish(key);
        Ok(Err(StartError::Child { id: self.children[key].spec.id.clone(), exit }))
    }

    fn start_process(&mut self, key: u32, supervisor: Pid) -> Result<StartedProcess, StartError> {
        let child = &mut self.children[key];
        child.incarnation = child.incarnation.saturating_add(1);
        child.started_at = None;
        let (incarnation, spec) = (child.incarnation, &mut child.spec);
        let parent = Arc::new(Parent {
            pid: supervisor,
            id: Some(spec.id.clone()),
            incarnation,
            shutdown: spec.shutdown,
            children: self.exits.registry(incarnation),
        });
        let slot = ChildSlot::new(parent, key);
        match &mut spec.start {
            ChildStart::Worker(factory) => {
                let (ack, ready) = InitAck::new();
                let mut spawn = Spawn::new(spec.spawned_at).child_slot(slot);
                spawn.label = Some(spec.id.clone());
                let started = spawn.start(&self.runtime, factory.clone().run(ack), identity)?;
                Ok(StartedProcess { pid: started.pid, ready: Ready::Worker(ready), report: None })
            }
            ChildStart::Supervisor(nested) => {
                let position = ChildPosition {
                    runtime: self.runtime.clone(),
                    id: spec.id.clone(),
                    slot,
                    parent: Arc::downgrade(&self.shared) as Weak<_>,
                };
                let started = unwind::catch(|| nested.start(position)).map_err(|unwound| StartError::Child {
                    exit: unwound.into_start_failure(&spec.id, spec.spawned_at),
                    id: spec.id.clone(),
                })?;
                let StartedSupervisor { pid, ready, report } = started?;
                Ok(StartedProcess { pid, ready: Ready::Supervisor(ready), report: Some(report) })
            }
        }
    }
}

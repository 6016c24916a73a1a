//! Handling the calls of handles.

use std::sync::Arc;

use super::builder::check_significance;
use super::call::Call;
use super::child::{ChildStatus, StartCause};
use super::start_child::StartOutcome;
use super::state::TreeState;
use crate::error::{NotFound, StartError};
use crate::exit::Exit;
use crate::pid::Pid;
use crate::process::discard;
use crate::supervisor::exit_signals::ExitSignals;
use crate::supervisor::restart::Restart;
use crate::supervisor::spec::ChildSpec;
use crate::supervisor::stop_reason::StopReason;
use crate::unwind;

impl TreeState {
    /// Handles a call and replies to it. A caller that no longer waits does not receive the reply.
    pub(super) async fn handle_call(&mut self, call: Call, signals: &mut ExitSignals) -> Result<(), StopReason> {
        match call {
            Call::Start(spec, _, reply) => {
                let result = self.start_new(*spec, signals).await?;
                unwind::ignore_panic(|| reply.send(result));
            }
            Call::Terminate(id, reply) => {
                let result = self.terminate(&id, signals).await?;
                unwind::ignore_panic(|| reply.send(result));
            }
            Call::Restart(id, _, reply) => {
                let result = self.restart_stopped(id, signals).await?;
                unwind::ignore_panic(|| reply.send(result));
            }
            Call::Delete(id, reply) => {
                let result = self.delete(&id);
                unwind::ignore_panic(|| reply.send(result));
            }
        }
        Ok(())
    }

    async fn start_new(
        &mut self,
        spec: ChildSpec,
        signals: &mut ExitSignals,
    ) -> Result<Result<Pid, StartError>, StopReason> {
        if let Some(key) = self.children.key(&spec.id) {
            let id = spec.id.clone();
            discard(spec);
            return Ok(Err(match self.children[key].status {
                ChildStatus::Starting(pid) | ChildStatus::Running(pid) => StartError::AlreadyStarted { id, pid },
                ChildStatus::RestartAt(_) => StartError::Restarting(id),
                ChildStatus::Stopped => StartError::AlreadyPresent(id),
            }));
        }
        if let Err(error) = check_significance(&spec, self.auto_shutdown) {
            discard(spec);
            return Ok(Err(error));
        }
        let key = self.children.insert(spec);
        let outcome = self.start_child(key, StartCause::Added, signals).await?;
        let is_ignored = matches!(outcome, StartOutcome::Ignored);
        let started = self.start_result(key, outcome);
        // An ignored child stays, without a process, unless it is temporary.
        if started.is_err() && (!is_ignored || self.children[key].spec.restart == Restart::Temporary) {
            self.children.remove(key);
        }
        Ok(started)
    }

    async fn restart_stopped(
        &mut self,
        id: Arc<str>,
        signals: &mut ExitSignals,
    ) -> Result<Result<Pid, StartError>, StopReason> {
        let Some(key) = self.children.key(&id) else { return Ok(Err(NotFound.into())) };
        let child = &self.children[key];
        match (child.status, child.abandoned_pid(&self.runtime)) {
            (ChildStatus::Starting(pid) | ChildStatus::Running(pid), _) => {
                Ok(Err(StartError::AlreadyStarted { id, pid }))
            }
            (ChildStatus::RestartAt(_), _) => Ok(Err(StartError::Restarting(id))),
            (ChildStatus::Stopped, Some(pid)) => Ok(Err(StartError::StillThere { id, pid })),
            (ChildStatus::Stopped, None) => {
                let outcome = self.start_child(key, StartCause::Called, signals).await?;
                Ok(self.start_result(key, outcome))
            }
        }
    }

    /// Returns what the caller of a start receives.
    fn start_result(&self, key: u32, outcome: StartOutcome) -> Result<Pid, StartError> {
        let id = || self.children[key].spec.id.clone();
        match outcome {
            StartOutcome::Started(pid) => Ok(pid),
            StartOutcome::Ignored => Err(StartError::Ignored(id())),
            StartOutcome::Failed(error) => Err(error),
            StartOutcome::Terminated => Err(StartError::Child { id: id(), exit: Exit::Shutdown(None) }),
        }
    }
}

//! Handling the calls of handles.

use std::sync::Arc;

use super::builder::check_significance;
use super::call::Call;
use super::child::ChildStatus;
use super::state::TreeState;
use crate::error::{DeleteError, NotFound, StartError};
use crate::pid::Pid;
use crate::process::discard;
use crate::supervisor::exit_signals::ExitSignals;
use crate::supervisor::restart::Restart;
use crate::supervisor::spec::ChildSpec;
use crate::supervisor::stop_reason::StopReason;
use crate::unwind;

impl TreeState {
    /// Handles a call and replies to it.
    pub(super) async fn handle_call(&mut self, call: Call, signals: &mut ExitSignals) -> Result<(), StopReason> {
        match call {
            Call::Start(spec, reply) => {
                let result = self.start_new(*spec, signals).await?;
                unwind::ignore_panic(|| reply.send(result));
            }
            Call::Terminate(id, reply) => {
                let result = self.terminate(&id, signals).await?;
                unwind::ignore_panic(|| reply.send(result));
            }
            Call::Restart(id, reply) => {
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
        let started = self.start_child(key, signals).await?;
        if started.is_err() {
            self.children.remove(key);
        }
        Ok(started)
    }

    async fn terminate(&mut self, id: &str, signals: &mut ExitSignals) -> Result<Result<(), NotFound>, StopReason> {
        let Some(key) = self.children.key(id) else { return Ok(Err(NotFound)) };
        self.stop_child(key, signals).await?;
        self.children[key].delays = None;
        self.children.set_status(key, ChildStatus::Stopped);
        if self.children[key].spec.restart == Restart::Temporary {
            self.children.remove(key);
        }
        Ok(Ok(()))
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
            (ChildStatus::Stopped, None) => self.start_child(key, signals).await,
        }
    }

    fn delete(&mut self, id: &str) -> Result<(), DeleteError> {
        let key = self.children.key(id).ok_or(NotFound)?;
        match self.children[key].status {
            ChildStatus::Starting(_) | ChildStatus::Running(_) => Err(DeleteError::Running),
            ChildStatus::RestartAt(_) => Err(DeleteError::Restarting),
            ChildStatus::Stopped => {
                self.children.remove(key);
                Ok(())
            }
        }
    }
}

//! How a supervisor handles the calls that its handles send.

use std::sync::Arc;

use super::builder::check_significance;
use super::call::{PidReply, TreeCall, reply};
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
use crate::supervisor::strategy::Strategy;

impl TreeState {
    /// Handles a call and replies to it, or keeps the reply for later if the start of a child is delayed.
    pub(super) async fn handle_call(&mut self, call: TreeCall, signals: &mut ExitSignals) -> Result<(), StopReason> {
        match call {
            TreeCall::Start(spec, _, pid_reply) => match self.insert_new(*spec) {
                Ok(key) => {
                    let outcome = self.start_by_call(key, StartCause::Added, signals).await?;
                    self.reply_start(key, outcome, pid_reply);
                }
                Err(error) => reply(pid_reply, Err(error)),
            },
            TreeCall::Terminate(id, process, reply_to) if self.has_other_process(&id, process) => {
                reply(reply_to, Err(NotFound));
            }
            TreeCall::Terminate(id, _, reply_to) => reply(reply_to, self.terminate(&id, signals).await?),
            TreeCall::Restart(id, _, pid_reply) => match self.find_stopped(id) {
                Ok(key) => {
                    let outcome = self.start_by_call(key, StartCause::Called, signals).await?;
                    self.reply_start(key, outcome, pid_reply);
                }
                Err(error) => reply(pid_reply, Err(error)),
            },
            TreeCall::Delete(id, reply_to) => reply(reply_to, self.delete(&id)),
        }
        Ok(())
    }

    /// Returns whether the child does not have this process. `None` is any process.
    pub(super) fn has_other_process(&self, id: &str, process: Option<Pid>) -> bool {
        process.is_some() && self.children.key(id).is_none_or(|key| self.children[key].pid() != process)
    }

    /// Starts a child for a call. If the strategy restarts the child together with an earlier one, which waits for its restart, records
    /// that the child has to be restarted after it.
    async fn start_by_call(
        &mut self,
        key: u64,
        cause: StartCause,
        signals: &mut ExitSignals,
    ) -> Result<StartOutcome, StopReason> {
        if self.shared.strategy != Strategy::OneForOne && self.children.is_restarting_before(key) {
            self.children.started_early.insert(key);
        }
        self.start_child(key, cause, signals).await
    }

    /// Adds a child, and returns its key.
    fn insert_new(&mut self, spec: ChildSpec) -> Result<u64, StartError> {
        let present = self.children.key(&spec.id).map(|key| match self.children[key].status {
            _ if self.children[key].is_restarting() => StartError::Restarting(spec.id.clone()),
            ChildStatus::Starting(pid) | ChildStatus::Running(pid) => {
                StartError::AlreadyStarted { id: spec.id.clone(), pid }
            }
            ChildStatus::RestartAt(_) | ChildStatus::Stopped => StartError::AlreadyPresent(spec.id.clone()),
        });
        // A specification that is invalid in any case is reported first, even if its id is also in use.
        match check_significance(&spec, self.auto_shutdown).err().or(present) {
            Some(error) => {
                discard(spec);
                Err(error)
            }
            None => Ok(self.children.insert(spec)),
        }
    }

    /// Returns the key of a child that has no process and is not to be restarted.
    fn find_stopped(&self, id: Arc<str>) -> Result<u64, StartError> {
        let Some(key) = self.children.key(&id) else { return Err(NotFound.into()) };
        let child = &self.children[key];
        match (child.status, child.abandoned_pid(&self.runtime)) {
            _ if child.is_restarting() => Err(StartError::Restarting(id)),
            (ChildStatus::Starting(pid) | ChildStatus::Running(pid), _) => Err(StartError::AlreadyStarted { id, pid }),
            (ChildStatus::RestartAt(_) | ChildStatus::Stopped, Some(pid)) => Err(StartError::StillThere { id, pid }),
            (ChildStatus::RestartAt(_) | ChildStatus::Stopped, None) => Ok(key),
        }
    }

    /// Replies to the call that has started a child. If the start is delayed, keeps the channel and replies later. Removes a child that
    /// the call has added, unless the child has started or may be started later.
    fn reply_start(&mut self, key: u64, outcome: StartOutcome, pid_reply: PidReply) {
        let child = &mut self.children[key];
        let is_temporary = child.spec.restart == Restart::Temporary;
        let id = || child.spec.id.clone();
        let (result, is_kept) = match outcome {
            StartOutcome::Started(pid) => (Ok(pid), true),
            // An ignored child stays, without a process, unless it is temporary.
            StartOutcome::Ignored => (Err(StartError::Ignored(id())), !is_temporary),
            StartOutcome::Failed(error) => (Err(error), false),
            StartOutcome::Terminated => (Err(StartError::Child { id: id(), exit: Exit::Shutdown(None) }), false),
            StartOutcome::Delayed => {
                child.waiting_call = Some((child.start_cause(), pid_reply));
                return;
            }
        };
        if !is_kept && child.start_cause() == StartCause::Added {
            self.children.remove(key);
        }
        reply(pid_reply, result);
    }
}

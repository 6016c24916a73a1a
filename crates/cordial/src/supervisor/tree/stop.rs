//! Stopping one child, or all, and answering calls.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;

use super::builder::check_significance;
use super::call::Call;
use super::child::State;
use super::serve::Tree;
use crate::error::{DeleteError, NotFound, StartError};
use crate::pid::Pid;
use crate::process::{
    Shutdown, ShutdownRequest, StopOutcome, StopReport, describe_one, discard, shutdown_request, stop_one,
};
use crate::supervisor::ear::{Ear, Why};
use crate::supervisor::spec::{ChildSpec, Restart};
use crate::supervisor::tell_forced;
use crate::unwind;

impl Tree {
    /// Ends a child that has a process. It has none afterwards, or one that is abandoned.
    pub(super) async fn stop(&mut self, key: u32, ear: &mut Ear) -> Result<(), Why> {
        let Some((pid, shutdown)) = self.how_to_stop(key) else { return Ok(()) };
        let runtime = self.runtime.clone();
        let ended = ear.unless_to_end(stop_one(&runtime, pid, shutdown)).await?;
        let is_gone = self.note(key, ended);
        if is_gone {
            // It has been told already.
            let exit = ear.unless_to_end(self.until_ended(key)).await?;
            discard(exit);
        }
        self.gone(key);
        self.show(key);
        Ok(())
    }

    /// Ends all children, in reverse order, one after the other; all at once when the supervisor is killed.
    pub(super) async fn stop_all(&mut self, ear: &mut Ear) {
        let before = self.report.take();
        // What happened before the stop was told then.
        discard(before);
        // No restart is made any more.
        std::mem::take(&mut self.due).into_iter().for_each(|key| self.set(key, State::Stopped));
        let runtime = self.runtime.clone();
        // Whoever is ended by a kill that cuts the stop short had to be killed.
        let last_shutdown = match shutdown_request(&runtime, self.own) {
            ShutdownRequest::Kill => Shutdown::BrutalKill,
            ShutdownRequest::Shutdown | ShutdownRequest::None => Shutdown::After(Duration::ZERO),
        };
        let keys: Vec<u32> = self.children.keys().rev().copied().collect();
        for key in keys {
            let Some((pid, shutdown)) = self.how_to_stop(key) else { continue };
            let Some(ended) = ear.unless_killed(stop_one(&runtime, pid, shutdown)).await else { break };
            self.note(key, ended);
            self.gone(key);
            self.show(key);
        }
        // Whoever is left is here because of a kill.
        let left: Vec<(u32, Pid)> =
            self.children.iter().filter_map(|(key, child)| Some((*key, child.pid()?))).collect();
        let kills = left.iter().map(|(_, pid)| stop_one(&runtime, *pid, last_shutdown));
        let kills = join_all(kills).await;
        for ((key, _), ended) in left.into_iter().zip(kills) {
            self.note(key, ended);
            self.gone(key);
        }
        self.note_leftovers();
        let keys: Vec<u32> = self.children.keys().copied().collect();
        keys.into_iter().for_each(|key| self.remove(key));
    }

    /// Notes those that were abandoned before the stop and are still there.
    fn note_leftovers(&mut self) {
        let leftovers = self.children.values().flat_map(|child| &child.leftovers).chain(&self.leftovers);
        let left = leftovers.filter_map(|pid| describe_one(&self.runtime, *pid));
        let abandoned = left.collect();
        self.report.add(StopReport { abandoned, ..StopReport::default() });
    }

    fn how_to_stop(&self, key: u32) -> Option<(Pid, Shutdown)> {
        let child = self.children.get(&key)?;
        Some((child.pid()?, child.spec.shutdown))
    }

    /// Notes what it took to end a child. Whether it is gone.
    fn note(&mut self, key: u32, ended: StopOutcome) -> bool {
        let mut report = StopReport::default();
        let is_gone = match ended {
            StopOutcome::AsRequested => true,
            StopOutcome::Killed(stopped) => {
                report.killed.push(stopped);
                true
            }
            StopOutcome::Abandoned(stopped) => {
                if let Some(child) = self.children.get_mut(&key) {
                    child.leftovers.push(stopped.pid);
                }
                report.abandoned.push(stopped);
                false
            }
        };
        tell_forced(self.own, &report);
        self.report.add(report);
        is_gone
    }

    pub(super) async fn answer(&mut self, call: Call, ear: &mut Ear) -> Result<(), Why> {
        // Who no longer waits for an answer does not need it.
        match call {
            Call::Start(spec, answer) => {
                let result = self.start_new(*spec, ear).await?;
                unwind::ignore_panic(|| answer.send(result));
            }
            Call::Terminate(id, answer) => {
                let result = self.terminate(&id, ear).await?;
                unwind::ignore_panic(|| answer.send(result));
            }
            Call::Restart(id, answer) => {
                let result = self.restart_by_hand(id, ear).await?;
                unwind::ignore_panic(|| answer.send(result));
            }
            Call::Delete(id, answer) => {
                let result = self.delete(&id);
                unwind::ignore_panic(|| answer.send(result));
            }
        }
        Ok(())
    }

    async fn start_new(&mut self, spec: ChildSpec, ear: &mut Ear) -> Result<Result<Pid, StartError>, Why> {
        if let Some(child) = self.find(&spec.id).and_then(|key| self.children.get(&key)) {
            let id = spec.id.clone();
            let error = match child.state {
                State::Starting(pid) | State::Running(pid) => StartError::AlreadyStarted { id, pid },
                State::Due(_) => StartError::Restarting(id),
                State::Stopped => StartError::AlreadyPresent(id),
            };
            discard(spec);
            return Ok(Err(error));
        }
        if let Err(error) = check_significance(&spec, self.auto_shutdown) {
            discard(spec);
            return Ok(Err(error));
        }
        let key = self.add(spec);
        let started = self.start(key, ear).await?;
        if started.is_err() {
            self.remove(key);
        }
        Ok(started)
    }

    async fn terminate(&mut self, id: &str, ear: &mut Ear) -> Result<Result<(), NotFound>, Why> {
        let Some(key) = self.find(id) else { return Ok(Err(NotFound)) };
        self.stop(key, ear).await?;
        if let Some(child) = self.children.get_mut(&key) {
            child.waits = None;
        }
        self.set(key, State::Stopped);
        if self.children.get(&key).is_some_and(|child| child.spec.restart == Restart::Temporary) {
            self.remove(key);
        }
        Ok(Ok(()))
    }

    async fn restart_by_hand(&mut self, id: Arc<str>, ear: &mut Ear) -> Result<Result<Pid, StartError>, Why> {
        let Some(key) = self.find(&id) else { return Ok(Err(StartError::NotFound(id))) };
        let Some(child) = self.children.get_mut(&key) else { return Ok(Err(StartError::NotFound(id))) };
        match (child.state, child.still_there(&self.runtime)) {
            (State::Starting(pid) | State::Running(pid), _) => Ok(Err(StartError::AlreadyStarted { id, pid })),
            (State::Due(_), _) => Ok(Err(StartError::Restarting(id))),
            (State::Stopped, Some(pid)) => Ok(Err(StartError::StillThere { id, pid })),
            (State::Stopped, None) => self.start(key, ear).await,
        }
    }

    fn delete(&mut self, id: &str) -> Result<(), DeleteError> {
        let key = self.find(id).ok_or(DeleteError::NotFound)?;
        match self.children.get(&key).map(|child| child.state) {
            Some(State::Starting(_) | State::Running(_)) => Err(DeleteError::Running),
            Some(State::Due(_)) => Err(DeleteError::Restarting),
            Some(State::Stopped) | None => {
                self.remove(key);
                Ok(())
            }
        }
    }
}

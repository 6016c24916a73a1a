//! Starting one child.

use std::convert::identity;
use std::sync::{Arc, Weak};

use tokio::sync::oneshot;

use super::child::State;
use super::serve::{Register, Tree};
use crate::error::StartError;
use crate::exit::{Exit, Refusal};
use crate::pid::Pid;
use crate::process::{ChildSlot, Parent, ReportSlot, Spawn};
use crate::supervisor::ear::{Ear, Why};
use crate::supervisor::factory::Ready;
use crate::supervisor::life::Fresh;
use crate::supervisor::nested::{ChildOf, Launched};
use crate::supervisor::spec::Kind;
use crate::unwind;

/// A child whose process is there.
struct Begun {
    pid: Pid,
    is_ready: IsReady,
    report: Option<ReportSlot>,
}

/// Tells whether the child has started.
enum IsReady {
    Worker(oneshot::Receiver<()>),
    Supervisor(Option<oneshot::Receiver<Result<Fresh, StartError>>>),
}

impl IsReady {
    async fn wait(self) -> bool {
        match self {
            IsReady::Worker(is_ready) => is_ready.await.is_ok(),
            IsReady::Supervisor(None) => true,
            IsReady::Supervisor(Some(is_ready)) => match is_ready.await {
                Ok(Ok(fresh)) => {
                    fresh.take();
                    true
                }
                _ => false,
            },
        }
    }
}

impl Tree {
    /// Starts the next incarnation of a child and waits until it has started. One that does not has no process afterwards.
    pub(super) async fn start(&mut self, key: u32, ear: &mut Ear) -> Result<Result<Pid, StartError>, Why> {
        let begun = match self.begin(key) {
            Ok(begun) => begun,
            Err(error) => {
                self.set(key, State::Stopped);
                return Ok(Err(error));
            }
        };
        let Begun { pid, is_ready, report } = begun;
        if let Some(child) = self.children.get_mut(&key) {
            child.report = report;
        }
        self.set(key, State::Starting(pid));
        if ear.unless_to_end(is_ready.wait()).await? {
            let now = self.clock.now();
            if let Some(child) = self.children.get_mut(&key) {
                child.started = Some(now);
            }
            self.set(key, State::Running(pid));
            return Ok(Ok(pid));
        }
        let exit = ear.unless_to_end(self.until_ended(key)).await?;
        self.gone(key);
        self.show(key);
        let id = self.children.get(&key).map(|child| child.spec.id.clone()).unwrap_or_default();
        Ok(Err(StartError::Child { id, exit }))
    }

    fn begin(&mut self, key: u32) -> Result<Begun, StartError> {
        let gone = StartError::Refused(Refusal::SupervisorStopped);
        let child = self.children.get_mut(&key).ok_or(gone)?;
        child.incarnation = child.incarnation.saturating_add(1);
        child.started = None;
        let (incarnation, spec) = (child.incarnation, &mut child.spec);
        let parent = Arc::new(Parent {
            pid: self.own,
            id: Some(spec.id.clone()),
            incarnation,
            shutdown: spec.shutdown,
            children: Arc::new(Register { incarnation, tell: self.tell_ends.clone() }),
        });
        let place = ChildSlot::new(parent, key);
        match &mut spec.kind {
            Kind::Worker(factory) => {
                let (ready, is_ready) = Ready::new();
                let mut spawn = Spawn::new(spec.spawned_at).child_slot(place);
                spawn.label = Some(spec.id.clone());
                let started = spawn.start(&self.runtime, factory.clone().run(ready), identity)?;
                Ok(Begun { pid: started.pid, is_ready: IsReady::Worker(is_ready), report: None })
            }
            Kind::Supervisor(nested) => {
                let (id, runtime) = (spec.id.clone(), self.runtime.clone());
                let child_of =
                    ChildOf { runtime, id: id.clone(), place, outlook: Arc::downgrade(&self.live) as Weak<_> };
                let launched = unwind::catch(|| nested.launch(child_of)).map_err(|unwound| StartError::Child {
                    exit: unwound.into_start_failure(&id, spec.spawned_at),
                    id: id.clone(),
                })?;
                let Launched { pid, is_ready, report } = launched?;
                Ok(Begun { pid, is_ready: IsReady::Supervisor(is_ready), report: Some(report) })
            }
        }
    }

    /// Waits until the present incarnation of a child has ended. Dropping this loses nothing.
    pub(super) async fn until_ended(&mut self, key: u32) -> Exit {
        let incarnation = self.children.get(&key).map_or(0, |child| child.incarnation);
        let stashed = self.stash.iter().position(|end| end.key == key && end.incarnation == incarnation);
        if let Some(end) = stashed.and_then(|at| self.stash.remove(at)) {
            return end.exit;
        }
        loop {
            match self.ends.recv().await {
                Some(end) if end.key == key && end.incarnation == incarnation => return end.exit,
                Some(other) => self.stash.push_back(other),
                // Its sender is ours.
                None => return Exit::NoProcess,
            }
        }
    }
}

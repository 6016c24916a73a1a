//! The process of a task supervisor: starts children again, and ends them all when it has to end.
//!
//! It has nothing to do with the start of a child, nor with the end of one that is not started again.

use std::collections::BTreeSet;
use std::convert::identity;
use std::panic::Location;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::kept::{End, Record, State};
use super::live::Live;
use super::roster::Roster;
use super::stop::{LastResort, stop};
use crate::error::StartError;
use crate::exit::{Exit, Refusal};
use crate::pid::Pid;
use crate::process::{Ancestry, ChildSlot, ExitReceiver, Lineage, Parent, Shutdown, Spawn, current, discard};
use crate::supervisor::clock::Clock;
use crate::supervisor::ear::{Ear, Why};
use crate::supervisor::factory::{Factory, Ready};
use crate::supervisor::give_up;
use crate::supervisor::intensity::{Intensity, Verdict};
use crate::supervisor::life::Incarnation;
use crate::{telemetry, unwind};

/// How long the restart of a child that the runtime has refused waits at least: others have to end before there is room.
const AFTER_REFUSAL: Duration = Duration::from_millis(1);

/// The life of one incarnation.
pub(super) async fn serve(
    live: Arc<Live>,
    roster: Arc<Roster>,
    incarnation: Incarnation,
    exits: ExitReceiver,
    ends: mpsc::UnboundedReceiver<End>,
) -> Exit {
    let Some(own) = current() else { return Exit::NoProcess };
    live.life.started(&incarnation, own);
    let runtime = live.runtime().clone();
    let mut last_resort = LastResort::new(runtime.clone(), roster.clone());
    let mut ear = Ear { own, runtime: runtime.clone(), exits, stop: incarnation.stop.clone() };
    let intensity = Intensity::new(live.options.limits);
    let mut nurse = Nurse { own, live: live.clone(), roster: roster.clone(), intensity, due: BTreeSet::new(), ends };
    let why = match select(pin!(ear.until_told()), pin!(nurse.work())).await {
        Either::Left((why, _)) | Either::Right((why, _)) => why,
    };
    if matches!(why, Why::OwnerEnded) {
        ear.until_it_is_my_turn().await;
    }
    let report = stop(&mut ear, &roster).await;
    last_resort.is_not_needed();
    // Exits may hold errors of the user's: one after the other, for two that panic in one unwind abort the program.
    while let Ok(end) = nurse.ends.try_recv() {
        discard(end);
    }
    incarnation.report.put(report);
    let exit = ear.in_the_end(why).into_exit();
    live.life.ending(exit.clone());
    exit
}

/// Starts children again.
struct Nurse {
    own: Pid,
    live: Arc<Live>,
    roster: Arc<Roster>,
    intensity: Intensity,
    /// The restarts that wait, by time, with the last process: another child may have that place by then.
    due: BTreeSet<(Duration, u32, Pid)>,
    ends: mpsc::UnboundedReceiver<End>,
}

impl Nurse {
    /// Until there are too many restarts.
    async fn work(&mut self) -> Why {
        let clock = Clock::new(self.live.runtime());
        loop {
            let now = clock.now();
            while let Some(&(at, index, last)) = self.due.first().filter(|(at, ..)| *at <= now) {
                self.due.remove(&(at, index, last));
                if let Err(why) = self.start(index, last, now) {
                    return why;
                }
            }
            let until_due = async {
                match self.due.first() {
                    Some((at, ..)) => sleep(at.saturating_sub(now)).await,
                    None => std::future::pending().await,
                }
            };
            let end = match select(pin!(self.ends.recv()), pin!(until_due)).await {
                Either::Left((end, _)) => end,
                Either::Right(_) => None,
            };
            // Its sender stands in the roster, which is ours.
            if let Some(end) = end {
                let result = self.ended(&end, clock.now());
                // The error in it is the user's.
                discard(end);
                if let Err(why) = result {
                    return why;
                }
            }
        }
    }

    /// A child has ended that has to be started again.
    fn ended(&mut self, end: &End, now: Duration) -> Result<(), Why> {
        match self.wait(end, now)? {
            None => Ok(()),
            Some(Duration::ZERO) => self.start(end.index, end.pid, now),
            Some(wait) => {
                self.due.insert((now.saturating_add(wait), end.index, end.pid));
                Ok(())
            }
        }
    }

    /// How long the restart of a child waits. `None` if it is not to be started again.
    fn wait(&mut self, end: &End, now: Duration) -> Result<Option<Duration>, Why> {
        let random = self.live.runtime().executor().random();
        let limits = self.intensity.limits();
        let known = self.roster.kept.with(end.index, |record| {
            if record.pid != end.pid || record.state != State::Waits {
                return None;
            }
            if now.saturating_sub(record.started) > limits.window {
                record.waits = None;
            }
            let wait =
                record.backoff.and_then(|backoff| record.waits.get_or_insert_with(|| backoff.waits(random)).next());
            Some((record.id.clone(), record.spawned_at, record.incarnation, wait.unwrap_or_default()))
        });
        // Somebody has terminated it meanwhile.
        let Some((id, spawned_at, incarnation, wait)) = known.flatten() else { return Ok(None) };
        let label = self.live.options.label.clone();
        let mut child =
            telemetry::Child { supervisor: self.own, label: label.as_deref(), child: &id, spawned_at, incarnation };
        if self.intensity.restart(now) == Verdict::TooMany {
            return Err(give_up(self.live.runtime(), &child, &end.exit, limits));
        }
        child.incarnation = incarnation.saturating_add(1);
        unwind::ignore_panic(|| telemetry::restart(&child, &end.exit, wait));
        self.live.restarts.fetch_add(1, Ordering::Relaxed);
        Ok(Some(wait))
    }

    fn start(&mut self, index: u32, last: Pid, now: Duration) -> Result<(), Why> {
        let known = self.roster.kept.with(index, |record| {
            if record.pid != last || record.state != State::Waits {
                return None;
            }
            record.state = State::Runs;
            record.incarnation = record.incarnation.saturating_add(1);
            record.pid = Pid::NO_PROCESS;
            record.started = now;
            Some(Start::of(record))
        });
        let Some(Some(start)) = known else { return Ok(()) };
        let begun = start.begin(&self.live, &self.roster, self.own, index, |factory| factory.run(Ready::unheard()));
        match begun {
            // A runtime that shuts down ends this supervisor as well.
            Ok(_) | Err(Refusal::RuntimeStopped) => Ok(()),
            Err(refusal) => self.refused(index, last, refusal, now),
        }
    }

    /// A child could not be started again: as with one that has ended, that is tried again, or too much.
    fn refused(&mut self, index: u32, last: Pid, refusal: Refusal, now: Duration) -> Result<(), Why> {
        let known = self.roster.kept.with(index, |record| {
            // It is known by its last process until it has another.
            record.pid = last;
            (record.id.clone(), record.spawned_at, record.incarnation)
        });
        // The supervisor is about to stop.
        let Some((id, spawned_at, incarnation)) = known else { return Ok(()) };
        let label = self.live.options.label.as_deref();
        let child = telemetry::Child { supervisor: self.own, label, child: &id, spawned_at, incarnation };
        unwind::ignore_panic(|| telemetry::start_failed(&child, &StartError::Refused(refusal.clone())));
        if let Some(wait) = self.wait(&End { index, pid: last, exit: Exit::Refused(refusal) }, now)? {
            self.due.insert((now.saturating_add(wait.max(AFTER_REFUSAL)), index, last));
        }
        Ok(())
    }
}

/// What it takes to start an incarnation of a kept child, taken out of its record.
pub(super) struct Start {
    pub(super) factory: Factory,
    id: Arc<str>,
    incarnation: u32,
    shutdown: Shutdown,
    spawned_at: &'static Location<'static>,
    lineage: Option<Arc<Lineage>>,
}

impl Start {
    pub(super) fn of(record: &Record) -> Start {
        Start {
            factory: record.factory.clone(),
            id: record.id.clone(),
            incarnation: record.incarnation,
            shutdown: record.shutdown,
            spawned_at: record.spawned_at,
            lineage: record.lineage.clone(),
        }
    }

    /// Starts it, as a child of `supervisor` with the record `index`.
    pub(super) fn begin<F>(
        self,
        live: &Live,
        roster: &Roster,
        supervisor: Pid,
        index: u32,
        future: impl FnOnce(Factory) -> F,
    ) -> Result<Pid, Refusal>
    where
        F: Future<Output = Result<(), Exit>> + Send + 'static,
    {
        let parent = Arc::new(Parent {
            pid: supervisor,
            id: Some(self.id.clone()),
            incarnation: self.incarnation,
            shutdown: self.shutdown,
            children: roster.kept.clone(),
        });
        let mut spawn = Spawn::new(self.spawned_at).child_slot(ChildSlot::new(parent, index));
        spawn.label = Some(self.id);
        spawn.ancestry = Ancestry::Known(self.lineage);
        spawn.start(live.runtime(), future(self.factory), identity).map(|started| started.pid)
    }
}

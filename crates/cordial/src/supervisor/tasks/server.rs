//! The process of a task supervisor: it restarts children, ends starts that take too long, and stops all children when it has to stop.
//!
//! This process is not involved in the first start of a child, unless that start takes long, nor in the exit of a child that is not
//! started again.

use std::panic::Location;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::{BoxFuture, Either, select};
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc;

use super::children::TaskChildren;
use super::restartable::{RestartableChild, RestartableExit, SlowStart};
use super::shared::TasksShared;
use super::start_restartable::RestartableStart;
use super::stop::stop_children;
use crate::error::StartError;
use crate::exit::{Exit, Refusal};
use crate::pid::Pid;
use crate::process::{ExitReceiver, Shutdown, StartReport, StopOutcome, StopReport, discard, end_with, stop_one};
use crate::supervisor::due_children::DueChildren;
use crate::supervisor::events::{emit_forced, gave_up};
use crate::supervisor::exit_signals::ExitSignals;
use crate::supervisor::incarnation::{Incarnation, Incarnations};
use crate::supervisor::restart_backoff::next_restart;
use crate::supervisor::serve::{Serve, serve};
use crate::supervisor::start_watch::StartStep;
use crate::supervisor::stop_reason::StopReason;
use crate::{telemetry, unwind};

/// The shortest delay before the next attempt when the runtime has refused a restart because it has too many processes.
const DELAY_AFTER_REFUSAL: Duration = Duration::from_millis(1);

/// One incarnation of a task supervisor, in its process.
struct TasksServer {
    shared: Arc<TasksShared>,
    children: Arc<TaskChildren>,
    exits: mpsc::UnboundedReceiver<RestartableExit>,
}

/// Runs one incarnation of a task supervisor in its process.
pub(super) async fn serve_tasks(
    shared: Arc<TasksShared>,
    children: Arc<TaskChildren>,
    exits: mpsc::UnboundedReceiver<RestartableExit>,
    incarnation: Incarnation,
    exit_signals: ExitReceiver,
) -> Exit {
    let mut server = TasksServer { shared, children, exits };
    let exit = serve(&mut server, &incarnation, exit_signals).await;
    // Exits may hold errors of the user, whose destructors may panic. A second panic in one unwind would abort the
    // program, so the exits are dropped one by one.
    while let Ok(exit) = server.exits.try_recv() {
        discard(exit);
    }
    exit
}

impl Serve for TasksServer {
    fn incarnations(&self) -> &Incarnations {
        &self.shared.incarnations
    }

    fn kill_children(&self) -> impl FnOnce() + Send + use<> {
        let (shared, children) = (self.shared.clone(), self.children.clone());
        move || children.kill(shared.runtime())
    }

    async fn run(&mut self, signals: &mut ExitSignals) -> StopReason {
        self.shared.intensity.reset();
        let mut restarter = Restarter {
            supervisor: signals.pid(),
            shared: &self.shared,
            children: &self.children,
            delayed: DueChildren::default(),
            stops: FuturesUnordered::new(),
        };
        match select(pin!(signals.wait_for_stop()), pin!(restarter.run(&mut self.exits))).await {
            Either::Left((reason, _)) | Either::Right((reason, _)) => reason,
        }
    }

    async fn stop_children(&mut self, signals: &mut ExitSignals) -> StopReport {
        stop_children(signals, &self.children).await
    }
}

/// Restarts children.
struct Restarter<'a> {
    supervisor: Pid,
    shared: &'a TasksShared,
    children: &'a TaskChildren,
    /// The restarts that are delayed, by time, with the index of the child and its last process. When a restart is
    /// due, the index may belong to another child. That is noticed, because the last process of that child is another one.
    delayed: DueChildren,
    /// The stops of children whose start took too long.
    stops: FuturesUnordered<BoxFuture<'a, ()>>,
}

impl Restarter<'_> {
    /// Restarts children until a restart would exceed a limit. Cancel safe.
    async fn run(&mut self, exits: &mut mpsc::UnboundedReceiver<RestartableExit>) -> StopReason {
        loop {
            let now = self.shared.clock.now();
            while let Some((_, index, last)) = self.delayed.pop_due(now) {
                if let Err(reason) = self.start(index, last, now) {
                    return reason;
                }
            }
            for slow in self.children.restartable.slow_starts() {
                self.take_step(slow);
            }
            let delay = self.delayed.first().map_or(Duration::MAX, |(at, ..)| at.saturating_sub(now));
            let exit = {
                let (runtime, stops) = (self.shared.runtime(), &mut self.stops);
                let stopped = async {
                    if stops.next().await.is_none() {
                        std::future::pending::<()>().await;
                    }
                };
                let watch = self.children.restartable.next_watch(runtime);
                let (restart, watch, stopped) = (pin!(runtime.sleep(delay)), pin!(watch), pin!(stopped));
                match select(pin!(exits.recv()), select(select(restart, watch), stopped)).await {
                    Either::Left((exit, _)) => exit.expect("the channel is open, since `children` holds a sender"),
                    // A delayed restart, or a step of a start, may be due. Or a stop has ended.
                    Either::Right(_) => continue,
                }
            };
            let restarted = self.restart(&exit);
            discard(exit);
            if let Err(reason) = restarted {
                return reason;
            }
        }
    }

    /// Starts a child again, at once or after its delay.
    fn restart(&mut self, exit: &RestartableExit) -> Result<(), StopReason> {
        let now = self.shared.clock.now();
        match self.schedule_restart(exit, now)? {
            None => Ok(()),
            Some(Duration::ZERO) => self.start(exit.index, exit.pid, now),
            Some(delay) => {
                self.children.restartable.delayed(exit.index, exit.pid);
                self.delayed.insert_process(now.saturating_add(delay), exit.index, exit.pid);
                Ok(())
            }
        }
    }

    /// Decides about a restart, emits its event, and returns its delay. Returns `None` if the child has been terminated and is
    /// not started again.
    fn schedule_restart(&mut self, exit: &RestartableExit, now: Duration) -> Result<Option<Duration>, StopReason> {
        let runtime = self.shared.runtime();
        let seed = runtime.executor().random();
        let child = self.children.restartable.with(exit.index, |child| {
            if !child.is_waiting_after(exit.pid) {
                return None;
            }
            let delay = next_restart(child.restart_backoff.as_mut(), &mut self.shared.intensity.lock(), now, seed);
            child.restart_at = delay.ok().map(|delay| now.saturating_add(delay));
            Some((child.id.clone(), child.spawned_at, child.incarnation, delay))
        });
        let Some((id, spawned_at, incarnation, delay)) = child.flatten() else { return Ok(None) };
        let mut subject = self.subject(&id, spawned_at, incarnation);
        let delay = delay.map_err(|limit| gave_up(runtime, &subject, &exit.exit, limit))?;
        subject.incarnation = incarnation.saturating_add(1);
        unwind::ignore_panic(|| telemetry::restart(&subject, &exit.exit, delay));
        self.shared.n_restarts.fetch_add(1, Ordering::Relaxed);
        Ok(Some(delay))
    }

    /// Starts the next incarnation of the child whose last process was `last`, unless it has been terminated.
    fn start(&mut self, index: u64, last: Pid, now: Duration) -> Result<(), StopReason> {
        let start = self.children.restartable.begin_restart(index, last, RestartableStart::of);
        let Some(start) = start else { return Ok(()) };
        let (runtime, children) = (self.shared.runtime(), &self.children.restartable);
        match start.start(runtime, children, self.supervisor, index) {
            // A runtime that shuts down stops this supervisor as well.
            Ok(_) | Err(Refusal::RuntimeStopped) => Ok(()),
            Err(refusal) => self.start_refused(index, last, refusal, now),
        }
    }

    /// Returns the child with this id as events name it.
    fn subject<'a>(
        &'a self,
        id: &'a str,
        spawned_at: &'static Location<'static>,
        incarnation: u32,
    ) -> telemetry::Child<'a> {
        let label = self.shared.options.label.as_deref();
        telemetry::Child { supervisor: self.supervisor, label, child: id, spawned_at, incarnation }
    }

    /// Reports a start that takes long, or ends the start.
    fn take_step(&mut self, slow: SlowStart) {
        let SlowStart { id, spawned_at, incarnation, pid, timeout, step } = slow;
        let subject = self.subject(&id, spawned_at, incarnation);
        match step {
            StartStep::Wait => {}
            StartStep::Report(lasted) => {
                unwind::ignore_panic(|| telemetry::slow_start(&subject, pid, lasted, timeout));
            }
            StartStep::End(timeout) => {
                let error = StartError::TimedOut { id: id.clone(), timeout };
                unwind::ignore_panic(|| telemetry::start_failed(&subject, &error));
                let (supervisor, runtime) = (self.supervisor, self.shared.runtime());
                end_with(runtime, pid, &error, StartReport::Event);
                self.stops.push(Box::pin(async move {
                    if let StopOutcome::Abandoned(stopped) = stop_one(runtime, pid, Shutdown::BrutalKill).await {
                        let report = StopReport { abandoned: vec![stopped], ..StopReport::default() };
                        emit_forced(supervisor, &report);
                    }
                }));
            }
        }
    }

    /// Schedules another attempt to start a child that the runtime has refused. Each attempt counts towards the
    /// restart intensity, or as a failure of the backoff of the child.
    fn start_refused(&mut self, index: u64, last: Pid, refusal: Refusal, now: Duration) -> Result<(), StopReason> {
        let describe = |child: &RestartableChild| (child.id.clone(), child.spawned_at, child.incarnation);
        // Restores the last process, by which `schedule_restart` and `start` find the child.
        let child = self.children.restartable.restart_refused(index, last, describe);
        // A child that is missing was terminated meanwhile, or the supervisor is about to stop.
        let Some((id, spawned_at, incarnation)) = child else { return Ok(()) };
        let subject = self.subject(&id, spawned_at, incarnation);
        unwind::ignore_panic(|| telemetry::start_failed(&subject, &StartError::Refused(refusal.clone())));
        let exit = RestartableExit { index, pid: last, exit: Exit::Refused(refusal) };
        if let Some(delay) = self.schedule_restart(&exit, now)? {
            self.delayed.insert_process(now.saturating_add(delay.max(DELAY_AFTER_REFUSAL)), index, last);
        }
        Ok(())
    }
}

//! The process of a supervisor: one thing after the other, and always ready to end.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::{Either, select};
use futures_util::stream::FuturesUnordered;
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;

use super::builder::{AutoShutdown, SupervisorBuilder};
use super::call::Call;
use super::child::{Child, State};
use super::live::Live;
use crate::error::StartError;
use crate::exit::{Exit, Refusal};
use crate::pid::Pid;
use crate::process::{
    Admission, ChildRegistry, ExitReceiver, Handle, ReportBuilder, current, detach_from_owner, discard, monitor_on,
};
use crate::supervisor::clock::Clock;
use crate::supervisor::ear::{Ear, Why};
use crate::supervisor::give_up;
use crate::supervisor::intensity::{Intensity, Verdict};
use crate::supervisor::life::{Fresh, Incarnation};
use crate::supervisor::order::{Fate, Strategy, fate, plan};
use crate::supervisor::spec::{ChildSpec, Restart};
use crate::{telemetry, unwind};

/// What a supervisor knows of its children.
pub(super) struct Tree {
    pub(super) own: Pid,
    pub(super) runtime: Handle,
    pub(super) live: Arc<Live>,
    pub(super) clock: Clock,
    pub(super) label: Option<Arc<str>>,
    pub(super) auto_shutdown: AutoShutdown,
    intensity: Intensity,
    /// By key: in start order.
    pub(super) children: BTreeMap<u32, Child>,
    /// The keys by id, which no two children share.
    keys: BTreeMap<Arc<str>, u32>,
    next_key: u32,
    /// Those that wait for a restart.
    pub(super) due: BTreeSet<u32>,
    pub(super) ends: mpsc::UnboundedReceiver<End>,
    /// One message for each end of a child, of which there are as many as children.
    pub(super) tell_ends: mpsc::UnboundedSender<End>,
    /// Ends that came while another was waited for.
    pub(super) stash: VecDeque<End>,
    pub(super) calls: mpsc::UnboundedReceiver<Call>,
    pub(super) report: ReportBuilder,
    /// Processes of children that are forgotten, which were abandoned and may still be there.
    pub(super) leftovers: Vec<Pid>,
}

/// One incarnation of a child has ended.
#[derive(Debug)]
pub(super) struct End {
    pub(super) key: u32,
    pub(super) incarnation: u32,
    pub(super) exit: Exit,
}

/// Tells the supervisor of the end of one incarnation of a child.
#[derive(Debug)]
pub(super) struct Register {
    pub(super) incarnation: u32,
    pub(super) tell: mpsc::UnboundedSender<End>,
}

impl ChildRegistry for Register {
    fn registered(&self, _: u32, _: Pid) -> Admission {
        // The supervisor itself has started it, and ends it.
        Admission::Open
    }

    fn exited(&self, key: u32, exit: Option<&Exit>) {
        if let Some(exit) = exit {
            // A supervisor that is gone has seen to its children, or has abandoned this one.
            let _ = self.tell.send(End { key, incarnation: self.incarnation, exit: exit.clone() });
        }
    }
}

/// The life of a supervisor.
pub(super) async fn serve(
    mut tree: Tree,
    incarnation: Incarnation,
    exits: ExitReceiver,
    ready: oneshot::Sender<Result<Fresh, StartError>>,
) -> Exit {
    let Some(own) = current() else { return Exit::NoProcess };
    tree.own = own;
    let live = tree.live.clone();
    live.life.started(&incarnation, own);
    let mut last_resort = LastResort(Some(live.clone()));
    let mut ear = Ear { own, runtime: tree.runtime.clone(), exits, stop: incarnation.stop.clone() };
    let mut failure = None;
    let mut ready = Some(ready);
    let started = match &mut ready {
        Some(ready) => match select(pin!(tree.start_first(&mut ear)), pin!(ready.closed())).await {
            Either::Left((started, _)) => started,
            // Whoever wanted it has gone away.
            Either::Right(_) => Err(NotStarted::Told(Why::Stopped)),
        },
        None => Ok(()),
    };
    let why = match started {
        Ok(()) => match ready.take().map(|ready| unwind::catch(|| ready.send(Ok(Fresh::new(&incarnation))))) {
            // Whoever wanted it has gone away.
            None | Some(Ok(Err(_))) => Why::Stopped,
            Some(Ok(Ok(())) | Err(_)) => tree.work(&mut ear).await,
        },
        Err(NotStarted::Child(error)) => {
            let text = unwind::catch(|| error.to_string());
            let text =
                text.unwrap_or_else(|_| "a child failed to start, and its error panics when it is shown".to_owned());
            let why = Why::FailedToStart(text.into());
            failure = Some(error);
            why
        }
        Err(NotStarted::Told(why)) => why,
    };
    tree.refuse_calls().await;
    if matches!(why, Why::OwnerEnded) {
        ear.until_it_is_my_turn().await;
    }
    tree.stop_all(&mut ear).await;
    last_resort.0 = None;
    incarnation.report.put(tree.report.take());
    let exit = ear.in_the_end(why).into_exit();
    live.life.ending(exit.clone());
    // Exits may hold errors of the user's: one after the other, for two that panic in one unwind abort the program.
    while let Some(end) = tree.stash.pop_front().or_else(|| tree.ends.try_recv().ok()) {
        discard(end);
    }
    discard(tree);
    if let Some(ready) = ready {
        // Whoever started it is answered, and not struck by the link.
        detach_from_owner(&ear.runtime, own);
        let error = failure.unwrap_or(StartError::Refused(Refusal::SupervisorStopped));
        unwind::ignore_panic(|| ready.send(Err(error)));
    }
    exit
}

/// Why a supervisor has not started.
enum NotStarted {
    Child(StartError),
    Told(Why),
}

impl From<Why> for NotStarted {
    fn from(why: Why) -> NotStarted {
        NotStarted::Told(why)
    }
}

/// Kills the children of a supervisor whose own code has failed: it must not leave orphans behind.
struct LastResort(Option<Arc<Live>>);

impl Drop for LastResort {
    fn drop(&mut self) {
        if let Some(live) = &self.0 {
            let pids = live.view.children().into_iter().filter_map(|child| child.pid);
            pids.for_each(|pid| live.life.runtime().kill(pid));
        }
    }
}

impl Tree {
    pub(super) fn new(live: Arc<Live>, builder: SupervisorBuilder, calls: mpsc::UnboundedReceiver<Call>) -> Tree {
        let (tell_ends, ends) = mpsc::unbounded_channel();
        let runtime = live.life.runtime().clone();
        let mut tree = Tree {
            own: Pid::NO_PROCESS,
            clock: Clock::new(&runtime),
            runtime,
            live,
            label: builder.label,
            auto_shutdown: builder.auto_shutdown,
            intensity: Intensity::new(builder.limits),
            children: BTreeMap::new(),
            keys: BTreeMap::new(),
            next_key: 0,
            due: BTreeSet::new(),
            ends,
            tell_ends,
            stash: VecDeque::new(),
            calls,
            report: ReportBuilder::default(),
            leftovers: Vec::new(),
        };
        for spec in builder.children {
            tree.add(spec);
        }
        tree
    }

    pub(super) fn add(&mut self, spec: ChildSpec) -> u32 {
        let key = self.next_key;
        self.next_key += 1;
        self.keys.insert(spec.id.clone(), key);
        self.children.insert(key, Child::new(spec));
        self.show(key);
        key
    }

    pub(super) fn remove(&mut self, key: u32) {
        self.live.view.remove(key);
        self.due.remove(&key);
        let Some(mut child) = self.children.remove(&key) else { return };
        self.keys.remove(&child.spec.id);
        if child.still_there(&self.runtime).is_some() {
            self.leftovers.retain(|pid| self.runtime.with(*pid, |_| ()).is_some());
            self.leftovers.append(&mut child.leftovers);
        }
        // Its factory is the user's.
        discard(child);
    }

    pub(super) fn find(&self, id: &str) -> Option<u32> {
        self.keys.get(id).copied()
    }

    /// Lets others see how it stands with a child.
    pub(super) fn show(&mut self, key: u32) {
        let runtime = &self.runtime;
        if let Some(child) = self.children.get_mut(&key) {
            child.still_there(runtime);
            self.live.view.put(key, child.info());
        }
    }

    pub(super) fn set(&mut self, key: u32, state: State) {
        if let Some(child) = self.children.get_mut(&key) {
            child.state = state;
        }
        match state {
            State::Due(_) => self.due.insert(key),
            _ => self.due.remove(&key),
        };
        self.show(key);
    }

    async fn start_first(&mut self, ear: &mut Ear) -> Result<(), NotStarted> {
        let keys: Vec<u32> = self.children.keys().copied().collect();
        for key in keys {
            if let Err(error) = self.start(key, ear).await? {
                self.tell_not_started(key, &error);
                return Err(NotStarted::Child(error));
            }
        }
        Ok(())
    }

    async fn work(&mut self, ear: &mut Ear) -> Why {
        loop {
            if let Err(why) = self.step(ear).await {
                return why;
            }
            // What was forced in the course of a restart has been told.
            self.report = ReportBuilder::default();
        }
    }

    /// Refuses what was asked and is not answered, and what will be: it may be a child that waits for the answer.
    async fn refuse_calls(&mut self) {
        self.calls.close();
        // This waits for those only who were asking when the door was closed.
        while let Some(call) = self.calls.recv().await {
            discard(call);
        }
    }

    /// One end, one call, or one restart; waits for one if there is none. Calls go in between restarts that keep failing.
    async fn step(&mut self, ear: &mut Ear) -> Result<(), Why> {
        if let Some(end) = self.stash.pop_front().or_else(|| self.ends.try_recv().ok()) {
            return self.ended(end, ear).await;
        }
        if let Ok(call) = self.calls.try_recv() {
            self.answer(call, ear).await?;
        }
        let waiting = match self.next_restart() {
            Next::Start(key) => return self.restart(key, ear).await,
            Next::Wait(waiting) => waiting,
        };
        enum Came {
            End(Option<End>),
            Call(Option<Call>),
            Time,
        }
        let came = {
            let (ends, calls) = (&mut self.ends, &mut self.calls);
            let come = async {
                tokio::select! {
                    biased;
                    end = ends.recv() => Came::End(end),
                    call = calls.recv() => Came::Call(call),
                    () = waiting.over(&self.runtime) => Came::Time,
                }
            };
            ear.unless_to_end(come).await?
        };
        match came {
            Came::End(Some(end)) => self.ended(end, ear).await,
            Came::Call(Some(call)) => self.answer(call, ear).await,
            // The senders of both are ours.
            Came::Time | Came::End(None) | Came::Call(None) => Ok(()),
        }
    }

    /// Which child is to be started now, or what is waited for.
    fn next_restart(&mut self) -> Next {
        let now = self.clock.now();
        let mut waiting = Waiting::default();
        for key in &self.due {
            let Some(child) = self.children.get_mut(key) else { continue };
            match (child.state, child.still_there(&self.runtime)) {
                (State::Due(at), _) if at > now => {
                    let wait = at - now;
                    waiting.wait = Some(waiting.wait.map_or(wait, |other| other.min(wait)));
                }
                (_, Some(pid)) => waiting.until_gone.push(pid),
                _ => return Next::Start(*key),
            }
            if self.live.strategy != Strategy::OneForOne {
                // Those after it start when it has.
                break;
            }
        }
        Next::Wait(waiting)
    }

    async fn restart(&mut self, key: u32, ear: &mut Ear) -> Result<(), Why> {
        let Err(error) = self.start(key, ear).await? else { return Ok(()) };
        self.tell_not_started(key, &error);
        let exit = match error {
            StartError::Child { exit, .. } => exit,
            StartError::Refused(refusal) => Exit::Refused(refusal),
            other => Exit::from(Box::<dyn std::error::Error + Send + Sync>::from(other)),
        };
        let failed = self.fail(key, &exit, ear).await;
        discard(exit);
        failed
    }

    async fn ended(&mut self, end: End, ear: &mut Ear) -> Result<(), Why> {
        let result = self.child_ended(&end, ear).await;
        // The error in it is the user's.
        discard(end);
        result
    }

    /// A child has ended.
    async fn child_ended(&mut self, end: &End, ear: &mut Ear) -> Result<(), Why> {
        let End { key, incarnation, exit } = end;
        let (key, incarnation) = (*key, *incarnation);
        let is_present =
            self.children.get(&key).is_some_and(|child| child.incarnation == incarnation && child.pid().is_some());
        if !is_present {
            // One that was abandoned has ended after all.
            self.show(key);
            return Ok(());
        }
        self.gone(key);
        let Some(child) = self.children.get(&key) else { return Ok(()) };
        let is_significant = child.spec.is_significant;
        match fate(child.spec.restart, exit.is_abnormal()) {
            Fate::Restarts => return self.fail(key, exit, ear).await,
            Fate::Stays => self.set(key, State::Stopped),
            Fate::Forgotten => self.remove(key),
        }
        let is_over = match self.auto_shutdown {
            AutoShutdown::Never => false,
            AutoShutdown::AnySignificant => true,
            AutoShutdown::AllSignificant => {
                !self.children.values().any(|child| child.spec.is_significant && child.state != State::Stopped)
            }
        };
        if is_significant && is_over { Err(Why::Significant) } else { Ok(()) }
    }

    /// A child has no process any more; what that has left behind is taken over.
    pub(super) fn gone(&mut self, key: u32) {
        let Some(child) = self.children.get_mut(&key) else { return };
        child.state = State::Stopped;
        if let Some(report) = child.report.take() {
            let report = report.get();
            child.leftovers.extend(report.abandoned.iter().map(|stopped| stopped.pid));
            self.report.add(report);
        }
    }

    /// A child that has to run does not: makes room for its restart, and lays down when that is.
    async fn fail(&mut self, key: u32, reason: &Exit, ear: &mut Ear) -> Result<(), Why> {
        let now = self.clock.now();
        let limits = self.intensity.limits();
        if self.intensity.restart(now) == Verdict::TooMany
            && let Some(why) = self.about(key, Which::Latest, |child| give_up(&self.runtime, child, reason, limits))
        {
            self.set(key, State::Stopped);
            return Err(why);
        }
        let wait = self.children.get_mut(&key).map(|child| child.next_wait(&self.runtime, now, limits.window));
        let wait = wait.unwrap_or_default();
        self.live.restarts.fetch_add(1, Ordering::Relaxed);
        self.about(key, Which::Next, |child| unwind::ignore_panic(|| telemetry::restart(child, reason, wait)));
        self.set(key, State::Due(now.saturating_add(wait)));
        // Those that the strategy leaves alone are not looked at: they may be many.
        let concerned = match self.live.strategy {
            Strategy::OneForOne => key..=key,
            Strategy::OneForAll => 0..=u32::MAX,
            Strategy::RestForOne => key..=u32::MAX,
        };
        let concerned = self.children.range(concerned).map(|(key, child)| (*key, child.spec.restart));
        let (keys, restarts): (Vec<u32>, Vec<Restart>) = concerned.unzip();
        let Ok(ended) = keys.binary_search(&key) else { return Ok(()) };
        let plan = plan(self.live.strategy, &restarts, ended);
        for key in plan.stop.into_iter().map(|at| keys[at]) {
            if self.children.get(&key).is_some_and(|child| child.pid().is_some()) {
                self.stop(key, ear).await?;
                if self.children.get(&key).is_some_and(|child| child.spec.restart == Restart::Temporary) {
                    self.remove(key);
                }
            }
        }
        let at = now.saturating_add(wait);
        for key in plan.start.into_iter().map(|at| keys[at]) {
            self.set(key, State::Due(at));
            let still_there = self.children.get_mut(&key).and_then(|child| child.still_there(&self.runtime));
            if let Some(pid) = still_there {
                self.about(key, Which::Next, |child| unwind::ignore_panic(|| telemetry::restart_waits(child, pid)));
            }
        }
        Ok(())
    }

    /// Tells something of an incarnation of a child.
    fn about<R>(&self, key: u32, which: Which, tell: impl FnOnce(&telemetry::Child<'_>) -> R) -> Option<R> {
        self.children.get(&key).map(|child| {
            tell(&telemetry::Child {
                supervisor: self.own,
                label: self.label.as_deref(),
                child: &child.spec.id,
                spawned_at: child.spec.spawned_at,
                incarnation: match which {
                    Which::Latest => child.incarnation,
                    Which::Next => child.incarnation.saturating_add(1),
                },
            })
        })
    }

    fn tell_not_started(&self, key: u32, error: &StartError) {
        self.about(key, Which::Latest, |child| unwind::ignore_panic(|| telemetry::start_failed(child, error)));
    }
}

/// Which incarnation of a child something is told of.
#[derive(Clone, Copy)]
enum Which {
    /// The one that has ended or has not started.
    Latest,
    /// The one that is to come.
    Next,
}

/// What a supervisor with nothing else to do does next.
enum Next {
    Start(u32),
    Wait(Waiting),
}

/// What has to pass before the next restart.
#[derive(Default)]
struct Waiting {
    wait: Option<Duration>,
    /// Processes that are stuck in a poll.
    until_gone: Vec<Pid>,
}

impl Waiting {
    /// When one of them has.
    async fn over(self, runtime: &Handle) {
        let mut ends: FuturesUnordered<_> = self.until_gone.into_iter().map(|pid| monitor_on(runtime, pid)).collect();
        let end = async {
            if ends.next().await.is_none() {
                std::future::pending::<()>().await;
            }
        };
        let time = async {
            match self.wait {
                Some(wait) => sleep(wait).await,
                None => std::future::pending().await,
            }
        };
        select(pin!(end), pin!(time)).await;
    }
}

//! The process of a supervisor. It handles one input after another. While it waits for the start of a child, it handles some calls.
//! A request to stop interrupts each of its awaits, until it begins to stop its children: from then on only a kill does.

use std::pin::pin;

use futures_util::FutureExt;
use futures_util::future::{Either, select};

use super::call::TreeCall;
use super::child::RestartAttempt;
use super::delayed_starts::{DelayedStart, DelayedStartInput};
use super::exits::ChildExit;
use super::restarts::NextRestart;
use super::state::TreeState;
use crate::error::StartError;
use crate::exit::{Exit, Refusal};
use crate::process::{ExitReceiver, ReportBuilder, StopReport, detach_from_owner, discard};
use crate::supervisor::exit_signals::ExitSignals;
use crate::supervisor::incarnation::{Incarnation, Incarnations, StartGuard};
use crate::supervisor::serve::{Serve, serve};
use crate::supervisor::start_reply::StartReply;
use crate::supervisor::stop_reason::StopReason;
use crate::unwind;

/// A supervisor as its process runs it.
pub(super) struct TreeServer {
    state: TreeState,
    incarnation: Incarnation,
    start: StartProgress,
}

/// How far the start of a supervisor is.
enum StartProgress {
    /// The caller of `start` waits for the children to start.
    Pending(StartReply),
    /// A child failed to start, or the supervisor has to stop. The caller of `start` receives the error when the
    /// supervisor exits.
    Failed(StartReply, StartError),
    Done,
}

/// What ended the wait of a step.
enum TreeInput {
    Exit(ChildExit),
    Call(TreeCall),
    RestartDue,
    Start(DelayedStart, DelayedStartInput),
}

/// Runs a supervisor in its process.
pub(super) async fn serve_tree(
    state: TreeState,
    reply: StartReply,
    incarnation: Incarnation,
    exit_signals: ExitReceiver,
) -> Exit {
    let start = StartProgress::Pending(reply);
    let mut server = TreeServer { state, incarnation: incarnation.clone(), start };
    let exit = serve(&mut server, &incarnation, exit_signals).await;
    let TreeServer { mut state, start, .. } = server;
    let shared = state.shared.clone();
    // Exits may hold errors of the user, whose destructors may panic. A second panic in one unwind would abort the
    // program, so the exits are dropped one by one.
    while let Some(exit) = state.exits.try_next() {
        discard(exit);
    }
    discard(state);
    if let StartProgress::Failed(reply, error) = start {
        // The caller of `start` receives the error, and not the exit of the supervisor over the link.
        detach_from_owner(shared.incarnations.runtime(), shared.incarnations.pid());
        unwind::ignore_panic(|| reply.send(Err(error)));
    }
    exit
}

impl Serve for TreeServer {
    fn incarnations(&self) -> &Incarnations {
        &self.state.shared.incarnations
    }

    fn kill_children(&self) -> impl FnOnce() + Send + use<> {
        let shared = self.state.shared.clone();
        move || {
            let runtime = shared.incarnations.runtime();
            shared.children.processes().into_iter().for_each(|pid| runtime.kill(pid));
        }
    }

    async fn run(&mut self, signals: &mut ExitSignals) -> StopReason {
        let reason = match self.start_children(signals).await {
            Ok(()) => self.work(signals).await,
            Err(reason) => reason,
        };
        // Calls are refused before the children are stopped, since a child may be waiting for a
        // reply.
        self.state.calls.refuse().await;
        reason
    }

    async fn stop_children(&mut self, signals: &mut ExitSignals) -> StopReport {
        self.state.stop_all(signals).await
    }
}

impl TreeServer {
    /// Starts the first children, one after another, and sends the outcome to the caller of `start`: at once if all
    /// have started, otherwise when the supervisor exits.
    async fn start_children(&mut self, signals: &mut ExitSignals) -> Result<(), StopReason> {
        let StartProgress::Pending(mut reply) = std::mem::replace(&mut self.start, StartProgress::Done) else {
            unreachable!("a supervisor runs once")
        };
        let started = match select(pin!(self.state.start_all(signals)), pin!(reply.closed())).await {
            Either::Left((started, _)) => started,
            // The future that awaited the start was dropped.
            Either::Right(_) => Err((StopReason::Stopped, StartError::Refused(Refusal::SupervisorStopped))),
        };
        match started {
            Ok(()) => match unwind::catch_cold(|| reply.send(Ok(StartGuard::new(&self.incarnation)))) {
                Ok(Err(_dropped)) => Err(StopReason::Stopped),
                // A user's waker that panics is not a reason to stop.
                Ok(Ok(())) | Err(_) => Ok(()),
            },
            Err((reason, error)) => {
                self.start = StartProgress::Failed(reply, error);
                Err(reason)
            }
        }
    }

    /// Handles one input after another until there is a reason to stop.
    async fn work(&mut self, signals: &mut ExitSignals) -> StopReason {
        loop {
            if let Err(reason) = self.step(signals).await {
                return reason;
            }
            // The report that `stop` returns does not list what this step has killed. The event `forced` was emitted for that.
            self.state.report = ReportBuilder::default();
        }
    }

    /// Does the first of these for which there is a reason:
    ///
    /// 1. handles one exit;
    /// 2. makes the first attempt of one restart;
    /// 3. makes one retry of a restart;
    /// 4. waits for the next input: handles an exit or an input of a delayed start at once, and leaves a call or a restart to the next
    ///    step.
    ///
    /// If there is a call, this handles it after number 2, and one input of a delayed start as well, so that calls are handled even
    /// while restarts fail again and again. A caller that has seen the exit of a child finds the exit handled: the exit was queued before
    /// the call, and `has_call` is read before the exits are. The caller also finds the child restarted, unless the restart is delayed,
    /// waits for an abandoned process, or has failed.
    async fn step(&mut self, signals: &mut ExitSignals) -> Result<(), StopReason> {
        let has_call = !self.state.calls.is_empty();
        if let Some(exit) = self.state.exits.try_next() {
            return self.state.child_exited(exit, signals).await;
        }
        if let NextRestart::Now(key, RestartAttempt::First) = self.state.next_restart() {
            return self.state.restart_child(key, signals).await;
        }
        if has_call && let Some(call) = self.state.calls.try_next() {
            self.state.handle_call(call, signals).await?;
            // The wait below prefers calls, so a delayed start that has ended would not be seen while there are always calls.
            if let Some((start, input)) = self.state.delayed_starts.next().now_or_never() {
                self.state.handle_delayed_start(start, input, signals).await?;
            }
        }
        let wait = match self.state.next_restart() {
            NextRestart::Now(key, _) => return self.state.restart_child(key, signals).await,
            NextRestart::After(wait) => wait,
        };
        let TreeState { exits, calls, delayed_starts, runtime, .. } = &mut self.state;
        let next = async {
            let (exit, call) = (pin!(exits.next()), pin!(calls.next()));
            let (restart, start) = (pin!(wait.wait(runtime)), pin!(delayed_starts.next()));
            match select(select(exit, call), select(restart, start)).await {
                Either::Left((Either::Left((exit, _)), _)) => TreeInput::Exit(exit),
                Either::Left((Either::Right((call, _)), _)) => TreeInput::Call(call),
                Either::Right((Either::Left(((), _)), _)) => TreeInput::RestartDue,
                Either::Right((Either::Right(((start, input), _)), _)) => TreeInput::Start(start, input),
            }
        };
        match signals.run_until_stopped(next).await? {
            TreeInput::Exit(exit) => self.state.child_exited(exit, signals).await,
            TreeInput::Call(call) => {
                // Exits that have arrived in the meantime come first.
                self.state.calls.put_back(call);
                Ok(())
            }
            TreeInput::RestartDue => Ok(()),
            TreeInput::Start(start, input) => self.state.handle_delayed_start(start, input, signals).await,
        }
    }
}

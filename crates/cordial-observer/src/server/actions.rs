//! Actions: the only requests that change the program.

use std::sync::Arc;
use std::time::Duration;

use cordial::process::{Ending, Inspector, RestartError, StopAnswer, Stopped};
use cordial::{Exit, Pid, Shutdown};
use http::StatusCode;
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout};

use super::reply::Refusal;
use super::session::Caller;
use crate::clock::in_ms;
use crate::collector::NewEntry;
use crate::program_code::ProgramCode;
use crate::shared::ObserverShared;
use crate::source::{bounded_label, shortened, shown_label};
use crate::view::{ActionAnswer, ActionKind, ActionRequest, ActionResult};

/// The grace time of a request that names none, and the longest grace time of any request.
const DEFAULT_GRACE: Duration = Duration::from_secs(5);
const MAX_GRACE: Duration = Duration::from_secs(60);

/// How long an answer waits until a child was started again.
const RESTART_LIMIT: Duration = Duration::from_secs(10);

/// How many bytes of a result an answer and the audit log contain at most. A result contains labels, the text of an error, and
/// the processes that were killed.
const MAX_RESULT: usize = 2000;

/// The result of an action.
struct Performed {
    outcome: ActionResult,
    result: String,
    left: usize,
}

/// Carries out the action that a client requests, if the client may request it, and answers with what really happened.
pub(super) async fn act(
    shared: Arc<ObserverShared>,
    caller: Caller,
    request: ActionRequest,
) -> Result<ActionAnswer, Refusal> {
    let begun = Instant::now();
    let inspector = shared.collector().inspector.clone();
    let pid: Option<Pid> = request.pid.parse().ok();
    let info = pid.and_then(|pid| inspector.info_without_details(pid));
    let label = shown_label(info.as_ref().and_then(|info| info.label.as_ref()));
    let entry = |allowed, result: &str| NewEntry {
        who: caller.who.clone(),
        action: request.kind.name().to_owned(),
        // Only a pid is logged, and not any other text that a client has sent in its place.
        pid: pid.map(|pid| pid.to_string()),
        label: label.clone(),
        allowed,
        result: result.to_owned(),
    };
    if !caller.rights.allows(request.kind) {
        shared.audit(entry(false, "refused: the program does not allow it"));
        let error = format!("the program does not allow the action `{}`", request.kind.name());
        return Err(Refusal::new(StatusCode::FORBIDDEN, error));
    }
    let Some(target) = pid else {
        shared.audit(entry(true, "nothing was done: the request does not name a pid"));
        let error = format!("`{}` is not a pid: a pid is written <1.2.3>", request.pid);
        return Err(Refusal::new(StatusCode::BAD_REQUEST, error));
    };
    let Performed { outcome, result, left } = carry_out(&shared, &inspector, target, &request).await;
    let result = shortened(&result, MAX_RESULT);
    shared.audit(entry(true, &result));
    Ok(ActionAnswer { result, outcome, ended: left == 0, left, took_ms: in_ms(begun.elapsed()) })
}

async fn carry_out(shared: &ObserverShared, inspector: &Inspector, pid: Pid, request: &ActionRequest) -> Performed {
    let grace = request.grace_ms.map_or(DEFAULT_GRACE, Duration::from_millis).min(MAX_GRACE);
    let answer = match request.kind {
        ActionKind::ShutDown => inspector.stop(pid, Shutdown::After(grace)).await,
        ActionKind::Kill => inspector.stop(pid, Shutdown::BrutalKill).await,
        ActionKind::ShutDownSubtree => inspector.stop_subtree(pid, Shutdown::After(grace)).await,
        ActionKind::KillSubtree => inspector.stop_subtree(pid, Shutdown::BrutalKill).await,
        ActionKind::Restart => {
            return restart(&shared.thread, &shared.program_code, inspector, pid, RESTART_LIMIT).await;
        }
    };
    performed(&shared.program_code, inspector, answer).await
}

async fn performed(program_code: &ProgramCode, inspector: &Inspector, answer: StopAnswer) -> Performed {
    let n_alive = |stopped: &[Stopped]| {
        stopped.iter().filter(|stopped| inspector.info_without_details(stopped.pid).is_some()).count()
    };
    let (n_abandoned, n_killed) = (n_alive(&answer.report.abandoned), n_alive(&answer.report.killed));
    let outcome = match answer.ending {
        Ending::InPoll(_) => ActionResult::InPoll,
        _ if !answer.has_ended() => ActionResult::Ending,
        // The process itself has ended, but some of its descendants have not.
        _ if n_abandoned > 0 => ActionResult::InPoll,
        _ if n_killed > 0 => ActionResult::Ending,
        Ending::NoProcess => ActionResult::Gone,
        _ => ActionResult::Ended,
    };
    let left = n_abandoned + n_killed + usize::from(!answer.has_ended());
    Performed { outcome, result: sentence(program_code, answer).await, left }
}

/// Names the code of the program that returns the text of an error. If that code does not return, a sentence with this name takes the place
/// of the text.
const DISPLAY: &str = "the `Display` of its error";

/// Returns an answer as a sentence.
async fn sentence(program_code: &ProgramCode, mut answer: StopAnswer) -> String {
    let StopAnswer { process, report, .. } = &mut answer;
    for stopped in process.iter_mut().chain(&mut report.killed).chain(&mut report.abandoned) {
        stopped.label = stopped.label.as_ref().map(bounded_label);
    }
    let (Ending::Ended(Exit::Error(_)), Some(pid)) = (&answer.ending, answer.pid()) else {
        return format!("{answer}.");
    };
    let with_error = answer.clone();
    // The destructor of the error is code of the program, too. The reference in `answer` is dropped here, so that the thread of the call
    // drops the last one.
    answer.ending = Ending::NoProcess;
    let text = program_code.errors.call(pid, move || shortened(&format!("{with_error}."), MAX_RESULT)).await;
    text.unwrap_or_else(|unanswered| {
        answer.ending = Ending::Ended(Exit::error(unanswered.sentence(DISPLAY)));
        format!("{answer}.")
    })
}

/// Returns the error of a restart as a sentence.
async fn sentence_of_error(program_code: &ProgramCode, pid: Pid, error: RestartError) -> String {
    if !matches!(error, RestartError::NotStarted(_)) {
        return format!("{error}.");
    }
    let text = program_code.errors.call(pid, move || shortened(&format!("{error}."), MAX_RESULT)).await;
    text.unwrap_or_else(|unanswered| {
        format!("the child was stopped, and was not started again {}.", unanswered.sentence(DISPLAY))
    })
}

/// Restarts a child, and waits until its new process has started, but not longer than `limit`.
async fn restart(
    thread: &Handle,
    program_code: &ProgramCode,
    inspector: &Inspector,
    pid: Pid,
    limit: Duration,
) -> Performed {
    let own = inspector.clone();
    // The restart is a task of its own, which continues after the limit: if its future were dropped, the child might be stopped and not
    // started again.
    let restarting = thread.spawn(async move { own.restart(pid).await });
    let restarted = match timeout(limit, restarting).await {
        Ok(Ok(restarted)) => Ok(restarted),
        // The task has panicked, or the observer was stopped.
        Ok(Err(_)) => {
            let result = format!("the restart of {pid} has failed in the observer.");
            return Performed { outcome: ActionResult::Impossible, result, left: 1 };
        }
        Err(late) => Err(late),
    };
    match restarted {
        Ok(Ok(new)) => {
            let result = format!("{pid} was stopped, and its supervisor has started the child again as {new}.");
            Performed { outcome: ActionResult::Ended, result, left: 0 }
        }
        Ok(Err(error)) => {
            let is_gone = inspector.info_without_details(pid).is_none();
            let (outcome, left) = if is_gone { (ActionResult::Gone, 0) } else { (ActionResult::Impossible, 1) };
            Performed { outcome, result: sentence_of_error(program_code, pid, error).await, left }
        }
        Err(_) => {
            let limit = limit.as_secs();
            let result = format!(
                "{pid} was asked to shut down; the child has not started again within {limit} s, and the restart goes on."
            );
            Performed { outcome: ActionResult::Ending, result, left: 1 }
        }
    }
}

#[cfg(test)]
mod tests;

//! Actions: the only requests that change the program.

use std::sync::Arc;
use std::time::Duration;

use cordial::process::{Ending, Inspector, StopAnswer};
use cordial::{Pid, Shutdown};
use http::StatusCode;
use tokio::time::{Instant, timeout};

use super::reply::Refusal;
use super::session::Caller;
use crate::clock::in_ms;
use crate::collector::NewEntry;
use crate::shared::ObserverShared;
use crate::source::shown_label;
use crate::view::{ActionAnswer, ActionKind, ActionRequest, ActionResult};

/// The grace time of a shutdown that names none, and the longest one.
const DEFAULT_GRACE: Duration = Duration::from_secs(5);
const MAX_GRACE: Duration = Duration::from_secs(60);

/// How long an answer waits for a child that is started again.
const RESTART_LIMIT: Duration = Duration::from_secs(10);

/// The result of an action.
struct Performed {
    outcome: ActionResult,
    result: String,
    left: usize,
}

/// Does what a client asks for, if it may, and answers with what really happened.
pub(super) async fn act(
    shared: Arc<ObserverShared>,
    caller: Caller,
    request: ActionRequest,
) -> Result<ActionAnswer, Refusal> {
    let begun = Instant::now();
    let inspector = shared.collector().inspector.clone();
    let pid: Option<Pid> = request.pid.parse().ok();
    let info = pid.and_then(|pid| inspector.info(pid));
    let label = shown_label(info.as_ref().and_then(|info| info.label.as_ref()));
    let entry = |allowed, result: &str| NewEntry {
        who: caller.who.clone(),
        action: request.kind.name().to_owned(),
        // A text that is not a pid is not logged.
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
        let error = format!("`{}` is not a pid: a pid is written <1.2.3>", request.pid);
        return Err(Refusal::new(StatusCode::BAD_REQUEST, error));
    };
    let Performed { outcome, result, left } = carry_out(&inspector, target, &request).await;
    shared.audit(entry(true, &result));
    let ended = matches!(outcome, ActionResult::Ended | ActionResult::Gone);
    Ok(ActionAnswer { result, outcome, ended, left, took_ms: in_ms(begun.elapsed()) })
}

async fn carry_out(inspector: &Inspector, pid: Pid, request: &ActionRequest) -> Performed {
    let grace = request.grace_ms.map_or(DEFAULT_GRACE, Duration::from_millis).min(MAX_GRACE);
    match request.kind {
        ActionKind::ShutDown => performed(&inspector.stop(pid, Shutdown::After(grace)).await),
        ActionKind::Kill => performed(&inspector.stop(pid, Shutdown::BrutalKill).await),
        ActionKind::ShutDownSubtree => performed(&inspector.stop_subtree(pid, Shutdown::After(grace)).await),
        ActionKind::KillSubtree => performed(&inspector.stop_subtree(pid, Shutdown::BrutalKill).await),
        ActionKind::Restart => restart(inspector, pid).await,
    }
}

fn performed(answer: &StopAnswer) -> Performed {
    let outcome = match answer.ending {
        Ending::NoProcess => ActionResult::Gone,
        Ending::InPoll(_) => ActionResult::InPoll,
        _ if answer.has_ended() => ActionResult::Ended,
        _ => ActionResult::Ending,
    };
    let left = answer.report.abandoned.len() + usize::from(!answer.has_ended());
    Performed { outcome, result: format!("{answer}."), left }
}

async fn restart(inspector: &Inspector, pid: Pid) -> Performed {
    match timeout(RESTART_LIMIT, inspector.restart(pid)).await {
        Ok(Ok(new)) => {
            let result = format!("{pid} was stopped, and its supervisor has started the child again as {new}.");
            Performed { outcome: ActionResult::Ended, result, left: 0 }
        }
        Ok(Err(error)) if inspector.info(pid).is_none() => {
            Performed { outcome: ActionResult::Gone, result: format!("{error}."), left: 0 }
        }
        Ok(Err(error)) => Performed { outcome: ActionResult::Impossible, result: format!("{error}."), left: 1 },
        Err(_) => {
            let limit = RESTART_LIMIT.as_secs();
            let result = format!("{pid} was asked to shut down; the child has not started again within {limit} s.");
            Performed { outcome: ActionResult::Ending, result, left: 1 }
        }
    }
}

//! One call: it is accepted, the caller gets heartbeats while the function runs, and then the outcome. A call is not repeated.

use std::sync::Arc;
use std::time::Duration;

use async_nats::{HeaderMap, Message};
use bytes::Bytes;
use cordial::{Exit, Lost, LostCause, Shutdown, Task};
use cordial_isolate::dispatch::Outcome;
use tokio::time::Instant;

use super::node::{NodeState, RunKey};
use super::settings::Settings;
use crate::cluster::ClusterShared;
use crate::names::text_of;
use crate::net::{CancelReason, CancellationToken, KeepAliveKind, OutgoingMessage, ReplySubject};
use crate::unwind::contain;
use crate::wire::{FINGERPRINT, FUNCTION, NODE, STATE, State, header, read_carried};

/// Answers a call for which there is no slot: the caller asks again, and the server chooses a worker.
pub(super) fn refuse_call(shared: &ClusterShared, node: &NodeState, call: &Message) {
    if let Some(inbox) = &call.reply {
        answer(shared, node, inbox, State::Busy, Bytes::new());
    }
}

/// How long a stop waits for the end of code that was killed, and that may block.
pub(super) const KILL_LIMIT: Duration = Duration::from_millis(100);

/// Ends the task of a function, and drops its result, if it has one. That may be an error of the user, whose destructor may panic.
pub(super) async fn end_task(task: Task<Vec<u8>>, shutdown: Shutdown) {
    let result = task.shutdown(shutdown).await;
    contain(|| drop(result));
}

/// Runs a call.
pub(super) async fn run_call(settings: Settings, node: Arc<NodeState>, call: Message) {
    let Some(inbox) = call.reply.map(|inbox| inbox.to_string()) else { return };
    let shared = settings.shared.clone();
    let cancellation = Arc::new(CancellationToken::default());
    let _registered = node.register(RunKey::Call(inbox.clone()), cancellation.clone());
    let to_caller = Arc::new(ReplySubject::new(inbox.clone()));
    let _heartbeats =
        shared.connection.keep_alive(KeepAliveKind::Caller, to_caller, cancellation.clone(), Instant::now());
    answer(&shared, &node, &inbox, State::Accepted, Bytes::new());
    let headers = call.headers.unwrap_or_default();
    let function = header(&headers, FUNCTION).and_then(text_of).unwrap_or_default();
    let fingerprint = header(&headers, FINGERPRINT).and_then(|text| u64::from_str_radix(text, 16).ok());
    let outcome = match settings.find(&function, fingerprint.unwrap_or_default()) {
        Err(unserved) => Outcome::unserved(unserved),
        Ok(runner) => {
            let mut task = settings.start(&runner, call.payload.to_vec(), read_carried(&headers));
            let ended = tokio::select! {
                result = &mut task => Ok(result),
                reason = cancellation.cancelled() => Err(reason),
            };
            match ended {
                Ok(result) => Outcome::from_result(result),
                Err(CancelReason::WorkerStops) => {
                    // The caller gets an answer now, and need not wait until heartbeats are missing. Code that blocks ends later.
                    let _ = tokio::time::timeout(KILL_LIMIT, end_task(task, Shutdown::BrutalKill)).await;
                    Outcome::from_result(Err(stopped(&node, &function)))
                }
                Err(CancelReason::CallerGone | CancelReason::Cancelled | CancelReason::LeaseLost) => {
                    end_task(task, Shutdown::BrutalKill).await;
                    return;
                }
            }
        }
    };
    let bytes = fitting(&shared, outcome);
    answer(&shared, &node, &inbox, State::Done, bytes);
}

/// Returns the exit of a call that has not ended before its worker stops.
fn stopped(node: &NodeState, function: &str) -> Exit {
    let lost = Lost::builder(LostCause::NodeDown { node: node.name.clone() }).function(function);
    lost.place("a worker that has been stopped").build().into()
}

/// Returns the bytes of an outcome, or of the error that it is too large for a message.
pub(super) fn fitting(shared: &ClusterShared, outcome: Outcome) -> Bytes {
    /// Room for the headers.
    const HEADERS: usize = 1024;
    let bytes = outcome.encode();
    let limit = shared.connection.max_payload();
    if bytes.len() + HEADERS <= limit {
        return bytes.into();
    }
    let text = format!(
        "the result has {} bytes, and the server accepts messages of up to {limit} bytes (`max_payload`); return the name of a file or of an object \
         in a store instead, or raise the limit of the server",
        bytes.len()
    );
    Outcome::from_result(Err(Exit::from(text))).encode().into()
}

fn answer(shared: &ClusterShared, node: &NodeState, inbox: &str, state: State, payload: Bytes) {
    let mut headers = HeaderMap::new();
    headers.insert(STATE, state.as_str());
    headers.insert(NODE, &*node.name);
    // If the caller is gone when `Accepted` arrives, its program replies with the request to end the call.
    let reply = (state == State::Accepted).then(|| shared.subjects.node(&node.name));
    shared.connection.publish(OutgoingMessage { subject: inbox.to_owned(), reply, headers, payload });
}

//! The caller's side of a call, from its submission to its reply. It runs in a process of `cordial`, such as the task of `Pool::call`.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use cordial::{Exit, Lost, process};
use tokio::sync::oneshot;

use super::call::{Call, LostWorker, Reply, ShutdownOutcome};
use super::error::PoolError;
use super::shared::PoolShared;
use crate::dispatch::{Carried, Outcome};
use crate::frame::{Outgoing, Preface, TooLarge, check_length};
use crate::function::Signature;
use crate::init;

/// Submits a call, and waits for its reply. Dropping the future kills the worker that runs the call, or takes a waiting call out of the queue.
///
/// The call carries `extra`, and what [`Functions::travels`](crate::Functions::travels) and
/// [`Functions::trace_context`](crate::Functions::trace_context) of this program add. If a name is in both, the value of `extra` counts.
pub(super) async fn run(
    shared: Arc<PoolShared>,
    signature: Signature,
    input: Vec<u8>,
    extra: Carried,
) -> Result<Vec<u8>, Exit> {
    check_length(input.len(), shared.config.max_payload)
        .map_err(|error| Exit::from(error.sentence_about("argument")))?;
    let mut carried = init::carried();
    carried.merge(extra);
    if let Some(missing) = carried.missing() {
        return Err(Exit::from(missing.to_owned()));
    }
    let preface = Preface { name: signature.name().to_owned(), fingerprint: signature.fingerprint(), carried };
    let (reply, mut replied) = oneshot::channel();
    let id = shared.next_call();
    let frame = Outgoing::call(id, input, &preface);
    frame.check_extra().map_err(|TooLarge { length, max }| {
        Exit::from(format!(
            "what the call carries besides its argument has {length} bytes, and {max} are allowed; make the values of `Functions::travels` smaller, or pass them in the argument"
        ))
    })?;
    // Opts in to graceful shutdown before the worker gets the call: otherwise, a request would drop this future, which kills the worker. If the
    // request has come already, the checkpoint ends the call.
    let mut asked = pin!(cordial::shutdown_requested());
    cordial::checkpoint();
    let call = Call { id, signature, process: process::current(), frame: Some(frame), reply, since: None };
    shared.submit(call).map_err(|error| Exit::Error(Arc::new(error)))?;
    let guard = KillOnDrop { shared: &shared, id };
    let mut is_asked = false;
    let reply = poll_fn(|cx| {
        if let Poll::Ready(reply) = pin!(&mut replied).poll(cx) {
            return Poll::Ready(reply.ok());
        }
        if !is_asked && asked.as_mut().poll(cx).is_ready() {
            is_asked = true;
            match shared.ask_to_stop(id) {
                ShutdownOutcome::NotStarted => return Poll::Ready(Some(Reply::Ended(Exit::Shutdown(None)))),
                ShutdownOutcome::Running | ShutdownOutcome::Ended => {}
            }
        }
        Poll::Pending
    });
    let reply = reply.await;
    std::mem::forget(guard);
    let process = || process::current().and_then(process::info);
    match reply {
        Some(Reply::Done(bytes)) => {
            let outcome = Outcome::decode(bytes).map_err(|error| Exit::Error(Arc::new(error)))?;
            let process = if outcome.is_ok() { None } else { process() };
            outcome.into_result(signature, process.as_ref())
        }
        Some(Reply::Lost(LostWorker { os_pid, cause, ran_for, stderr })) => {
            let lost = Lost::builder(cause).function(signature.name()).place(format!("OS process {os_pid}"));
            let lost = lost.ran_for(ran_for).stderr(stderr);
            Err(match process() {
                Some(process) => lost.spawned_at(process.spawned_at),
                None => lost,
            }
            .build()
            .into())
        }
        Some(Reply::Ended(exit)) => Err(exit),
        None => Err(Exit::Error(Arc::new(PoolError::Stopped))),
    }
}

/// Cancels a call whose future is dropped.
struct KillOnDrop<'a> {
    shared: &'a PoolShared,
    id: u64,
}

impl Drop for KillOnDrop<'_> {
    fn drop(&mut self) {
        self.shared.cancel(self.id);
    }
}

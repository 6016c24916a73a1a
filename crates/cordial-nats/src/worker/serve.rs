//! The process of a worker: pulls jobs and takes calls while it has free slots, until it is asked to stop.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_nats::Message;
use bytes::Bytes;
use cordial::{Exit, Shutdown, TaskSet, process, shutdown_requested};
use futures_util::FutureExt;
use tokio::sync::oneshot;
use tracing::{debug, warn};

use super::delivery::give_back;
use super::node::{NodeState, RunKey};
use super::pull_consumer::{DRAIN_LIMIT, PullConsumer, PullEvent, wait_at_most};
use super::run_call::{refuse_call, run_call};
use super::run_job::run_job;
use super::settings::Settings;
use super::turns::{Turns, Work};
use crate::connect_error::ConnectError;
use crate::names::JobId;
use crate::net::{CancelReason, NetError, RequestHandler, Subscription};
use crate::streams::{PullLimits, ensure_consumer, refused};
use crate::unwind::contain;
use crate::wire::{HOLDS, lease_asked_for};

/// The queue group of all workers: a call goes to one of them.
const QUEUE: &str = "cordial";

/// How long a worker waits, after its requests for jobs were lost, before it asks again.
const RETRY_DELAY: Duration = Duration::from_millis(200);

/// How long a stop waits until the client has written its messages to the socket.
const FLUSH_LIMIT: Duration = Duration::from_secs(1);

/// How long a stop waits until jobs are given back: `KILL_LIMIT` and `STOP_RECORD_LIMIT`, and some time for a busy machine.
const GIVE_BACK_LIMIT: Duration = Duration::from_millis(1400);

/// A worker that serves. Dropping it ends its subscriptions.
struct ServingWorker {
    settings: Settings,
    node: Arc<NodeState>,
    calls: Vec<Subscription>,
    _handlers: Vec<oneshot::Sender<()>>,
}

/// Starts a worker, after its streams were made: subscribes, and returns the future that serves.
pub(super) async fn serve(
    settings: Settings,
) -> Result<impl Future<Output = Result<(), Exit>> + Send + 'static, ConnectError> {
    let shared = settings.shared.clone();
    let group = settings.group.clone();
    let functions = settings.functions.names().map(str::to_owned).collect();
    let node = Arc::new(NodeState::new(shared.name.clone(), group.clone(), settings.slots, functions));
    let subscribed = |error| refused("subscribe to calls", error);
    let mut handlers = Vec::new();
    for (subject, handler) in request_handlers(&settings, &node) {
        handlers.push(shared.connection.on_request(subject, handler).await.map_err(subscribed)?);
    }
    let mut calls = Vec::new();
    for function in settings.functions.names() {
        let subscription = shared.connection.subscribe(shared.subjects.call(function), Some(QUEUE)).await;
        calls.push(subscription.map_err(subscribed)?);
    }
    // The consumer is ensured after the subscriptions: the answer of the server shows that it has these as well, so calls find this worker.
    let limits = ensure_consumer(&shared.connection, &shared.subjects, &group, shared.lease).await?;
    let consumer = PullConsumer::new(&shared, &node, limits).await.map_err(|error| refused("ask for jobs", error))?;
    process::set_label(format!("worker of the group {group}"));
    Ok(ServingWorker { settings, node, calls, _handlers: handlers }.run(consumer))
}

/// Returns the subjects of the requests that the thread of the connection handles, with their handlers: questions about the node, and requests
/// to end a run or to drain.
fn request_handlers(settings: &Settings, node: &Arc<NodeState>) -> Vec<(String, RequestHandler)> {
    let subjects = &settings.shared.subjects;
    let describe: RequestHandler = {
        let node = node.clone();
        Arc::new(move |_| serde_json::to_vec(&node.describe()).ok().map(Bytes::from))
    };
    let requested: RequestHandler = {
        let node = node.clone();
        Arc::new(move |message| {
            match message.payload.as_ref() {
                b"drain" => node.start_draining(),
                // This request ends calls only: to end a job takes the permission to cancel.
                end if end.starts_with(b"end ") => {
                    let inbox = String::from_utf8_lossy(&end[4..]).into_owned();
                    node.cancel(&RunKey::Call(inbox), CancelReason::CallerGone);
                }
                question => {
                    if let Some((id, arrival)) = lease_asked_for(question) {
                        // Several workers may have one name. Only the one that has the lease answers.
                        return node.holds(&id, arrival).then(|| Bytes::from_static(HOLDS));
                    }
                }
            }
            Some(Bytes::from_static(b"ok"))
        })
    };
    let cancel: RequestHandler = {
        let node = node.clone();
        Arc::new(move |message| {
            if let Some(id) = JobId::of_subject(&message.subject) {
                node.cancel(&RunKey::Job(id), CancelReason::Cancelled);
            }
            None
        })
    };
    vec![
        (subjects.nodes(), describe),
        (subjects.node(&node.name), requested),
        (subjects.of_group("end", &settings.group), cancel),
    ]
}

impl ServingWorker {
    async fn run(mut self, consumer: PullConsumer) -> Result<(), Exit> {
        let mut running = TaskSet::new();
        let shared = self.settings.shared.clone();
        let mut stop = shutdown_requested().boxed();
        // An error means that the connection has ended: no lease is renewed, and no result arrives. So the process ends, which asks what runs to
        // shut down.
        let stop_request =
            self.pull(consumer, &mut running, &mut stop).await.map_err(|error| Exit::Error(Arc::new(error)))?;
        // Other programs see that the worker takes nothing any more.
        self.node.start_draining();
        // Callers whose calls were on their way to this worker ask again, and get another one.
        self.refuse_calls().await;
        shared.connection.flush(FLUSH_LIMIT).await;
        contain(|| debug!(target: "cordial::fleet", node = &*self.node.name, running = running.len(), "worker_stops"));
        let (grace, node) = (self.settings.grace, self.node.clone());
        if stop_request == StopRequest::Drain {
            // A drained worker has no limit until it is asked to shut down as well.
            tokio::select! {
                () = wait_all(&mut running, &node) => {}
                () = &mut stop => {}
            }
        }
        let _ = tokio::time::timeout(grace, wait_all(&mut running, &node)).await;
        // Ends the runs that are left. Each gives its job back, or answers its caller.
        node.cancel_all(CancelReason::WorkerStops);
        wait_at_most(GIVE_BACK_LIMIT, wait_all(&mut running, &node)).await;
        drop(running.shutdown(Shutdown::BrutalKill).await);
        shared.connection.flush(FLUSH_LIMIT).await;
        match stop_request {
            StopRequest::Shutdown => Ok(()),
            StopRequest::Drain => {
                // A permanent child that ends is started again, and a drained one must not be.
                stop.await;
                Ok(())
            }
        }
    }

    /// Unsubscribes from calls, and refuses those that were sent here before.
    async fn refuse_calls(&mut self) {
        let ServingWorker { settings, node, calls, .. } = self;
        for subscription in &*calls {
            subscription.drain();
        }
        let refuse = async {
            for subscription in calls.iter_mut() {
                while let Some(call) = subscription.next().await {
                    refuse_call(&settings.shared, node, &call);
                }
            }
        };
        wait_at_most(DRAIN_LIMIT, refuse).await;
        calls.clear();
    }

    /// Pulls and runs until the worker has to stop. Fails if the connection has ended.
    async fn pull(
        &mut self,
        mut consumer: PullConsumer,
        running: &mut TaskSet<()>,
        stop: &mut (impl Future<Output = ()> + Unpin),
    ) -> Result<StopRequest, ConnectError> {
        let ServingWorker { settings, node, calls, .. } = self;
        let shared = settings.shared.clone();
        let mut connects = shared.connection.connects();
        connects.mark_unchanged();
        let mut turns = Turns::default();
        loop {
            let n_hand_overs = node.n_hand_overs();
            // A slot is free when its function has ended: the next job arrives while the result is handed over. The number of results that
            // are handed over is bounded, because they pile up while the server keeps none.
            let n_bounded = (2 * settings.slots).saturating_sub(running.len() + n_hand_overs);
            let n_free = settings.slots.saturating_sub(running.len() + turns.n_reserved(Work::Call)).min(n_bounded);
            turns.note_free(settings.slots.saturating_sub(running.len()));
            let refusal = tokio::select! {
                biased;
                asked = consumer.ask(&shared, &settings.group, n_free) => asked.err().map(|error| error.to_string()),
                // A stop does not wait for `ask`, which waits for room in the client, for example while the client is not connected.
                request = next_stop(stop, node) => {
                    consumer.close(&shared).await;
                    return Ok(request);
                }
            };
            let lost = tokio::select! {
                biased;
                request = next_stop(stop, node) => {
                    consumer.close(&shared).await;
                    return Ok(request);
                }
                Some(reason) = std::future::ready(refusal) => Some(reason),
                Some(_) = running.next(), if !running.is_empty() => {
                    // All that have ended are counted, so that one request asks for several jobs.
                    while let Some(Some(_)) = running.next().now_or_never() {}
                    None
                }
                // Before jobs and calls, which may be ready all the time.
                () = turns.wait_end() => None,
                pulled = consumer.next() => match pulled {
                    // Since the job was asked for, calls have taken the slots, one was reserved for a call, or results that are handed over
                    // have reached the bound.
                    PullEvent::Job(received) if n_free == 0 => {
                        give_back(&shared, *received);
                        // A free slot is left to calls: it is reserved for one, or the bound allows no job.
                        if running.len() >= settings.slots {
                            turns.note_refused(Work::Job);
                        }
                        None
                    }
                    PullEvent::Job(received) => {
                        turns.note_begun(Work::Job);
                        running.spawn(run_job(settings.clone(), node.clone(), *received));
                        None
                    }
                    PullEvent::Nothing => None,
                    PullEvent::Lost(reason) => Some(reason),
                },
                call = next_call(calls) => {
                    take_call(settings, node, running, &mut turns, call);
                    None
                }
                () = node.wait_hand_overs(n_hand_overs.saturating_sub(1)), if n_free == n_bounded => None,
                _ = connects.changed() => Some("the client has connected again".to_owned()),
            };
            if let Some(reason) = lost {
                contain(|| debug!(target: "cordial::fleet", node = &*node.name, reason, "pull_lost"));
                // The consumer is closed before the wait: a request that the server still has would bring jobs that nothing takes.
                let limits = consumer.limits();
                consumer.close(&shared).await;
                // No slot stays reserved for jobs: none arrives before the restart, which may take long.
                turns = Turns::default();
                let mut restarted = pin!(restart(settings, node, limits));
                consumer = loop {
                    tokio::select! {
                        biased;
                        () = &mut *stop => return Ok(StopRequest::Shutdown),
                        () = node.wait_drain() => return Ok(StopRequest::Drain),
                        Some(_) = running.next(), if !running.is_empty() => {}
                        again = &mut restarted => break again?,
                        // Calls need no stream, so they are served while there are no jobs.
                        call = next_call(calls) => take_call(settings, node, running, &mut turns, call),
                    }
                };
            }
        }
    }
}

/// Waits until no function runs, and no result is being handed over.
async fn wait_all(running: &mut TaskSet<()>, node: &NodeState) {
    while running.next().await.is_some() {}
    node.wait_hand_overs(0).await;
}

/// Why a worker takes no more work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StopRequest {
    Shutdown,
    Drain,
}

/// Waits until the worker is asked to stop or to drain.
async fn next_stop(stop: &mut (impl Future<Output = ()> + Unpin), node: &NodeState) -> StopRequest {
    tokio::select! {
        biased;
        () = stop => StopRequest::Shutdown,
        () = node.wait_drain() => StopRequest::Drain,
    }
}

/// Runs a call if there is a free slot.
fn take_call(settings: &Settings, node: &Arc<NodeState>, running: &mut TaskSet<()>, turns: &mut Turns, call: Message) {
    if running.len() + turns.n_reserved(Work::Job) >= settings.slots {
        refuse_call(&settings.shared, node, &call);
        turns.note_refused(Work::Call);
    } else {
        running.spawn(run_call(settings.clone(), node.clone(), call));
        turns.note_begun(Work::Call);
    }
}

/// Makes another `PullConsumer` after requests for jobs were lost. Tries until there is one, and makes or checks the streams before each try.
/// Fails if the connection has ended, because an ended connection does not come back.
async fn restart(
    settings: &Settings,
    node: &Arc<NodeState>,
    mut limits: PullLimits,
) -> Result<PullConsumer, ConnectError> {
    let shared = &settings.shared;
    loop {
        tokio::time::sleep(RETRY_DELAY).await;
        // The stream or the consumer may have been deleted.
        let ensured = async {
            shared.ensure_again(&settings.group).await?;
            ensure_consumer(&shared.connection, &shared.subjects, &settings.group, shared.lease).await
        };
        match ensured.await {
            Ok(found) => limits = found,
            Err(error) if error.is_end_of_connection() => return Err(error),
            Err(
                error @ (ConnectError::Silent { .. } | ConnectError::NoLeader { .. } | ConnectError::Refused { .. }),
            ) => {
                contain(|| warn!(target: "cordial::fleet", node = &*shared.name, %error, "server_unavailable"));
            }
            Err(error) => {
                contain(|| warn!(target: "cordial::fleet", node = &*shared.name, %error, "stream_unusable"));
                continue;
            }
        }
        match PullConsumer::new(shared, node, limits).await {
            Ok(consumer) => return Ok(consumer),
            Err(error @ NetError::Ended) => return Err(refused("ask for jobs", error)),
            Err(error) => {
                contain(|| warn!(target: "cordial::fleet", node = &*shared.name, %error, "server_unavailable"))
            }
        }
    }
}

/// Returns the next call for any function. Never ready without functions. The functions take turns, so that many calls of one function do not
/// keep those of another one waiting.
async fn next_call(calls: &mut [Subscription]) -> Message {
    std::future::poll_fn(|cx| {
        for at in 0..calls.len() {
            if let std::task::Poll::Ready(Some(call)) = calls[at].poll_next(cx) {
                calls.rotate_left(at + 1);
                return std::task::Poll::Ready(call);
            }
        }
        std::task::Poll::Pending
    })
    .await
}

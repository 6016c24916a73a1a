//! `PullConsumer`: asks the consumer of a group for jobs, for exactly as many as there are free slots.
//!
//! A pull request names a number of messages and a time. When the time is over, the server sends the status 408, with the number of
//! messages that it has not sent. A request is lost if the client connects again or the consumer gets another leader. To find that out, each
//! request asks the server for heartbeats while it is open: after five seconds without a message, the consumer starts again with another inbox.
//! The server drops requests whose inbox has no subscription.
//!
//! A job may wait in a socket for a long time: its worker was frozen, or the network was interrupted. The consumer recognizes this by a long
//! gap between two messages: the server may have sent the second one, and those that arrive with it, right after the first. The lease of such
//! a job may have run out, so the worker looks for a result before it runs the job, and the consumer starts again after these messages.

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_nats::Message;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use super::delivery::{delivery_info, give_back};
use super::node::NodeState;
use super::received_job::{ReceivedJob, SILENCE, is_late};
use crate::cluster::ClusterShared;
use crate::names::JobId;
use crate::net::{CancellationToken, Connection, HandlerSubscription, KeepAliveKind, NetError, ReplySubject};
use crate::streams::{CONSUMER, PullLimits};

/// How long a request is open.
const EXPIRES: Duration = Duration::from_secs(30);

/// The time between two heartbeats with which the server shows that a request is open, unless a quarter of a lease is shorter.
const IDLE_HEARTBEAT: Duration = Duration::from_secs(2);

/// How long a worker waits, after it has unsubscribed, for what the server had sent before.
pub(super) const DRAIN_LIMIT: Duration = Duration::from_millis(500);

/// Waits for a future, for at most `limit`. If the program was frozen, or got no processor, that counts as a tenth of the limit at most: what has
/// arrived meanwhile is still to be read.
pub(super) async fn wait_at_most(limit: Duration, future: impl Future) {
    const PARTS: u32 = 10;
    let mut future = pin!(future);
    for _ in 0..PARTS {
        if timeout(limit / PARTS, &mut future).await.is_ok() {
            return;
        }
    }
}

/// How many requests of one worker are open at most. If the requests of all workers together exceed the limit of the consumer, the server refuses
/// a request, and the worker that has sent it loses all of its requests.
const MAX_REQUESTS: usize = 64;

pub(super) struct PullConsumer {
    inbox: String,
    limits: PullLimits,
    events: mpsc::UnboundedReceiver<PullEvent>,
    subscription: HandlerSubscription,
    requests: Arc<Mutex<Requests>>,
}

/// The requests that are open. Shared with the thread of the connection, which sees each message as soon as it has arrived.
struct Requests {
    /// How many jobs were asked for and have not arrived.
    n_open: usize,
    /// An upper bound of the number of open requests: those that were sent since none was open, and at most `n_open`.
    n_requests: usize,
    /// The server sends the next message later than this: when the last message arrived, or when jobs were asked for while no request was open.
    /// Stays the same once a message was late.
    last_message: Instant,
    /// Whether a message was late. All messages that still arrive may be as old.
    is_in_doubt: bool,
}

/// What a message of the server means.
pub(super) enum PullEvent {
    Job(Box<ReceivedJob>),
    /// The end of a request, a heartbeat that was late, or a delivery of a job that this node has already.
    Nothing,
    /// The requests are lost, for this reason. The consumer has to be made again.
    Lost(String),
}

impl PullConsumer {
    pub(super) async fn new(
        shared: &ClusterShared,
        node: &Arc<NodeState>,
        limits: PullLimits,
    ) -> Result<PullConsumer, NetError> {
        let inbox = shared.connection.new_inbox();
        let requests = Requests { n_open: 0, n_requests: 0, last_message: Instant::now(), is_in_doubt: false };
        let requests = Arc::new(Mutex::new(requests));
        // The channel needs no bound: the server sends no more jobs than were asked for.
        let (to, events) = mpsc::unbounded_channel();
        let (connection, lease) = (shared.connection.clone(), shared.lease);
        let (received, node) = (requests.clone(), node.clone());
        let handler = move |message| {
            // The lock is held until the event is sent, so that `ask` counts each job once: as open, or as one of the events.
            let mut requests = lock(&received);
            if let Some(event) = receive(&connection, &node, lease, &mut requests, message) {
                let _ = to.send(event);
            }
        };
        let subscription = shared.connection.handle(inbox.clone(), None, Box::new(handler)).await?;
        Ok(PullConsumer { inbox, limits, events, subscription, requests })
    }

    pub(super) fn limits(&self) -> PullLimits {
        self.limits
    }

    /// Asks for jobs until `n_free` are on their way or have arrived and were not taken. If no further request may be open, the rest has to wait
    /// until one ends.
    pub(super) async fn ask(&mut self, shared: &ClusterShared, group: &str, n_free: usize) -> Result<(), NetError> {
        let mut n_missing = {
            let mut requests = lock(&self.requests);
            requests.n_requests = requests.n_requests.min(requests.n_open);
            let n_requests = MAX_REQUESTS.min(self.limits.waiting).saturating_sub(requests.n_requests);
            let n_missing = n_free.saturating_sub(requests.n_open + self.events.len());
            let n_missing = n_missing.min(n_requests.saturating_mul(self.limits.batch));
            if n_missing == 0 {
                return Ok(());
            }
            requests.n_requests += n_missing.div_ceil(self.limits.batch);
            if requests.n_open == 0 && !requests.is_in_doubt {
                requests.last_message = Instant::now();
            }
            requests.n_open += n_missing;
            n_missing
        };
        let expires = EXPIRES.min(self.limits.expires);
        // The server takes no heartbeat that is longer than half of the time of the request.
        let heartbeat = IDLE_HEARTBEAT.min(shared.lease / 4).min(expires / 2);
        let subject = format!("$JS.API.CONSUMER.MSG.NEXT.{}.{CONSUMER}", shared.subjects.jobs_stream(group));
        while n_missing > 0 {
            let batch = n_missing.min(self.limits.batch);
            n_missing -= batch;
            // Written by hand: there is a request for each job, and a value of `serde_json` has an allocation for each field.
            let (expires, heartbeat) = (expires.as_nanos(), heartbeat.as_nanos());
            let request = format!(r#"{{"batch":{batch},"expires":{expires},"idle_heartbeat":{heartbeat}}}"#).into();
            shared.connection.publish_with_reply(subject.clone(), self.inbox.clone(), request).await?;
        }
        Ok(())
    }

    /// Ends the requests that are open, and gives back what was delivered and not taken. What is late is left to its lease: another worker may
    /// have it.
    pub(super) async fn close(mut self, shared: &Arc<ClusterShared>) {
        self.subscription.drain();
        let rest = async {
            while let Some(event) = self.events.recv().await {
                if let PullEvent::Job(received) = event {
                    give_back(shared, *received);
                }
            }
        };
        wait_at_most(DRAIN_LIMIT, rest).await;
    }

    /// Returns the next job or the next end of a request. Returns `Lost` if the server refuses a request, does not answer a request for jobs, or has
    /// sent messages that were late, or if the connection has ended. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> PullEvent {
        let requests = self.requests.clone();
        let silence = async {
            loop {
                let (n_open, last_message) = {
                    let requests = lock(&requests);
                    if requests.is_in_doubt {
                        return "messages were late".to_owned();
                    }
                    (requests.n_open, requests.last_message)
                };
                if n_open == 0 {
                    return std::future::pending().await;
                }
                if last_message.elapsed() >= SILENCE {
                    return format!("the server was silent for {SILENCE:?}");
                }
                tokio::time::sleep_until(last_message + SILENCE).await;
            }
        };
        tokio::select! {
            // What has arrived comes first.
            biased;
            event = self.events.recv() => event.unwrap_or_else(|| PullEvent::Lost("the connection has ended".to_owned())),
            reason = silence => PullEvent::Lost(reason),
        }
    }
}

/// Takes a message of the server, on the thread of the connection. `None` for a heartbeat that was not late.
fn receive(
    connection: &Connection,
    node: &Arc<NodeState>,
    lease: Duration,
    requests: &mut Requests,
    message: Message,
) -> Option<PullEvent> {
    let sent_after = requests.last_message;
    let is_late = is_late(sent_after, lease);
    requests.is_in_doubt |= requests.n_open > 0 && is_late;
    if !requests.is_in_doubt {
        requests.last_message = Instant::now();
    }
    match message.status.map(|status| status.as_u16()) {
        None => {
            requests.n_open = requests.n_open.saturating_sub(1);
            let cancellation = Arc::new(CancellationToken::default());
            let id = JobId::of_subject(&message.subject);
            let subject = message.reply.as_ref().map(ToString::to_string);
            let submitted = subject.as_deref().and_then(delivery_info).map(|info| info.submitted);
            if let (Some(id), Some(subject), Some(submitted)) = (&id, &subject, &submitted)
                && node.take_over(id, submitted, subject)
            {
                return Some(PullEvent::Nothing);
            }
            let reply = subject.map(|subject| Arc::new(ReplySubject::new(subject)));
            let arrival = fastrand::u64(1..);
            let registered = id.zip(reply.clone()).map(|(id, reply)| {
                node.register_job(id, cancellation.clone(), submitted.unwrap_or_default(), reply, arrival)
            });
            let renewed = reply.clone().filter(|_| !is_late && registered.is_some());
            let lease = renewed.map(|reply| {
                let kind = KeepAliveKind::Lease(lease);
                connection.keep_alive(kind, reply, cancellation.clone(), sent_after)
            });
            let received =
                ReceivedJob { message, is_late, sent_after, reply, arrival, cancellation, registered, lease };
            Some(PullEvent::Job(Box::new(received)))
        }
        // If messages were late, this wakes `next`, which reports that.
        Some(100) => requests.is_in_doubt.then_some(PullEvent::Nothing),
        // The time of a request is over, or a limit of the consumer was reached: the header says how many jobs it did not get.
        Some(408 | 409) if pending_of(&message).is_some() => {
            requests.n_open = requests.n_open.saturating_sub(pending_of(&message).unwrap_or(0));
            Some(PullEvent::Nothing)
        }
        Some(status) => {
            let reason = format!("{status} {}", message.description.as_deref().unwrap_or_default());
            Some(PullEvent::Lost(reason.trim().to_owned()))
        }
    }
}

fn lock(requests: &Mutex<Requests>) -> MutexGuard<'_, Requests> {
    requests.lock().unwrap_or_else(PoisonError::into_inner)
}

fn pending_of(message: &Message) -> Option<usize> {
    let pending = message.headers.as_ref()?.get("Nats-Pending-Messages")?;
    pending.as_str().parse().ok()
}

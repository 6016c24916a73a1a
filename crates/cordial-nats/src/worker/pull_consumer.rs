//! `PullConsumer`: asks the consumer of a group for jobs, for exactly as many as there are free slots.
//!
//! A pull request names a number of messages and a time. When the time is over, the server sends the status 408, with the number of
//! messages that it has not sent. A request is lost if the client connects again or the consumer gets another leader, so the server
//! sends a heartbeat while a request is open: without one, the consumer starts again with another inbox. The server drops requests
//! whose inbox has no subscription.
//!
//! A job may wait in a socket for a long time: its worker was frozen, or the network was interrupted. A long time between two messages
//! shows that: the second one may have been sent right after the first, and so may those that arrive with it. Such a job is looked at before it
//! runs, because its lease may have run out, and the consumer starts again after these messages.

use std::sync::Arc;
use std::time::Duration;

use async_nats::Message;
use bytes::Bytes;
use serde_json::json;
use tokio::time::{Instant, timeout};

use super::delivery::give_back;
use super::received_job::{ReceivedJob, SILENCE, is_late};
use crate::cluster::ClusterShared;
use crate::net::{NetError, Subscription};
use crate::streams::CONSUMER;

/// How long a request is open.
const EXPIRES: Duration = Duration::from_secs(30);

/// The time between two heartbeats with which the server shows that a request is open, unless a quarter of a lease is shorter.
const IDLE_HEARTBEAT: Duration = Duration::from_secs(2);

/// How long a worker waits, after it has unsubscribed, for what the server had sent before.
pub(super) const DRAIN_LIMIT: Duration = Duration::from_millis(500);

pub(super) struct PullConsumer {
    inbox: String,
    subscription: Subscription,
    /// How many jobs were asked for and have not arrived.
    n_open: usize,
    /// The next message was sent after this time: when the last message arrived, or when jobs were asked for while no request was open. Does
    /// not change any more once a message was late.
    last_message: Instant,
    lease: Duration,
    /// Whether a message was late. All messages that still arrive may be as old.
    is_in_doubt: bool,
}

/// What a message of the server means.
pub(super) enum PullEvent {
    Job(ReceivedJob),
    /// A heartbeat, or the end of a request.
    Nothing,
    /// The requests are lost, for this reason. The consumer has to be made again.
    Lost(String),
}

impl PullConsumer {
    pub(super) async fn new(shared: &ClusterShared) -> Result<PullConsumer, NetError> {
        let inbox = shared.connection.new_inbox();
        let subscription = shared.connection.subscribe(inbox.clone(), None).await?;
        Ok(PullConsumer {
            inbox,
            subscription,
            n_open: 0,
            last_message: Instant::now(),
            lease: shared.lease,
            is_in_doubt: false,
        })
    }

    /// Asks for jobs until `n_free` are asked for.
    pub(super) async fn ask(&mut self, shared: &ClusterShared, group: &str, n_free: usize) -> Result<(), NetError> {
        let n_missing = n_free.saturating_sub(self.n_open);
        if n_missing == 0 {
            return Ok(());
        }
        if self.n_open == 0 && !self.is_in_doubt {
            self.last_message = Instant::now();
        }
        self.n_open += n_missing;
        let request = json!({
            "batch": n_missing,
            "expires": u64::try_from(EXPIRES.as_nanos()).unwrap_or(u64::MAX),
            "idle_heartbeat": u64::try_from(IDLE_HEARTBEAT.min(self.lease / 4).as_nanos()).unwrap_or(u64::MAX),
        });
        let subject = format!("$JS.API.CONSUMER.MSG.NEXT.{}.{CONSUMER}", shared.subjects.jobs_stream(group));
        let request = Bytes::from(request.to_string());
        shared.connection.publish_with_reply(subject, self.inbox.clone(), request).await
    }

    /// Ends the requests that are open, and gives back what was delivered and not taken. What is late is left to its lease: another worker may
    /// have it.
    pub(super) async fn close(mut self, shared: &Arc<ClusterShared>) {
        let sent_after = self.last_message;
        self.subscription.drain();
        let rest = async {
            while let Some(message) = self.subscription.next().await {
                if message.status.is_none() {
                    give_back(shared, &ReceivedJob { message, sent_after });
                }
            }
        };
        let _ = timeout(DRAIN_LIMIT, rest).await;
    }

    /// Returns the next message, or `Lost` if the server is silent although jobs were asked for. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> PullEvent {
        let (n_open, sent_after, is_in_doubt) = (self.n_open, self.last_message, self.is_in_doubt);
        let silence = async {
            if !is_in_doubt && n_open == 0 {
                std::future::pending::<()>().await;
            }
            if !is_in_doubt {
                tokio::time::sleep_until(sent_after + SILENCE).await;
            }
        };
        let message = tokio::select! {
            // What has arrived comes first.
            biased;
            message = self.subscription.next() => message,
            () = silence => {
                let reason = if is_in_doubt { "messages were late".to_owned() } else { format!("the server was silent for {SILENCE:?}") };
                return PullEvent::Lost(reason);
            }
        };
        self.is_in_doubt |= n_open > 0 && is_late(sent_after, self.lease);
        if !self.is_in_doubt {
            self.last_message = Instant::now();
        }
        let Some(message) = message else { return PullEvent::Lost("the connection has ended".to_owned()) };
        match message.status.map(|status| status.as_u16()) {
            None => {
                self.n_open = self.n_open.saturating_sub(1);
                PullEvent::Job(ReceivedJob { message, sent_after })
            }
            Some(100) => PullEvent::Nothing,
            // The time of a request is over, or a limit of the consumer was reached: the header says how many jobs it did not get.
            Some(408 | 409) if pending_of(&message).is_some() => {
                self.n_open = self.n_open.saturating_sub(pending_of(&message).unwrap_or(0));
                PullEvent::Nothing
            }
            Some(status) => PullEvent::Lost(
                format!("{status} {}", message.description.as_deref().unwrap_or_default()).trim().to_owned(),
            ),
        }
    }
}

fn pending_of(message: &Message) -> Option<usize> {
    let pending = message.headers.as_ref()?.get("Nats-Pending-Messages")?;
    pending.as_str().parse().ok()
}

//! `Delivery`: a job that the server has delivered, until it is acknowledged or given back.
//!
//! The answers are JetStream's: `+ACK` removes the job, `-NAK` gives it back at once or after a delay, `+TERM` removes a
//! message that is not a job. If there is no answer before the lease runs out, the server delivers the job again.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use super::received_job::ReceivedJob;
use crate::cluster::ClusterShared;
use crate::net::{CancelReason, CancellationToken, OutgoingMessage, ReplySubject};

/// A delivery that was neither acknowledged nor given back. Dropping it gives the job back at once, unless its lease has run out or the client
/// is not connected.
///
/// The server accepts `-NAK` for every delivery of a job, not only for the latest one. So a delivery whose lease has run out is not given
/// back: another worker may have the job by then, and the `-NAK` would deliver it to a third one.
pub(super) struct Delivery {
    shared: Arc<ClusterShared>,
    /// The subject of the answer. It is taken when this delivery ends. Then a later delivery of the same job cannot replace the subject any
    /// more, and is handled as a delivery of its own.
    reply: Arc<ReplySubject>,
    /// Knows whether the lease has run out, and why the run was ended.
    cancellation: Arc<CancellationToken>,
}

impl Delivery {
    pub(super) fn new(
        shared: Arc<ClusterShared>,
        reply: Arc<ReplySubject>,
        cancellation: Arc<CancellationToken>,
    ) -> Delivery {
        Delivery { shared, reply, cancellation }
    }

    /// Ends the delivery with one of JetStream's answers.
    pub(super) fn settle(self, answer: &'static str) {
        self.answer(Bytes::from_static(answer.as_bytes()));
    }

    /// Gives the job back, so that the server delivers it again after a delay. Sends nothing if a drop would not give the job back.
    pub(super) fn give_back_after(self, delay: Duration) {
        if self.may_give_back() {
            self.answer(nak(delay));
        } else {
            self.leave();
        }
    }

    /// Ends a delivery whose run was ended before it had a result. If the reason is that the worker stops, the job is given back at once.
    /// Otherwise nothing is sent, because the lease has run out or the job is cancelled.
    pub(super) fn abandon(self) {
        if self.cancellation.reason() != Some(CancelReason::WorkerStops) {
            self.leave();
        }
    }

    /// Ends the delivery without an answer.
    pub(super) fn leave(self) {
        drop(self.reply.take());
    }

    /// Returns whether the job may be given back. While the client is not connected, it may not: the lease may have run out before the answer
    /// reaches the server.
    fn may_give_back(&self) -> bool {
        !self.cancellation.is_lease_expired() && self.shared.connection.is_connected()
    }

    fn answer(&self, payload: Bytes) {
        if let Some(subject) = self.reply.take() {
            self.shared.connection.publish(OutgoingMessage::new(subject, payload));
        }
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        if self.may_give_back() {
            self.answer(Bytes::from_static(b"-NAK"));
        } else {
            drop(self.reply.take());
        }
    }
}

/// Gives a received job back at once. Sends nothing for a late job: its lease may have run out already.
pub(super) fn give_back(shared: &Arc<ClusterShared>, received: ReceivedJob) {
    let ReceivedJob { reply, is_late, cancellation, lease, .. } = received;
    // The renewals have to end first: after the job is given back, the lease belongs to the next worker.
    drop(lease);
    if let Some(reply) = reply
        && !is_late
    {
        drop(Delivery::new(shared.clone(), reply, cancellation));
    }
}

/// Returns the answer that gives a delivery back after a delay.
fn nak(delay: Duration) -> Bytes {
    Bytes::from(format!("-NAK {{\"delay\": {}}}", delay.as_nanos()))
}

/// What is read from the acknowledgement subject of a delivery.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct DeliveryInfo {
    /// How many times the message was delivered, this delivery included.
    pub(super) delivery: u32,
    /// When the server stored the message, in nanoseconds since 1970. The same for all deliveries of the message.
    pub(super) submitted: String,
}

impl DeliveryInfo {
    /// Returns whether the server stored the message more than `age` ago. Compares the clock of the server with that of this machine.
    pub(super) fn is_older_than(&self, age: Duration) -> bool {
        let Ok(submitted) = self.submitted.parse() else { return false };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        now.saturating_sub(Duration::from_nanos(submitted)) > age
    }
}

/// Reads an acknowledgement subject. `None` if `ack` is another subject.
///
/// The form is `$JS.ACK.STREAM.CONSUMER.DELIVERED.NUMBER.NUMBER.TIME.…`, with nine tokens, or has `DOMAIN.ACCOUNT` before the stream.
pub(super) fn delivery_info(ack: &str) -> Option<DeliveryInfo> {
    let tokens: Vec<&str> = ack.split('.').collect();
    let at = if tokens.len() == 9 { 4 } else { 6 };
    Some(DeliveryInfo { delivery: tokens.get(at)?.parse().ok()?, submitted: (*tokens.get(at + 3)?).to_owned() })
}

#[cfg(test)]
mod tests {
    use super::{DeliveryInfo, delivery_info};

    #[test]
    fn the_count_and_the_time_are_found_in_both_forms() {
        let count = |delivery| Some(DeliveryInfo { delivery, submitted: "1795876341008810650".to_owned() });
        assert_eq!(delivery_info("$JS.ACK.cordial-jobs-g.workers.3.7.9.1795876341008810650.0"), count(3));
        assert_eq!(delivery_info("$JS.ACK.hub.ABC.cordial-jobs-g.workers.4.7.9.1795876341008810650.0.x"), count(4));
        assert_eq!(delivery_info("_INBOX.x"), None);
    }
}

//! `Delivery`: a job that the server has delivered, until it is acknowledged or given back.
//!
//! The answers are JetStream's: `+ACK` removes the job, `-NAK` gives it back at once or after a delay, `+TERM` removes a
//! message that is not a job. Without an answer, and without renewals of the lease, the server delivers the job again.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use super::received_job::ReceivedJob;
use crate::cluster::ClusterShared;
use crate::net::{CancelReason, CancellationToken, OutgoingMessage, ReplySubject};

/// A delivery that was neither acknowledged nor given back. Dropping it gives the job back at once, unless its lease has run out or the client
/// is not connected.
///
/// A server takes `-NAK` of any delivery of a job, also of an earlier one. So a job is not given back after its lease has run
/// out: another worker may have it then, and a third one would get it as well.
pub(super) struct Delivery {
    shared: Arc<ClusterShared>,
    /// Where the answer goes. Taken when the delivery ends, so that no other delivery of the job is taken over afterwards.
    reply: Arc<ReplySubject>,
    /// Says whether the lease is over.
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

    /// Acknowledges or ends the delivery with one of JetStream's answers.
    pub(super) fn settle(self, answer: &'static str) {
        self.answer(Bytes::from_static(answer.as_bytes()));
    }

    /// Gives the job back, to be delivered again after a delay, under the same conditions as a drop.
    pub(super) fn give_back_after(self, delay: Duration) {
        if self.may_give_back() {
            self.answer(nak(delay));
        } else {
            self.leave();
        }
    }

    /// Ends the delivery of a run that was ended before it had a result. If the worker stops, the job is given back at once. Otherwise nothing is
    /// sent: the lease has run out, or the job is cancelled.
    pub(super) fn abandon(self) {
        if self.cancellation.reason() != Some(CancelReason::WorkerStops) {
            self.leave();
        }
    }

    /// Sends nothing for the delivery.
    pub(super) fn leave(self) {
        drop(self.reply.take());
    }

    /// Returns whether the job may be given back. Without a connection, the answer would arrive when the lease may have run out.
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

/// Gives a delivered job back at once. A late one is left to its lease.
pub(super) fn give_back(shared: &Arc<ClusterShared>, received: ReceivedJob) {
    let ReceivedJob { reply, is_late, cancellation, lease, .. } = received;
    // Renewals end before the job is given back: the next worker has the lease then.
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

/// What the subject for acknowledgements says of a delivery.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct DeliveryInfo {
    /// How often the message was delivered, with this one.
    pub(super) delivery: u32,
    /// When the server has stored the message: the same in each delivery.
    pub(super) submitted: String,
}

impl DeliveryInfo {
    /// Returns whether the server has stored the message longer ago than this, by the clocks of both machines.
    pub(super) fn is_older_than(&self, age: Duration) -> bool {
        let Ok(submitted) = self.submitted.parse() else { return false };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        now.saturating_sub(Duration::from_nanos(submitted)) > age
    }
}

/// Reads the subject for acknowledgements. `None` if it is another subject.
///
/// It is `$JS.ACK.STREAM.CONSUMER.DELIVERED.NUMBER.NUMBER.TIME.…`, with nine tokens, or has `DOMAIN.ACCOUNT` before the stream.
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

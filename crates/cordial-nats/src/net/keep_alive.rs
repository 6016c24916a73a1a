//! `KeepAlives`: the renewals of leases, and the heartbeats to callers, which the thread of the connection sends.
//!
//! A lease is the time that JetStream gives a consumer to acknowledge a message, `ack_wait`. The thread renews each lease after each third of
//! that time with the acknowledgement `+WPI` (work in progress), and asks for a confirmation. A lease without a confirmation for
//! its whole time is lost: the server may deliver the job to another worker, so the run here is ended.
//!
//! A heartbeat goes to the caller of a call every 700 ms. If the subscription of the caller is gone, the server answers it with
//! "no responders". The caller may only be connecting again, so the call is ended after five such answers in a row.
//!
//! The server drops a claim after the `max_age` of its stream, and a run may last longer. So the thread also sends the claim again from time to time,
//! under another subject each time, because the stream keeps the first message of a subject and refuses others. It does not wait until the server has
//! kept it: several renewals follow before the last one expires.
//!
//! The thread adds a job to the table when the job arrives, because user code may block every worker before the run begins. A late job and a
//! call are added when they begin. The thread looks at the table every 100 ms, until it finds the table empty. Only after that, a new entry has to wake
//! it: most runs end before their first renewal.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_nats::{Client, Message, StatusCode};
use bytes::Bytes;
use futures_util::FutureExt;
use tokio::task::unconstrained;
use tokio::time::Instant;

use super::cancellation::{CancelReason, CancellationToken};
use super::reply_subject::ReplySubject;
use crate::names::Subjects;
use crate::wire::HEARTBEAT;

/// How often a caller gets a heartbeat of its call.
const HEARTBEAT_PERIOD: Duration = Duration::from_millis(700);

/// The caller of a call is gone when this many heartbeats in a row found no subscription: together, 2.8 s. A caller connects again within 1.25 s after
/// its server is back.
const MAX_UNHEARD: u32 = 5;

/// What is kept alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeepAliveKind {
    /// The lease of a delivered job. The value is the `ack_wait` of the consumer.
    Lease(Duration),
    /// A call, whose caller waits for heartbeats.
    Caller,
}

/// A lease that is renewed, or a caller that gets heartbeats, while a job or a call runs.
#[derive(Debug)]
struct KeepAlive {
    kind: KeepAliveKind,
    subject: Arc<ReplySubject>,
    cancellation: Arc<CancellationToken>,
    /// When the last renewal was sent.
    sent: Instant,
    /// How many renewals were sent.
    n_sent: u64,
    /// The renewals of a lease that are not confirmed yet, with their numbers and the times when they were sent. On a slow link, or a busy machine,
    /// the next renewal is due before the last one is confirmed. At most three, because each third of the lease has one.
    unconfirmed: VecDeque<(u64, Instant)>,
    /// When the last renewal that the server has confirmed was sent.
    confirmed: Instant,
    /// The claim of the run. `None` for a call, before a job is claimed, and if the server keeps claims without limit.
    claim: Option<ClaimToRenew>,
    /// The number of the last heartbeat that found no subscription of the caller, and how many in a row have found none.
    unheard: (u64, u32),
}

/// A claim that is sent again from time to time.
#[derive(Debug)]
struct ClaimToRenew {
    subject: String,
    payload: Bytes,
    every: Duration,
    sent: Instant,
    n_renewals: u64,
}

impl KeepAlive {
    /// Returns whether the time of the next renewal has come.
    fn is_due(&self, now: Instant) -> bool {
        let every = match self.kind {
            KeepAliveKind::Lease(lease) => lease / 3,
            KeepAliveKind::Caller => HEARTBEAT_PERIOD,
        };
        now.duration_since(self.sent) >= every
    }
}

/// Whether a sweep has sent all renewals whose time had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Swept {
    All,
    /// The queue of the client was full.
    InPart,
}

/// The renewals of this program. Shared by the thread of the connection and the runs.
#[derive(Debug, Default)]
pub(super) struct KeepAlives {
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    next_key: u64,
    by_key: HashMap<u64, KeepAlive>,
    /// Whether the thread looks at the table from time to time.
    is_swept: bool,
}

/// Renews a lease, or sends heartbeats, until this guard is dropped.
#[derive(Debug)]
pub(crate) struct KeepAliveGuard {
    key: u64,
    all: Arc<KeepAlives>,
}

impl KeepAliveGuard {
    /// Sends a claim, which the server has kept now, again after each `every`. `subject` is that of the claim.
    pub(crate) fn renew_claim(&self, subject: String, payload: Bytes, every: Duration) {
        let claim = ClaimToRenew { subject, payload, every, sent: Instant::now(), n_renewals: 0 };
        if let Some(renewed) = self.all.lock().by_key.get_mut(&self.key) {
            renewed.claim = Some(claim);
        }
    }
}

impl Drop for KeepAliveGuard {
    fn drop(&mut self) {
        self.all.lock().by_key.remove(&self.key);
    }
}

impl KeepAlives {
    /// Adds a lease or a caller to the table. Returns also whether the thread has to be woken. The lease did not begin before `since`.
    pub(super) fn add(
        self: &Arc<KeepAlives>,
        kind: KeepAliveKind,
        subject: Arc<ReplySubject>,
        cancellation: Arc<CancellationToken>,
        since: Instant,
    ) -> (KeepAliveGuard, bool) {
        if let KeepAliveKind::Lease(lease) = kind {
            cancellation.extend_lease(since + lease);
        }
        let mut table = self.lock();
        let key = table.next_key;
        table.next_key += 1;
        let unconfirmed = VecDeque::new();
        let (n_sent, unheard) = (0, (0, 0));
        let (sent, confirmed, claim) = (since, since, None);
        let renewed = KeepAlive { kind, subject, cancellation, sent, n_sent, unconfirmed, confirmed, claim, unheard };
        table.by_key.insert(key, renewed);
        let has_to_wake = !std::mem::replace(&mut table.is_swept, true);
        drop(table);
        (KeepAliveGuard { key, all: self.clone() }, has_to_wake)
    }

    /// Returns whether the thread has to look at the table from time to time.
    pub(super) fn is_swept(&self) -> bool {
        self.lock().is_swept
    }

    /// Takes the answer to a renewal. Its subject ends with the key and the number of the renewal.
    pub(super) fn confirm(&self, answer: &Message) {
        let mut tokens = answer.subject.as_str().rsplit('.').map_while(|token| token.parse::<u64>().ok());
        let (Some(number), Some(key)) = (tokens.next(), tokens.next()) else { return };
        let mut table = self.lock();
        let Some(renewed) = table.by_key.get_mut(&key) else { return };
        let is_gone = answer.status == Some(StatusCode::NO_RESPONDERS);
        match renewed.kind {
            KeepAliveKind::Caller if is_gone => {
                let (last, n) = renewed.unheard;
                renewed.unheard = (number, if number == last + 1 { n + 1 } else { 1 });
                if renewed.unheard.1 == MAX_UNHEARD {
                    renewed.cancellation.cancel(CancelReason::CallerGone);
                }
            }
            // "No responders" confirms nothing: the stream has no leader at the moment.
            KeepAliveKind::Lease(lease) if !is_gone => {
                let Some(at) = renewed.unconfirmed.iter().position(|(unconfirmed, _)| *unconfirmed == number) else {
                    return;
                };
                // The earlier renewals were answered with "no responders", or their answers were lost.
                if let Some((_, sent)) = renewed.unconfirmed.drain(..=at).next_back() {
                    renewed.confirmed = sent;
                    renewed.cancellation.extend_lease(sent + lease);
                }
            }
            KeepAliveKind::Caller | KeepAliveKind::Lease(_) => {}
        }
    }

    /// Ends the runs whose leases have run out, and sends what is due, until the queue of the client is full: renewals of leases and heartbeats, then
    /// renewals of claims. Confirmations go to `inbox`.
    pub(super) fn sweep(&self, client: &Client, inbox: &str) -> Swept {
        let now = Instant::now();
        let mut table = self.lock();
        table.is_swept = !table.by_key.is_empty();
        table.by_key.retain(|_, renewed| match renewed.kind {
            KeepAliveKind::Lease(lease) if now.duration_since(renewed.confirmed) >= lease => {
                renewed.cancellation.cancel(CancelReason::LeaseLost);
                false
            }
            KeepAliveKind::Lease(_) | KeepAliveKind::Caller => true,
        });
        let mut due: Vec<_> = table.by_key.iter_mut().filter(|(_, renewed)| renewed.is_due(now)).collect();
        // Those that were not sent by the last sweep come first.
        due.sort_unstable_by_key(|(_, renewed)| renewed.sent);
        for (key, renewed) in due {
            let Some(subject) = renewed.subject.current() else { continue };
            let payload = match renewed.kind {
                KeepAliveKind::Lease(_) => Bytes::from_static(b"+WPI"),
                KeepAliveKind::Caller => Bytes::from_static(HEARTBEAT),
            };
            let number = renewed.n_sent + 1;
            let reply = format!("{inbox}.{key}.{number}");
            let renewal = client.publish_with_reply(subject, reply, payload);
            // The thread does not wait for room in the queue of the client, because it has to see which leases run out, also while the client connects
            // again. `unconstrained`: tokio would report the queue as full after 128 messages of one poll.
            if unconstrained(renewal).now_or_never().is_none() {
                return Swept::InPart;
            }
            renewed.sent = now;
            renewed.n_sent = number;
            if let KeepAliveKind::Lease(_) = renewed.kind {
                renewed.unconfirmed.push_back((number, now));
            }
        }
        for claim in table.by_key.values_mut().filter_map(|renewed| renewed.claim.as_mut()) {
            if now.duration_since(claim.sent) < claim.every {
                continue;
            }
            let subject = Subjects::claim_renewal(&claim.subject, claim.n_renewals + 1);
            if unconstrained(client.publish(subject, claim.payload.clone())).now_or_never().is_none() {
                return Swept::InPart;
            }
            claim.sent = now;
            claim.n_renewals += 1;
        }
        Swept::All
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

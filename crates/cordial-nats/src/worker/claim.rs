//! Claims: each run of a job takes the next number before it begins, so that runs are counted, and not deliveries.
//!
//! The server counts deliveries. A delivery that is lost on its way to a worker, that waits in a frozen worker, or that a worker gives back
//! before it runs, is not a run. So a worker publishes a claim first, to the stream of results, which keeps the first message of a subject and
//! refuses others: no two runs of a job have the same number, and numbers have no gaps. The server has acknowledged the claim when the
//! function begins, so a run that kills its worker, or its machine, is counted.
//!
//! Two kinds of runs use up no attempt. The first are runs whose record says so: they were ended because their worker or its pool was shut down,
//! or were claimed and did not begin, for example because the lease had run out. The second are all runs before another submit with the same key,
//! which makes a new job if the server has lost the first one: the numbers go on, and the attempts begin anew. A worker whose pool takes no calls
//! claims nothing.
//!
//! A delivery does not show that the lease of the last run has run out:
//!
//! - A server that is killed forgets its last deliveries, and delivers those jobs again. The new delivery has the number of the forgotten one,
//!   which is in a claim already.
//! - Until a lease is renewed for the first time, the server stores a wrong beginning of the lease: the time at which the job was submitted. After
//!   a restart of the server, or when another one becomes the leader, a lease that has just begun therefore seems to have run out, and the job is
//!   delivered again.
//! - A worker may give the second delivery of a job back, and so bring about a third one.
//!
//! So the worker looks for the record of the last run, which says that the run has failed or was stopped. Without a record, the run may go on. Then
//! the new delivery is left alone if the server has forgotten the delivery of the claim, or if the node that has claimed the run answers that it
//! holds the lease: the server counts the renewals and the acknowledgement of the earlier run as those of the new delivery, and delivers the job
//! again if the lease runs out. If no attempt is left, the same applies even with a record.
//!
//! Claims expire after the `max_age` of their stream, as results do. While a run lasts, the thread of the connection sends its claim again after each
//! quarter of that time, so that the last renewal is at most that old when the run ends, or its worker is killed. The last claim or renewal that is
//! left says how many runs there were. If none is left, but the job is older than `max_age`, the claims may have expired: if a delay between attempts
//! or the lease is at least half of `max_age`, each delivery counts as a run. Otherwise, a job without claims counts as never run, however often it
//! was delivered. A worker of an earlier version sees no renewals.

use std::time::Duration;

use async_nats::HeaderMap;
use serde::{Deserialize, Serialize};

use super::delivery::DeliveryInfo;
use crate::cluster::ClusterShared;
use crate::dead_letters::AttemptRecord;
use crate::job::look_up;
use crate::names::{JobId, Subjects};
use crate::net::{API_LIMIT, NetError, OutgoingMessage, RECONNECT_LIMIT, direct_get, publish_to_stream};
use crate::streams::for_each_subject;
use crate::wire::{HOLDS, JobHeaders, question_of_lease};

/// How long a node may take to answer whether it has the lease of a job. The thread of its connection answers, even while user code blocks.
const ANSWER_LIMIT: Duration = Duration::from_secs(1);

/// What the worker has to do with a delivered job.
pub(super) enum Claim {
    /// Run the job. This is the number of the run, how many runs the job may have, and the claim.
    Run { number: u32, limit: u32, claim: OutgoingMessage },
    /// Make the job a dead letter. This many runs were claimed.
    UsedUp { n_runs: u32 },
    /// The job has a result.
    Done,
    /// An earlier run has the lease of the job, or may have it.
    Held,
}

/// A claim as its stream keeps it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct ClaimRecord {
    /// The program that has published the claim, and the number of the delivery.
    instance: String,
    delivery: u32,
    /// When the server stored the job, as each delivery of the job states. If a delivery states another time, it belongs to another submit with the
    /// same key.
    submitted: String,
    /// How many of the runs before it use up no attempt.
    n_stopped: u32,
    /// The node that has published the claim. Empty in the claim of a program that does not write it.
    node: String,
    /// A random number of the delivery. It distinguishes a delivery that the server has forgotten from the next one, whose `delivery` is the same. 0 in
    /// the claim of a program that writes none.
    arrival: u64,
}

impl ClaimRecord {
    fn message(&self, shared: &ClusterShared, id: &JobId, number: u32) -> OutgoingMessage {
        OutgoingMessage::new(shared.subjects.claim(id, number), serde_json::to_vec(self).unwrap_or_default())
    }
}

/// Claims the next run of a job. Safe to repeat after an error, with the same `arrival`, which is random and not 0.
pub(super) async fn claim(
    shared: &ClusterShared,
    id: &JobId,
    job: &JobHeaders,
    info: &DeliveryInfo,
    arrival: u64,
) -> Result<Claim, NetError> {
    let DeliveryInfo { delivery, submitted } = info;
    let is_mine = |kept: &ClaimRecord| *kept.instance == *shared.instance && kept.arrival == arrival;
    // At the first delivery, a job usually has no claim. If it has one after all, the stream refuses the new claim, and the loop repeats.
    let (mut last, mut kept) = if *delivery == 1 { (0, None) } else { last_claim(shared, id, job, info).await? };
    loop {
        let (n_stopped, is_forgotten) = match &kept {
            None => (0, false),
            // The answer to an earlier try was lost.
            Some(kept) if is_mine(kept) => {
                let limit = job.attempts.saturating_add(kept.n_stopped);
                return Ok(Claim::Run { number: last, limit, claim: kept.message(shared, id, last) });
            }
            Some(kept) => {
                // A first delivery, and there is a claim already. The server may have forgotten earlier deliveries, for example because the
                // consumer was made again. Or the submit was sent again after a restart of the server, which forgets the message ids of jobs
                // that are done. So the job may have a result. If it has no key, `run_job` has not looked for one.
                if *delivery == 1 && look_up(shared, id).await?.is_some() {
                    return Ok(Claim::Done);
                }
                if kept.submitted == *submitted {
                    let mut record = AttemptRecord::find(shared, id, last).await?;
                    // A delivery has a larger number than all earlier ones that the server remembers.
                    let is_forgotten = kept.delivery >= *delivery;
                    if record.is_none() {
                        if is_forgotten || is_held(shared, id, kept).await? {
                            return Ok(Claim::Held);
                        }
                        // The run may have ended before its node was asked.
                        if look_up(shared, id).await?.is_some() {
                            return Ok(Claim::Done);
                        }
                        record = AttemptRecord::find(shared, id, last).await?;
                    }
                    let was_stopped = record.is_some_and(|record| record.was_stopped);
                    (kept.n_stopped + u32::from(was_stopped), is_forgotten)
                } else {
                    (last, false)
                }
            }
        };
        let limit = job.attempts.saturating_add(n_stopped);
        if last >= limit {
            // The worker of the last run may be making the dead letter.
            let is_held = match &kept {
                Some(kept) if !is_forgotten => is_held(shared, id, kept).await?,
                _ => is_forgotten,
            };
            return Ok(if is_held { Claim::Held } else { Claim::UsedUp { n_runs: last } });
        }
        let number = last + 1;
        let mine = ClaimRecord {
            instance: shared.instance.to_string(),
            delivery: *delivery,
            submitted: submitted.clone(),
            n_stopped,
            node: shared.name.to_string(),
            arrival,
        };
        let claim = mine.message(shared, id, number);
        let payload = claim.payload.clone();
        match publish_to_stream(&shared.connection, &claim.subject, HeaderMap::new(), payload, API_LIMIT).await {
            Ok(_) => return Ok(Claim::Run { number, limit, claim }),
            Err(error) if error.is_second_of_subject() => {}
            Err(error) => return Err(error),
        }
        // The replica that answers may not have the claim yet.
        let first = find_claim(shared, &claim.subject).await?.ok_or(NetError::Silent)?;
        (last, kept) = (number, Some(first));
    }
}

/// Asks the node of this claim whether the run has its lease. Only the worker that has the lease answers, so the result is `false` too if that worker
/// is frozen or cut off, or if the login of this program has no permission to ask.
async fn is_held(shared: &ClusterShared, id: &JobId, claim: &ClaimRecord) -> Result<bool, NetError> {
    if claim.node.is_empty() {
        return Ok(false);
    }
    let (connection, subject) = (&shared.connection, shared.subjects.node(&claim.node));
    let question = question_of_lease(id, claim.arrival);
    loop {
        match connection.request(&subject, HeaderMap::new(), question.clone(), ANSWER_LIMIT).await {
            // A worker of an earlier version answers something else.
            Ok(answer) => return Ok(answer.payload.as_ref() == HOLDS),
            Err(error) if !connection.is_connected() => return Err(error),
            // After a restart of the server, the node may not have connected again yet.
            Err(NetError::NoResponders) if connection.connected_for() < RECONNECT_LIMIT.min(shared.lease) => {
                tokio::time::sleep(ANSWER_LIMIT / 10).await;
            }
            Err(_) => return Ok(false),
        }
    }
}

/// Returns the number of the last run, and its claim. Without any claim, the number is 0, or that of the earlier deliveries if these count as runs.
async fn last_claim(
    shared: &ClusterShared,
    id: &JobId,
    job: &JobHeaders,
    info: &DeliveryInfo,
) -> Result<(u32, Option<ClaimRecord>), NetError> {
    let before = info.delivery - 1;
    // Usually, each earlier delivery has run.
    if let Some(claim) = find_claim(shared, &shared.subjects.claim(id, before)).await? {
        return Ok((before, Some(claim)));
    }
    let (stream, filter) = (shared.subjects.results_stream(), shared.subjects.attempts(id));
    let mut last = None;
    let note = |subject: &str| last = last.max(Subjects::numbers_of_claim(subject));
    let max_age = for_each_subject(&shared.connection, &stream, &filter, note).await?;
    match last {
        Some((last, renewal)) => {
            let claim = shared.subjects.claim(id, last);
            let subject = if renewal == 0 { claim } else { Subjects::claim_renewal(&claim, renewal) };
            Ok((last, Some(find_claim(shared, &subject).await?.ok_or(NetError::Silent)?)))
        }
        // The claims may have expired. Each delivery counts as a run if a pause between two runs may last for half of `max_age` or more.
        None if max_age.is_some_and(|age| info.is_older_than(age) && longest_pause(shared, job) >= age / 2) => {
            Ok((before, None))
        }
        None => Ok((0, None)),
    }
}

/// Returns the longest time between the end of a run and the next one, if there is a worker.
fn longest_pause(shared: &ClusterShared, job: &JobHeaders) -> Duration {
    let (_, longest) = job.backoff;
    longest.max(shared.lease)
}

/// Returns the claim, or the renewal of a claim, with this subject.
async fn find_claim(shared: &ClusterShared, subject: &str) -> Result<Option<ClaimRecord>, NetError> {
    let message = direct_get(&shared.connection, &shared.subjects.results_stream(), subject, API_LIMIT).await?;
    Ok(message.map(|message| serde_json::from_slice(&message.payload).unwrap_or_default()))
}

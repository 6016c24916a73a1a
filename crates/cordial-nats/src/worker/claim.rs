//! Claims: each run of a job takes the next number before it begins, so that runs are counted, and not deliveries.
//!
//! The server counts deliveries. A delivery that is lost on its way to a worker, that waits in a frozen worker, or that a worker gives back
//! before it runs, is not a run. So a worker publishes a claim first, to the stream of results, which keeps the first message of a subject and
//! refuses others: no two runs of a job have the same number, and numbers have no gaps. The server has acknowledged the claim when the
//! function begins, so a run that kills its worker, or its machine, is counted.
//!
//! Two kinds of runs use up no attempt. The first are runs that were ended because their worker or its pool was shut down: the worker says so
//! in the record of the run. The second are the earlier runs of a job that the server has lost and that was submitted again with its key: the
//! numbers go on, and the attempts begin anew. A worker whose pool takes no calls claims nothing.
//!
//! Claims are kept as long as results. A job may be older, with long delays between its attempts: then the last claim that is left says how
//! many runs there were, and without one each delivery counts as a run. If no delay and no lease is that long, a job without claims has never
//! run, however often it was delivered.

use std::time::Duration;

use async_nats::HeaderMap;
use serde::{Deserialize, Serialize};

use super::delivery::DeliveryInfo;
use crate::cluster::ClusterShared;
use crate::dead_letters::AttemptRecord;
use crate::job::look_up;
use crate::names::JobId;
use crate::net::{API_LIMIT, NetError, direct_get, publish_to_stream};
use crate::streams::subjects_of;
use crate::wire::JobHeaders;

/// What the worker has to do with a delivered job.
pub(super) enum Claim {
    /// Run the job. This is the number of the run, and how many runs the job may have.
    Run { number: u32, limit: u32 },
    /// Make the job a dead letter. This many runs have begun.
    UsedUp { n_runs: u32 },
    /// The job has a result.
    Done,
}

/// A claim as its stream keeps it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct ClaimRecord {
    /// Which program has published it, and for which delivery.
    instance: String,
    delivery: u32,
    /// When the server stored the job, which each delivery says. With another time, the claim belongs to another submit with the same key.
    submitted: String,
    /// How many of the runs before it use up no attempt.
    n_stopped: u32,
}

/// Claims the next run of a job. Safe to repeat after an error.
pub(super) async fn claim(
    shared: &ClusterShared,
    id: &JobId,
    job: &JobHeaders,
    info: &DeliveryInfo,
) -> Result<Claim, NetError> {
    let DeliveryInfo { delivery, submitted } = info;
    let is_mine = |kept: &ClaimRecord| {
        *kept.instance == *shared.instance && kept.delivery == *delivery && kept.submitted == *submitted
    };
    // At the first delivery, the job has not run. If an earlier job with the same key has, the stream refuses the claim, and the loop goes on.
    let (mut last, mut kept) = if *delivery == 1 { (0, None) } else { last_claim(shared, id, job, info).await? };
    loop {
        let n_stopped = match &kept {
            None => 0,
            // The answer to an earlier try was lost.
            Some(kept) if is_mine(kept) => {
                return Ok(Claim::Run { number: last, limit: job.attempts.saturating_add(kept.n_stopped) });
            }
            Some(kept) => {
                // At a first delivery, nothing has looked for a result yet. The job was submitted again after a restart of the server, which
                // forgets the message ids of jobs that are done; or the consumer was made again, which forgets deliveries.
                if *delivery == 1 && look_up(shared, id).await?.is_some() {
                    return Ok(Claim::Done);
                }
                match kept.submitted == *submitted {
                    true => kept.n_stopped + u32::from(was_stopped(shared, id, last).await?),
                    false => last,
                }
            }
        };
        let limit = job.attempts.saturating_add(n_stopped);
        if last >= limit {
            return Ok(Claim::UsedUp { n_runs: last });
        }
        let number = last + 1;
        let mine = ClaimRecord {
            instance: shared.instance.to_string(),
            delivery: *delivery,
            submitted: submitted.clone(),
            n_stopped,
        };
        let subject = shared.subjects.claim(id, number);
        let payload = serde_json::to_vec(&mine).unwrap_or_default().into();
        match publish_to_stream(&shared.connection, &subject, HeaderMap::new(), payload, API_LIMIT).await {
            Ok(_) => return Ok(Claim::Run { number, limit }),
            Err(error) if error.is_second_of_subject() => {}
            Err(error) => return Err(error),
        }
        // The replica that answers may not have it yet.
        let first = find_claim(shared, id, number).await?.ok_or(NetError::Silent)?;
        (last, kept) = (number, Some(first));
    }
}

/// Returns the number of the last claim that the server has, and the claim. 0 if the job has not run.
async fn last_claim(
    shared: &ClusterShared,
    id: &JobId,
    job: &JobHeaders,
    info: &DeliveryInfo,
) -> Result<(u32, Option<ClaimRecord>), NetError> {
    let before = info.delivery - 1;
    // Usually, each earlier delivery has run.
    if let Some(claim) = find_claim(shared, id, before).await? {
        return Ok((before, Some(claim)));
    }
    let (stream, filter) = (shared.subjects.results_stream(), shared.subjects.attempts(id));
    let (subjects, max_age) = subjects_of(&shared.connection, &stream, &filter).await?;
    let number = |subject: &String| subject.rsplit('.').next()?.strip_suffix("-claim")?.parse::<u32>().ok();
    match subjects.iter().filter_map(number).max() {
        Some(last) => Ok((last, find_claim(shared, id, last).await?)),
        // Claims are kept as long as results. After that, each delivery counts as a run, if there may have been so much time between two.
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

async fn find_claim(shared: &ClusterShared, id: &JobId, number: u32) -> Result<Option<ClaimRecord>, NetError> {
    let (stream, subject) = (shared.subjects.results_stream(), shared.subjects.claim(id, number));
    let message = direct_get(&shared.connection, &stream, &subject, API_LIMIT).await?;
    Ok(message.map(|message| serde_json::from_slice(&message.payload).unwrap_or_default()))
}

/// Returns whether a run was ended because its worker stopped.
async fn was_stopped(shared: &ClusterShared, id: &JobId, number: u32) -> Result<bool, NetError> {
    let record = AttemptRecord::find(shared, id, number).await?;
    Ok(record.is_some_and(|record| record.was_stopped))
}

//! `attempt`: returns the job that the calling code runs for, and the number of the attempt.

use std::sync::Arc;

use cordial::Inherited;
use cordial_isolate::dispatch::{Carried, carried_value};

use crate::names::JobId;

/// The name under which a call of a pool carries the attempt to another OS process.
const CARRIED: &str = "cordial_nats.attempt";

/// The job that a function runs for, and the number of the attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    pub(crate) job: JobId,
    pub(crate) number: u32,
    pub(crate) limit: u32,
}

impl Attempt {
    /// Returns the id of the job.
    #[must_use]
    pub fn job(&self) -> &JobId {
        &self.job
    }

    /// Returns the number of the attempt, counted from 1. A run of the job takes the next number right before its function begins, so no two runs
    /// of a job have the same number. A delivery that was lost or given back before that has no number.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Returns the largest number that an attempt of the job may have: the limit that its submitter has set, and one more for each earlier attempt
    /// that does not count. An attempt does not count if its worker was stopped, or its pool was stopped or gave up, before the attempt had
    /// ended; if the lease of the job ran out before the function began; or if the server has lost the job since, and it was submitted again with
    /// its key.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.limit
    }

    fn encode(&self) -> Vec<u8> {
        format!("{} {} {}", self.number, self.limit, self.job).into_bytes()
    }

    fn decode(bytes: &[u8]) -> Option<Attempt> {
        let mut parts = std::str::from_utf8(bytes).ok()?.splitn(3, ' ');
        let number = parts.next()?.parse().ok()?;
        let limit = parts.next()?.parse().ok()?;
        Some(Attempt { number, limit, job: parts.next()?.parse().ok()? })
    }
}

/// Visible to the function and to everything that it spawns.
pub(crate) static ATTEMPT: Inherited<Attempt> = Inherited::new();

/// Returns the job that the calling code runs for, also in a worker process of an [isolated](crate::Worker::isolated) pool. `None` in a
/// function that runs for [`Cluster::call`](crate::Cluster::call), and in code that no worker runs.
///
/// An attempt after the first one may find the work of an earlier attempt done in part.
#[must_use]
pub fn attempt() -> Option<Arc<Attempt>> {
    ATTEMPT.get().or_else(|| Attempt::decode(&carried_value(CARRIED)?).map(Arc::new))
}

/// Adds the attempt to what a call to another OS process carries, so that [`attempt`] returns it there.
pub(crate) fn carry(carried: Carried) -> Carried {
    match ATTEMPT.get() {
        Some(attempt) => carried.with(CARRIED, attempt.encode()),
        None => carried,
    }
}

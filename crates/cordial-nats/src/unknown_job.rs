//! `UnknownJob`: the error of a wait for the result of a job that the server does not know.

use std::error::Error;
use std::fmt;

use crate::names::JobId;

/// The server has neither the job nor a result of it, so a wait for the result would never end. The await of a [`Job`](crate::Job) returns this
/// error inside of an [`Exit::Error`](cordial::Exit::Error).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownJob {
    pub(crate) id: JobId,
    pub(crate) was_accepted: bool,
}

impl UnknownJob {
    /// Returns the id of the job.
    #[must_use]
    pub fn id(&self) -> &JobId {
        &self.id
    }

    /// Returns whether the awaited handle came from a [`submit`](crate::Cluster::submit) that the server had accepted, or whose key the server knew
    /// from an earlier submit. Returns `false` for a handle of [`attach`](crate::Cluster::attach).
    #[must_use]
    pub fn was_accepted(&self) -> bool {
        self.was_accepted
    }
}

impl fmt::Display for UnknownJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let UnknownJob { id, was_accepted } = self;
        if *was_accepted {
            write!(
                f,
                "the server had accepted the job {id}, and has neither the job nor a result of it now: its result has expired (`keep_results`), its \
                 stream was purged or deleted, its message was removed, or the server has come back with an empty or an older store; submit the \
                 job again"
            )
        } else {
            write!(
                f,
                "the server has neither a job {id} nor a result of it: it was never submitted, it was removed, or its result has expired \
                 (`keep_results`); submit the job again"
            )
        }
    }
}

impl Error for UnknownJob {}

//! Why a job was not submitted.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use cordial_isolate::dispatch::CodecError;

use crate::connect_error::ConnectError;
use crate::names::{InvalidName, JobId};
use crate::wire::too_much_carried;

/// Why [`Cluster::submit`](crate::Cluster::submit) failed.
///
/// After [`Unknown`](SubmitError::Unknown), the job may have been accepted. After [`Fleet`](SubmitError::Fleet) and
/// [`Full`](SubmitError::Full), it may have been accepted only if the answer to a try was lost. After all others, it was not accepted.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub enum SubmitError {
    /// The argument cannot be encoded.
    Encode(CodecError),
    /// The name of the group or the key is invalid.
    Name(InvalidName),
    /// The argument and the headers are larger than a message may be.
    TooLarge {
        /// The size of the argument and the headers, in bytes.
        size: usize,
        /// The limit of the server, in bytes.
        limit: usize,
    },
    /// What travels beside the argument is too large.
    Carried {
        /// Its size, in bytes.
        size: usize,
    },
    /// A value that [travels](cordial_isolate::Functions::travels) beside the argument cannot be encoded, and the function must not run without it.
    Missing {
        /// Which value, and why.
        reason: Arc<str>,
    },
    /// The stream of the group, the account, or the storage of the server is full.
    Full {
        /// The group.
        group: Arc<str>,
        /// What the server says.
        reason: Arc<str>,
    },
    /// The server did not answer: it may have the job or not.
    Unknown {
        /// The job.
        id: JobId,
    },
    /// The streams of the fleet cannot be used.
    Fleet(ConnectError),
}

impl fmt::Display for SubmitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SubmitError::Encode(error) => error.fmt(f),
            SubmitError::Name(error) => error.fmt(f),
            SubmitError::TooLarge { size, limit } => write!(
                f,
                "the job has {size} bytes with its headers, and the server accepts messages of up to {limit} bytes (`max_payload`); pass \
                 the name of a file or of an object in a store instead, or raise the limit of the server"
            ),
            SubmitError::Carried { size } => f.write_str(&too_much_carried(*size)),
            SubmitError::Missing { reason } => f.write_str(reason),
            SubmitError::Full { group, reason } => write!(
                f,
                "the group {group:?} accepts no more jobs at the moment ({reason}); try again after some are done, start more workers, or \
                 raise `max_jobs` and `max_bytes`"
            ),
            SubmitError::Unknown { id } => {
                write!(
                    f,
                    "the server did not answer in time, so it may have the job {id} or not; attach to this id to find out"
                )?;
                if id.is_keyed() {
                    f.write_str(", or submit again with the same key, which does not run it twice")?;
                }
                Ok(())
            }
            SubmitError::Fleet(error) => error.fmt(f),
        }
    }
}

impl Error for SubmitError {}

impl From<ConnectError> for SubmitError {
    fn from(error: ConnectError) -> SubmitError {
        SubmitError::Fleet(error)
    }
}

impl From<InvalidName> for SubmitError {
    fn from(error: InvalidName) -> SubmitError {
        SubmitError::Name(error)
    }
}

//! `NetError`: why a request to the server has no answer.

use std::fmt;
use std::sync::Arc;

use crate::connect_error::CONNECTION_ENDED;

/// Why a request to the server has no answer, or has an error for an answer.
#[derive(Clone, Debug)]
pub(crate) enum NetError {
    /// No program, and no stream, listens on the subject.
    NoResponders,
    /// There was no answer in time, or the servers of the cluster have no leader at the moment.
    Silent,
    /// The login has no permission for this. The text comes from the server.
    Denied(Arc<str>),
    /// The message is larger than the server allows.
    TooLarge {
        /// Its size in bytes.
        size: usize,
        /// The limit of the server in bytes.
        limit: usize,
    },
    /// JetStream refuses the request.
    Api {
        /// The number of the error, which the servers document.
        code: u64,
        description: Arc<str>,
    },
    /// The connection has ended for good: the program has drained its client, the client has exceeded its own number of
    /// tries to connect again, or the thread of the connection is gone.
    Ended,
    /// Another failure: the answer cannot be read, or an object is damaged.
    Broken(Arc<str>),
}

/// JetStream's number of the error that a stream has not stored a message, mostly because of a limit.
const STORE_FAILED: u64 = 10077;

/// JetStream's number of the error that there is no such stream.
const STREAM_NOT_FOUND: u64 = 10059;

/// JetStream's numbers of the errors that pass by themselves, in this order: the server does not keep the stream yet; the servers have no leader; the
/// server is not the leader any more; all servers that keep the stream are gone, or all that keep the consumer; the message of an earlier try
/// still waits for the other servers.
const UNAVAILABLE: [u64; 6] = [10007, 10008, 10009, 10118, 10119, 10158];

/// JetStream's number of the error that a stream does not take a message of this size.
const MESSAGE_TOO_LARGE: u64 = 10054;

impl NetError {
    /// Returns the error of an answer of JetStream. If no server can do the work at the moment, that is [`NetError::Silent`].
    pub(super) fn of_api(code: u64, description: &str) -> NetError {
        if UNAVAILABLE.contains(&code) {
            return NetError::Silent;
        }
        NetError::Api { code, description: description.into() }
    }

    /// Returns whether the stream refuses a second message for the subject.
    pub(crate) fn is_second_of_subject(&self) -> bool {
        matches!(self, NetError::Api { code: STORE_FAILED, description } if description.contains("per subject"))
    }

    /// Returns whether the stream does not exist.
    pub(crate) fn is_no_stream(&self) -> bool {
        matches!(self, NetError::Api { code: STREAM_NOT_FOUND, .. })
    }

    /// Returns whether the message is too large for the server or for the stream.
    pub(crate) fn is_too_large(&self) -> bool {
        matches!(self, NetError::TooLarge { .. } | NetError::Api { code: MESSAGE_TOO_LARGE, .. })
    }

    /// Returns whether the stream, the account, or the storage of the server is full. A failure of the storage has the same number.
    pub(crate) fn is_full(&self) -> bool {
        const NO_RESOURCES: [u64; 4] = [10002, 10023, 10028, 10047];
        match self {
            NetError::Api { code: STORE_FAILED, description } => !description.contains("per subject"),
            NetError::Api { code, .. } => NO_RESOURCES.contains(code),
            _ => false,
        }
    }
}

impl fmt::Display for NetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NetError::NoResponders => f.write_str("nothing listens there"),
            NetError::Silent => f.write_str("the server did not answer in time"),
            NetError::Ended => f.write_str(CONNECTION_ENDED),
            NetError::Denied(text) | NetError::Broken(text) => f.write_str(text),
            NetError::TooLarge { size, limit } => {
                write!(
                    f,
                    "the message has {size} bytes, and the server allows {limit} (its setting `max_payload`); pass the name of a file or of an \
                     object in a store instead"
                )
            }
            NetError::Api { code, description } => write!(f, "{description} (error {code} of JetStream)"),
        }
    }
}

//! Why the observer was not started.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why [`serve`](crate::serve) or a method of [`Builder`](crate::Builder) did not start the observer.
#[non_exhaustive]
#[derive(Debug)]
pub enum ServeError {
    /// The value is not an address, or the system finds no address for its name.
    Address {
        /// The value, as `Debug` prints it, without quotation marks.
        address: String,
        /// What is wrong with it.
        error: io::Error,
    },
    /// The system does not let the observer listen on the address or on the path, for example because it is in use or not permitted.
    Bind {
        /// The address, or the path of the socket.
        address: String,
        /// What the system says.
        error: io::Error,
    },
    /// The file beside a UNIX socket, `PATH.lock`, cannot be used: it belongs to another program and is not empty, or the system does not permit it.
    /// If another program has locked the file, the error is [`Bind`](ServeError::Bind).
    Lock {
        /// The path of the file.
        path: PathBuf,
        /// What is wrong with it.
        error: io::Error,
    },
    /// The address can be reached from other machines, and neither a token nor an authorizer was given.
    Unprotected {
        /// The address.
        address: SocketAddr,
    },
    /// The token is too short to be a secret.
    WeakToken {
        /// How many bytes it has.
        length: usize,
        /// How many it must have.
        minimum: usize,
    },
    /// The token has characters other than visible ASCII characters: it could not be sent in a header.
    InvalidToken,
    /// The system gives no random bytes, no thread, no I/O driver, or no signal handler.
    System {
        /// What was asked for.
        what: &'static str,
        /// What the system says.
        error: io::Error,
    },
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServeError::Address { address, .. } => {
                write!(
                    f,
                    "the observer cannot use `{address}` as its address: give an IP address and a port, such as 127.0.0.1:4000"
                )
            }
            ServeError::Bind { address, error } if error.kind() == io::ErrorKind::AddrInUse => {
                write!(
                    f,
                    "the observer cannot listen on {address}: another program, or another observer of this program, uses it; choose another port (0 is any free one), or another path for a socket"
                )
            }
            ServeError::Bind { address, .. } => write!(f, "the observer cannot listen on {address}"),
            ServeError::Lock { path, .. } => {
                write!(
                    f,
                    "the observer cannot use the file {} as the lock of its socket: remove the file if no other program needs it, or choose another path for the socket",
                    path.display()
                )
            }
            ServeError::Unprotected { address } => {
                write!(
                    f,
                    "the observer does not listen on {address}, which other machines can reach, without protection: give a token with `Builder::token`, or an authorizer with `Builder::authorize`, or use a loopback address"
                )
            }
            ServeError::WeakToken { length, minimum } => {
                write!(
                    f,
                    "the token of the observer has {length} bytes: it needs at least {minimum}, because a short one can be guessed"
                )
            }
            ServeError::InvalidToken => {
                f.write_str("the token of the observer may only have visible ASCII characters, and no spaces: it is sent in a header")
            }
            ServeError::System { what, .. } => write!(f, "the observer got no {what} from the operating system"),
        }
    }
}

impl std::error::Error for ServeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ServeError::Address { error, .. }
            | ServeError::Bind { error, .. }
            | ServeError::Lock { error, .. }
            | ServeError::System { error, .. } => Some(error),
            ServeError::Unprotected { .. } | ServeError::WeakToken { .. } | ServeError::InvalidToken => None,
        }
    }
}

/// Makes `?` work in a process.
impl From<ServeError> for cordial::Exit {
    fn from(error: ServeError) -> cordial::Exit {
        cordial::Exit::Error(std::sync::Arc::new(error))
    }
}

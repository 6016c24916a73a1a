//! Why a connection to the fleet, or an operation on it, failed.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;

use crate::names::InvalidName;

/// Why [`Cluster::connect`](crate::Cluster::connect), the start of a worker, or another operation of a [`Cluster`](crate::Cluster) failed.
///
/// The text says what happened, and mostly what to do.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub enum ConnectError {
    /// An address is invalid, or is the address of a WebSocket.
    Address {
        /// The address, without a password.
        address: Arc<str>,
        /// What is wrong with it.
        reason: Arc<str>,
    },
    /// The prefix, or the name of a node or a group, cannot be a part of a subject.
    Name(InvalidName),
    /// A file with credentials or certificates cannot be used.
    File {
        /// The path.
        path: Arc<str>,
        /// What is wrong with it.
        reason: Arc<str>,
    },
    /// No server answers at the addresses.
    NoServer {
        /// The addresses, without passwords.
        servers: Arc<str>,
        /// What happened.
        reason: Arc<str>,
    },
    /// The server refuses the login.
    Login {
        /// The addresses, without passwords.
        servers: Arc<str>,
    },
    /// The server offers no TLS, its certificate is not trusted, it requires a certificate of the client, or that certificate cannot be used.
    Tls {
        /// The addresses, without passwords.
        servers: Arc<str>,
        /// What happened.
        reason: Arc<str>,
    },
    /// The server is too old.
    TooOld {
        /// Its version.
        version: Arc<str>,
    },
    /// The server runs without JetStream, or the account may not use it.
    NoJetStream {
        /// The addresses, without passwords.
        servers: Arc<str>,
    },
    /// An operation failed: the login has no permission, a limit was exceeded, or an object is damaged. It fails again until the cause is
    /// removed.
    Refused {
        /// What was tried.
        what: Arc<str>,
        /// Why it failed.
        reason: Arc<str>,
    },
    /// A stream of the fleet, or its consumer, already exists, with settings that differ from those of this program.
    OtherSettings {
        /// The name of the stream.
        stream: Arc<str>,
        /// What differs.
        difference: Arc<str>,
    },
    /// The server did not answer in time.
    Silent {
        /// What was tried.
        what: Arc<str>,
    },
    /// No server of JetStream answers, or the servers have no leader at the moment.
    NoLeader {
        /// What was tried.
        what: Arc<str>,
    },
    /// The connection has ended, and does not come back.
    Ended {
        /// What was tried.
        what: Arc<str>,
    },
    /// The thread of the connection, or its runtime, cannot be started.
    Thread(Arc<io::Error>),
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConnectError::Address { address, reason } => {
                write!(
                    f,
                    "{address:?} is not the address of a NATS server ({reason}); write nats://HOST:PORT or tls://HOST:PORT"
                )
            }
            ConnectError::Name(name) => name.fmt(f),
            ConnectError::File { path, reason } => write!(f, "the file {path:?} cannot be used: {reason}"),
            ConnectError::NoServer { servers, reason } => write!(
                f,
                "no NATS server answers at {servers} ({reason}); start one with `nats-server -js`, or check host and port"
            ),
            ConnectError::Login { servers } => write!(
                f,
                "the NATS server at {servers} refuses the login; give credentials with `credentials_file`, `token` or \
                 `user_and_password`, or check that they are valid"
            ),
            ConnectError::Tls { servers, reason } => {
                write!(f, "no safe connection to {servers} ({reason}); {}", tls_advice(reason))
            }
            ConnectError::TooOld { version } => {
                write!(f, "the NATS server has version {version}, and a fleet needs 2.9 or later; install a newer one")
            }
            ConnectError::NoJetStream { servers } => write!(
                f,
                "the NATS server at {servers} keeps no streams for this account; start it with `nats-server -js`, or enable JetStream \
                 for the account"
            ),
            ConnectError::Refused { what, reason } => {
                write!(f, "the request to {what} failed: {reason}")?;
                if reason.contains("ermission") {
                    f.write_str("; docs/fleet.md lists the permissions that each role needs")?;
                } else if reason.contains("subjects overlap") {
                    f.write_str("; set another `prefix`, or delete that stream")?;
                }
                Ok(())
            }
            ConnectError::OtherSettings { stream, difference } => {
                let advice = match difference.starts_with(CONSUMER_DIFFERS) {
                    true => "stop the workers of the group and delete that consumer, not the stream: the jobs stay",
                    false => "set another `prefix`, or delete the stream with all that it keeps",
                };
                write!(
                    f,
                    "the stream {stream:?} already exists, with other settings ({difference}); use the same options in all programs of the \
                     fleet, or {advice}"
                )
            }
            ConnectError::Silent { what } => write!(
                f,
                "the NATS server did not answer the request to {what} in time; check the connection, and whether the servers of the \
                 cluster have a leader"
            ),
            ConnectError::NoLeader { what } => write!(
                f,
                "the request to {what} failed: no server of JetStream answers, or the servers have no leader at the moment; \
                 check that more than half of the servers run, and that JetStream is enabled on them"
            ),
            ConnectError::Ended { what } => write!(f, "the request to {what} failed: {CONNECTION_ENDED}"),
            ConnectError::Thread(error) => {
                write!(f, "the operating system refused the thread of the connection: {}", without_codes(error))
            }
        }
    }
}

/// Returns what to do about an error of TLS. `reason` is the text of the TLS library or of the server.
fn tls_advice(reason: &str) -> &'static str {
    let advice_by_word = [
        ("UnknownIssuer", "name the certificate that has signed that of the server with `root_certificates`"),
        ("NotValidForName", "the certificate of the server has another name: write that one into the address"),
        (
            "corrupt message",
            "the server answers without TLS: set TLS up on the server, or write nats:// into the address and allow plain connections to \
             other machines with `insecure`",
        ),
        ("Expired", "the certificate of the server has expired, or a clock is wrong"),
        ("BadCertificate", "the server asks for a certificate of this program: name one with `client_certificate`"),
        (
            "CertificateRequired",
            "the server asks for a certificate of this program: name one with `client_certificate`",
        ),
        (
            "could not add certificate or key",
            "the files of `client_certificate` have to be a certificate of version 3, and the key that belongs to it",
        ),
        ("could not load private key", "the second file of `client_certificate` has to be a private key in PEM form"),
    ];
    let advice = advice_by_word.iter().find(|(word, _)| reason.contains(word)).map(|(_, advice)| *advice);
    advice.unwrap_or(
        "a connection to another machine needs TLS: set it up on the server, name its certificate with \
         `root_certificates`, or allow plain connections with `insecure`",
    )
}

impl ConnectError {
    /// Returns whether no further try can succeed, because the connection has ended.
    pub(crate) fn is_end_of_connection(&self) -> bool {
        matches!(self, ConnectError::Ended { .. })
    }

    /// Returns whether another try may succeed soon: the server is silent, or has no leader.
    pub(crate) fn is_temporary(&self) -> bool {
        matches!(self, ConnectError::Silent { .. } | ConnectError::NoLeader { .. })
    }
}

/// The error of a request whose connection has ended.
pub(crate) const CONNECTION_ENDED: &str = "the connection has ended for good: the program has drained its NATS client, or that client has given \
     up (its `max_reconnects`); connect another one";

/// The beginning of `OtherSettings::difference` for a consumer.
pub(crate) const CONSUMER_DIFFERS: &str = "the lease of its consumer";

/// Returns the text of an error without the error numbers of the operating system: the words beside them say the same.
pub(crate) fn without_codes(error: &dyn fmt::Display) -> String {
    let mut text = error.to_string();
    while let Some(start) = text.find(" (os error ") {
        let Some(length) = text[start..].find(')') else { break };
        text.replace_range(start..=start + length, "");
    }
    text
}

impl Error for ConnectError {}

impl From<InvalidName> for ConnectError {
    fn from(name: InvalidName) -> ConnectError {
        ConnectError::Name(name)
    }
}

/// Returns addresses without the part before the `@`, which may be a password.
pub(crate) fn without_secrets(servers: &str) -> String {
    let address = |address: &str| match (address.find("://"), address.rfind('@')) {
        (Some(scheme), Some(at)) if at > scheme => format!("{}{}", &address[..scheme + 3], &address[at + 1..]),
        (None, Some(at)) => address[at + 1..].to_owned(),
        _ => address.to_owned(),
    };
    let addresses: Vec<_> = servers.split(',').map(str::trim).collect();
    let shown = (0..addresses.len()).filter(|&at| !ends_in_login(&addresses[at..]));
    shown.map(|at| address(addresses[at])).collect::<Vec<_>>().join(",")
}

/// Returns whether the first of these addresses ends within a user or a password, because that contains a comma: the text after the comma is no
/// address that begins anew, and has the `@` that ends the password.
pub(crate) fn ends_in_login(addresses: &[&str]) -> bool {
    let [first, rest @ ..] = addresses else { return false };
    let first = first.split_once("://").map_or(*first, |(_, rest)| rest);
    let port = first.rsplit(':').next().unwrap_or_default();
    let has_port = port.bytes().all(|byte| byte.is_ascii_digit()) || port.ends_with(']');
    let next = rest.iter().find(|address| address.contains('@') || address.contains("://"));
    !first.contains('@') && !has_port && first.contains(':') && next.is_some_and(|next| !next.contains("://"))
}

#[cfg(test)]
mod tests {
    use super::{CONSUMER_DIFFERS, ConnectError, without_codes, without_secrets};

    #[test]
    fn an_error_of_tls_says_what_to_do() {
        for (reason, advice) in [
            ("IO error: invalid peer certificate: UnknownIssuer", "signed that of the server with `root_certificates`"),
            ("IO error: received fatal alert: BadCertificate", "name one with `client_certificate`"),
            ("IO error: received corrupt message of type InvalidContentType", "with `insecure`"),
        ] {
            let error = ConnectError::Tls { servers: "tls://h:1".into(), reason: reason.into() }.to_string();
            assert!(error.starts_with(&format!("no safe connection to tls://h:1 ({reason}); ")), "{error}");
            assert!(error.ends_with(advice), "{error}");
        }
    }

    #[test]
    fn a_consumer_that_differs_is_deleted_without_its_jobs() {
        let difference = format!("{CONSUMER_DIFFERS} \"workers\" is 10s, and that of this program 2s").into();
        let error = ConnectError::OtherSettings { stream: "cordial-jobs-g".into(), difference }.to_string();
        assert!(error.ends_with("and delete that consumer, not the stream: the jobs stay"), "{error}");
    }

    #[test]
    fn errors_of_the_operating_system_are_words_alone() {
        let text = "IO error: Connection refused (os error 111): Permission denied (os error 13) at line 3";
        assert_eq!(without_codes(&text), "IO error: Connection refused: Permission denied at line 3");
        assert_eq!(without_codes(&"(os error"), "(os error");
    }

    #[test]
    fn passwords_are_not_shown() {
        assert_eq!(without_secrets("nats://u:p@h:4222,h2:1, u:p@h3"), "nats://h:4222,h2:1,h3");
        assert_eq!(without_secrets("nats://u:pa,ss@h"), "h");
        assert_eq!(without_secrets("nats://h1,u:p@h2"), "nats://h1,h2");
        assert_eq!(without_secrets("tls://[::1],u:p@h2"), "tls://[::1],h2");
        assert_eq!(without_secrets("nats://h1:4222,u:p@h2,h3"), "nats://h1:4222,h2,h3");
    }
}

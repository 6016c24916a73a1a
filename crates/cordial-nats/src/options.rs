//! `Options`: the servers, the login and the encryption of a connection, and the settings of the streams.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use cordial_isolate::Functions;

use crate::connect_error::without_secrets;

/// The longest lease. The sum of an `Instant` and a much longer lease might overflow.
const MAX_LEASE: Duration = Duration::from_secs(30 * 24 * 3600);

/// How to reach the servers, and how to create the streams of the fleet. Give all programs of a fleet the same options for streams: the
/// first program that needs a stream creates it with the options of that program.
///
/// Options are created from a string with the addresses of one or more servers, separated by commas, such as `nats://host:4222` or
/// `tls://host:4222`; or from a connected [`async_nats::Client`], see [`Cluster::connect`](crate::Cluster::connect).
///
/// # Examples
///
/// ```
/// use cordial_nats::Options;
///
/// let options = Options::new("tls://nats.example.com:4222")
///     .credentials_file("/etc/fleet/worker.creds")
///     .replicas(3)
///     .max_jobs(1_000_000);
/// # drop(options);
/// ```
#[derive(Clone)]
#[must_use = "options do nothing before `Cluster::connect`"]
pub struct Options {
    pub(crate) servers: String,
    /// A client that the user has connected.
    pub(crate) client: Option<async_nats::Client>,
    /// The table whose settings decide which values calls and jobs carry. `None`: the table of [`cordial_isolate::main`].
    pub(crate) travels: Option<Functions>,
    pub(crate) name: Option<String>,
    pub(crate) prefix: String,
    pub(crate) login: Login,
    pub(crate) root_certificates: Option<PathBuf>,
    pub(crate) client_certificate: Option<(PathBuf, PathBuf)>,
    pub(crate) transport: Transport,
    pub(crate) lease: Duration,
    pub(crate) streams: StreamOptions,
}

/// Whether a connection has to be encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    /// TLS is required unless all addresses are loopback ones.
    Safe,
    /// TLS is used only if an address or the server asks for it.
    Plain,
}

/// How the client logs in.
#[derive(Clone)]
pub(crate) enum Login {
    Anonymous,
    CredentialsFile(PathBuf),
    Token(String),
    UserAndPassword(String, String),
}

/// The settings with which this program creates the streams that do not exist yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StreamOptions {
    /// `None`: not set by the user.
    pub(crate) replicas: Option<usize>,
    pub(crate) max_jobs: Option<u64>,
    pub(crate) max_bytes: Option<u64>,
    pub(crate) keep_results: Duration,
    pub(crate) keep_dead: Duration,
    pub(crate) duplicate_window: Duration,
}

impl Options {
    /// Creates options for these servers: one address, or several with commas between them.
    pub fn new(servers: impl Into<String>) -> Options {
        Options {
            servers: servers.into(),
            client: None,
            travels: None,
            name: None,
            prefix: "cordial".to_owned(),
            login: Login::Anonymous,
            root_certificates: None,
            client_certificate: None,
            transport: Transport::Safe,
            lease: Duration::from_secs(10),
            streams: StreamOptions {
                replicas: None,
                max_jobs: None,
                max_bytes: None,
                keep_results: Duration::from_secs(24 * 3600),
                keep_dead: Duration::from_secs(30 * 24 * 3600),
                duplicate_window: Duration::from_secs(120),
            },
        }
    }

    /// Sets the name of this program. The server lists its connection under this name, and a worker in this program uses it as the name
    /// of its node. Give each node a different name: nothing checks that. Default: the name of the machine and a random number.
    pub fn name(self, name: impl Into<String>) -> Options {
        Options { name: Some(name.into()), ..self }
    }

    /// Sets the word with which the names of the subjects and streams of the fleet begin. Only those of the object store, which contain
    /// `PREFIX-files`, and the subjects for answers (`_INBOX`) begin otherwise. Fleets with different prefixes can share a server. Default:
    /// `cordial`.
    pub fn prefix(self, prefix: impl Into<String>) -> Options {
        Options { prefix: prefix.into(), ..self }
    }

    /// Uses the key and the token in a `.creds` file. The file is read again whenever the client connects again, so a new file renews a token that
    /// expires. Write the new file under another name, and rename it, so that it is never read in part. If the client connects again and cannot read
    /// the file, it tries again, and the event `credentials_unreadable` says so. Default: no login.
    pub fn credentials_file(self, path: impl Into<PathBuf>) -> Options {
        Options { login: Login::CredentialsFile(path.into()), ..self }
    }

    /// Uses a token. Default: no login.
    pub fn token(self, token: impl Into<String>) -> Options {
        Options { login: Login::Token(token.into()), ..self }
    }

    /// Uses a user and a password. Default: no login.
    pub fn user_and_password(self, user: impl Into<String>, password: impl Into<String>) -> Options {
        Options { login: Login::UserAndPassword(user.into(), password.into()), ..self }
    }

    /// Trusts the certificates in this PEM file, and no longer those of the operating system. A second call replaces the path, so write all
    /// certificates into one file. Default: those of the operating system.
    pub fn root_certificates(self, path: impl Into<PathBuf>) -> Options {
        Options { root_certificates: Some(path.into()), ..self }
    }

    /// Sets the certificate, and its private key, with which the client identifies itself to the server. Both are paths of PEM files.
    /// Default: none.
    pub fn client_certificate(self, certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Options {
        Options { client_certificate: Some((certificate.into(), key.into())), ..self }
    }

    /// Allows connections without TLS to other machines. Default: if all addresses are loopback addresses, TLS is not required, and the
    /// client connects only to these addresses, not to others that the server announces. Otherwise, each connection requires TLS.
    pub fn insecure(self) -> Options {
        Options { transport: Transport::Plain, ..self }
    }

    /// Sets the table whose settings decide what the calls and jobs of this program carry in addition to their arguments: the values of the
    /// [inherited keys](Functions::travels) of the table, and the [trace context](Functions::trace_context) if the table defines one. The
    /// table of the worker needs the same settings. Default: the table that was passed to [`cordial_isolate::main`]; without one, calls and
    /// jobs carry only their arguments.
    pub fn travels(self, functions: &Functions) -> Options {
        Options { travels: Some(functions.clone()), ..self }
    }

    /// Sets the lease of a job: how long the job stays assigned to a worker that does not renew the lease. A worker renews it after each third
    /// of that time. If a node is gone, the server offers its jobs to other workers after at most that time. Set the same lease in all workers
    /// of a group, because it is a setting of their common consumer. At least 1 s, and at most 30 days. Default: 10 s.
    pub fn lease(self, lease: Duration) -> Options {
        Options { lease: lease.clamp(Duration::from_secs(1), MAX_LEASE), ..self }
    }

    /// Sets on how many servers each stream is stored. Default: 1. With 3, the fleet survives the loss of a server.
    pub fn replicas(mut self, n: usize) -> Options {
        self.streams.replicas = Some(n.max(1));
        self
    }

    /// Sets how many jobs of a group may wait or run in total. The server refuses a submit that would exceed this number, and loses no job
    /// that it has accepted. At least 1. Default: no limit.
    pub fn max_jobs(mut self, n: u64) -> Options {
        self.streams.max_jobs = Some(in_stream(n));
        self
    }

    /// Sets how many bytes the jobs of a group may have together. The server refuses a submit that would exceed this number. At least 1.
    /// Default: only the limits of the server.
    pub fn max_bytes(mut self, bytes: u64) -> Options {
        self.streams.max_bytes = Some(in_stream(bytes));
        self
    }

    /// Sets how long a result is kept. During that time, another submit with the same key gets this result, and the job does not run
    /// again. At least 1 s. Default: a day.
    pub fn keep_results(mut self, time: Duration) -> Options {
        self.streams.keep_results = time.max(Duration::from_secs(1));
        self
    }

    /// Sets how long a dead letter is kept. At least 1 s. Default: 30 days.
    pub fn keep_dead_letters(mut self, time: Duration) -> Options {
        self.streams.keep_dead = time.max(Duration::from_secs(1));
        self
    }

    /// Sets for how long the server recognizes the message id of a submit, so that a submit that is sent twice creates one job. The key of a
    /// job does not depend on this time: it is recognized while the job waits or runs, and while its result is kept. At least 100 ms, and at
    /// most as long as [results](Options::keep_results) are kept. Default: 2 minutes.
    pub fn duplicate_window(mut self, time: Duration) -> Options {
        self.streams.duplicate_window = time.max(Duration::from_millis(100));
        self
    }
}

/// Returns a limit in the range that the configuration of a stream accepts: at least 1, because JetStream takes 0 for "no limit", and at
/// most `i64::MAX`, because its limits are signed.
fn in_stream(limit: u64) -> u64 {
    limit.clamp(1, i64::MAX as u64)
}

/// The options use the addresses, the login and the TLS settings of the client.
impl From<async_nats::Client> for Options {
    fn from(client: async_nats::Client) -> Options {
        Options { client: Some(client), ..Options::new("the addresses of the given client") }
    }
}

impl From<&str> for Options {
    fn from(servers: &str) -> Options {
        Options::new(servers)
    }
}

impl From<String> for Options {
    fn from(servers: String) -> Options {
        Options::new(servers)
    }
}

/// Shows no secrets.
impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("servers", &without_secrets(&self.servers))
            .field("name", &self.name)
            .field("prefix", &self.prefix)
            .field("transport", &self.transport)
            .field("lease", &self.lease)
            .field("streams", &self.streams)
            .finish_non_exhaustive()
    }
}

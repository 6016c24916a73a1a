//! `Options`: which servers, with which rights, and the limits of the streams.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use cordial_isolate::Functions;

use crate::connect_error::without_secrets;

/// The longest lease. The sum of an `Instant` and a longer one might overflow.
const MAX_LEASE: Duration = Duration::from_secs(30 * 24 * 3600);

/// How to reach the servers, and how the streams of the fleet are made. Give all programs of a fleet the same options for streams: the first
/// one that needs a stream makes it with its own.
///
/// A text is the address of a server, or of several with commas between them: `nats://host:4222` or `tls://host:4222`. A ready
/// [`async_nats::Client`] is turned into options as well; see [`Cluster::connect`](crate::Cluster::connect).
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
    /// The table that says what calls and jobs carry. `None`: that of [`cordial_isolate::main`].
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

/// The settings of the streams that this program makes if they are missing.
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

    /// Sets the name of this program: the server lists it, and it is the name of the node if this program has a worker. Give each node
    /// a name of its own: nothing checks that. Default: the name of the machine and a random number.
    pub fn name(self, name: impl Into<String>) -> Options {
        Options { name: Some(name.into()), ..self }
    }

    /// Sets the word with which all subjects and streams of the fleet begin. Fleets with different prefixes can share a
    /// server. Default: `cordial`.
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

    /// Trusts the certificates in this PEM file besides those of the operating system. A second call replaces the file: write all certificates
    /// into one. Default: those of the operating system.
    pub fn root_certificates(self, path: impl Into<PathBuf>) -> Options {
        Options { root_certificates: Some(path.into()), ..self }
    }

    /// Shows this certificate to the server. Both files are PEM. Default: none.
    pub fn client_certificate(self, certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Options {
        Options { client_certificate: Some((certificate.into(), key.into())), ..self }
    }

    /// Allows connections without TLS to other machines. Default: if one of the addresses is not a loopback one, each connection needs TLS;
    /// if all of them are, TLS is not needed, and the client does not connect to other addresses that the server announces.
    pub fn insecure(self) -> Options {
        Options { transport: Transport::Plain, ..self }
    }

    /// Sets the table of functions that says what travels with calls and jobs of this program: which values of
    /// [inherited keys](Functions::travels), and whether the [trace context](Functions::trace_context). The table of the worker needs the same.
    /// Default: the table that was passed to [`cordial_isolate::main`]; otherwise nothing travels.
    pub fn travels(self, functions: &Functions) -> Options {
        Options { travels: Some(functions.clone()), ..self }
    }

    /// Sets how long a job stays with a worker that does not renew its lease. A worker renews it after each third of that time. A job of a
    /// node that is gone is delivered to another worker after at most this long. Must be the same in all workers of a group, because it is a setting
    /// of their consumer. At least 1 s, and at most 30 days. Default: 10 s.
    pub fn lease(self, lease: Duration) -> Options {
        Options { lease: lease.clamp(Duration::from_secs(1), MAX_LEASE), ..self }
    }

    /// Sets on how many servers each stream is kept. Default: 1. With 3, the fleet survives the loss of a server.
    pub fn replicas(mut self, n: usize) -> Options {
        self.streams.replicas = Some(n.max(1));
        self
    }

    /// Sets how many jobs of a group may wait or run. A submit beyond that is refused, and nothing is lost. At least 1. Default: no limit.
    pub fn max_jobs(mut self, n: u64) -> Options {
        self.streams.max_jobs = Some(in_stream(n));
        self
    }

    /// Sets how many bytes the jobs of a group may have together. A submit beyond that is refused. At least 1. Default: no limit but those of the
    /// server.
    pub fn max_bytes(mut self, bytes: u64) -> Options {
        self.streams.max_bytes = Some(in_stream(bytes));
        self
    }

    /// Sets how long a result is kept. As long as it is kept, another submit with the same key gets it instead of a second
    /// run. At least 1 s. Default: a day.
    pub fn keep_results(mut self, time: Duration) -> Options {
        self.streams.keep_results = time.max(Duration::from_secs(1));
        self
    }

    /// Sets how long a dead letter is kept. At least 1 s. Default: 30 days.
    pub fn keep_dead_letters(mut self, time: Duration) -> Options {
        self.streams.keep_dead = time.max(Duration::from_secs(1));
        self
    }

    /// Sets for how long the server recognizes the message id of a submit. Independent of it, a key is recognized while its job
    /// waits or runs, and while its result is kept. At least 100 ms, and at most as long as [results](Options::keep_results) are kept. Default: 2
    /// minutes.
    pub fn duplicate_window(mut self, time: Duration) -> Options {
        self.streams.duplicate_window = time.max(Duration::from_millis(100));
        self
    }
}

/// Returns a limit for the configuration of a stream: a stream has signed limits, and takes 0 for no limit.
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

/// Without secrets.
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

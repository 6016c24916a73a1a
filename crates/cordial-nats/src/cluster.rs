//! `Cluster`: the handle to a fleet.

use std::collections::HashSet;
use std::fmt;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cordial_isolate::Functions;
use cordial_isolate::dispatch::Carried;
use tokio::sync::{OnceCell, oneshot};

use crate::connect_error::{ConnectError, without_secrets};
use crate::names::{Subjects, checked};
use crate::net::{Connection, NetError, RequestHandler, open};
use crate::options::{Options, StreamOptions};
use crate::streams::{check_jetstream, ensure_common, ensure_files, ensure_jobs, has_stream, refused};
use crate::waiters::Waiters;
use crate::wire::{State, end_of_call};

/// A connection to a fleet, which is a set of workers that serve functions, and the streams between them and their callers. Cheap to clone.
/// The connection ends when the last clone has been dropped, and with it the last job, stream and worker that a clone has made.
///
/// | to | call |
/// |---|---|
/// | serve functions | [`worker`](Cluster::worker) |
/// | call a function, and get an error if its node is lost | [`call`](Cluster::call) |
/// | run a function at least once, even if nodes are lost | [`submit`](Cluster::submit) |
/// | wait for a job that another program submitted | [`attach`](Cluster::attach) |
/// | run a function on many inputs | [`async_stream`](Cluster::async_stream) |
/// | list the nodes | [`nodes`](Cluster::nodes) |
/// | list the jobs that failed for good | [`dead_letters`](Cluster::dead_letters) |
///
/// If the connection breaks, the client connects again by itself, to any server that it knows. Requests that are made in the
/// meantime wait, up to their limits.
#[derive(Clone)]
pub struct Cluster {
    pub(crate) shared: Arc<ClusterShared>,
    travels: Option<Functions>,
}

/// The state that all clones of a cluster share. Holds no user value, because the thread of the connection may drop it.
pub(crate) struct ClusterShared {
    pub(crate) connection: Connection,
    pub(crate) subjects: Subjects,
    pub(crate) streams: StreamOptions,
    pub(crate) lease: Duration,
    pub(crate) name: Arc<str>,
    /// Names the jobs of this program that have no key. Random.
    pub(crate) instance: Arc<str>,
    /// The waits for results of jobs without a key.
    pub(crate) results: Arc<Waiters>,
    results_subscription: OnceCell<oneshot::Sender<()>>,
    /// The waits for answers to calls.
    pub(crate) calls: Arc<Waiters>,
    pub(crate) call_inbox: String,
    calls_subscription: OnceCell<oneshot::Sender<()>>,
    /// How many calls of this program wait for a slot, because every slot was taken.
    pub(crate) n_refused_calls: AtomicU32,
    /// Locked while a job is looked up in its stream, so that this happens one job at a time.
    pub(crate) look_up_turn: tokio::sync::Mutex<()>,
    /// What this handle and its clones have made on the server, or seen there, since the last [`forget_streams`](ClusterShared::forget_streams).
    known: Mutex<HashSet<Known>>,
}

/// A stream, or an object store, on the server.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Known {
    /// The streams that all groups share, with the options of this program.
    CommonStreams,
    /// The stream for the jobs of a group, with the options of this program.
    JobsOf(Arc<str>),
    /// The object store, with the options of this program.
    ObjectStore,
    /// An object store, whatever its options are.
    AnyObjectStore,
}

impl Cluster {
    /// Connects to a fleet. A text is the address of a server, or of several with commas between them.
    ///
    /// A ready [`async_nats::Client`] is accepted as well, with any login, TLS and callbacks. The client sends the renewals of leases on the
    /// runtime on which it was connected, so that runtime has to live, and user code must not block it. A request for which the
    /// login has no permission then fails after its time limit instead of at once, because the client reports such errors to its own callback.
    ///
    /// The servers need no configuration for the fleet: the first program that needs a stream makes it.
    ///
    /// # Errors
    ///
    /// If an option is invalid, a file cannot be read, or the operating system refuses the thread of the connection; if no server answers
    /// within 2.5 s for each address; if the server refuses the login, offers no safe connection, is too old, or keeps no streams; if JetStream does not answer
    /// within 2.8 s.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the connection.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use cordial_nats::{Cluster, Options};
    ///
    /// # async fn connect() -> Result<(), cordial_nats::ConnectError> {
    /// let local = Cluster::connect("nats://127.0.0.1:4222").await?;
    /// let remote = Cluster::connect(Options::new("tls://nats.example.com").credentials_file("fleet.creds")).await?;
    /// // A client with options of its own.
    /// let client = async_nats::ConnectOptions::new().connect("127.0.0.1:4222").await.expect("there is a server");
    /// let ready = Cluster::connect(Options::from(client).prefix("pictures")).await?;
    /// # drop((local, remote, ready));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn connect(options: impl Into<Options>) -> Result<Cluster, ConnectError> {
        let options = options.into();
        let prefix = checked("prefix", &options.prefix)?;
        let instance: Arc<str> = (0..16).map(|_| fastrand::alphanumeric()).collect::<String>().into();
        let name = match &options.name {
            Some(name) => checked("node", name)?,
            None => default_name().into(),
        };
        let connection = open(&options, &name).await?;
        let subjects = Subjects::new(prefix);
        check_jetstream(&connection, &without_secrets(&options.servers), &subjects).await?;
        let call_inbox = connection.new_inbox();
        let shared = ClusterShared {
            connection,
            subjects,
            streams: options.streams,
            lease: options.lease,
            name,
            instance,
            results: Arc::default(),
            results_subscription: OnceCell::new(),
            calls: Arc::default(),
            call_inbox,
            calls_subscription: OnceCell::new(),
            n_refused_calls: AtomicU32::new(0),
            look_up_turn: tokio::sync::Mutex::default(),
            known: Mutex::default(),
        };
        Ok(Cluster { shared: Arc::new(shared), travels: options.travels })
    }

    /// Returns the name of this program in the fleet.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// Returns the size of the largest message that the server accepts, in bytes, with its headers.
    #[must_use]
    pub fn max_payload(&self) -> usize {
        self.shared.connection.max_payload()
    }

    /// Returns what a call or a job of the calling process carries.
    pub(crate) fn carried(&self) -> Carried {
        match &self.travels {
            Some(functions) => functions.carried(),
            None => cordial_isolate::carried(),
        }
    }
}

impl ClusterShared {
    /// Makes or checks the streams that all groups share, unless that was done before.
    pub(crate) async fn ensure_common_streams(&self) -> Result<(), ConnectError> {
        if !self.is_known(&Known::CommonStreams) {
            // Boxed here and below: seldom done, and larger than the rest of the futures of a job.
            Box::pin(ensure_common(&self.connection, &self.subjects, self.streams)).await?;
            self.lock_known().insert(Known::CommonStreams);
        }
        Ok(())
    }

    /// Makes or checks the streams of a group and the common ones, unless that was done before.
    pub(crate) async fn ensure_streams(&self, group: &Arc<str>) -> Result<(), ConnectError> {
        self.ensure_common_streams().await?;
        let jobs = Known::JobsOf(group.clone());
        if !self.is_known(&jobs) {
            Box::pin(ensure_jobs(&self.connection, &self.subjects, group, self.streams)).await?;
            self.lock_known().insert(jobs);
        }
        Ok(())
    }

    /// Makes or checks the streams again, because one of them may have been deleted.
    pub(crate) async fn ensure_again(&self, group: &Arc<str>) -> Result<(), ConnectError> {
        self.forget_streams();
        self.ensure_streams(group).await
    }

    /// Makes or checks the object store, unless that was done before.
    pub(crate) async fn ensure_files(&self) -> Result<(), ConnectError> {
        if !self.is_known(&Known::ObjectStore) {
            ensure_files(&self.connection, &self.subjects, self.streams).await?;
            self.lock_known().insert(Known::ObjectStore);
        }
        Ok(())
    }

    /// Returns whether there is an object store. Asks the server, unless a store was found before.
    pub(crate) async fn has_files(&self) -> Result<bool, NetError> {
        if !self.is_known(&Known::AnyObjectStore) {
            if !has_stream(&self.connection, &self.subjects.files_stream()).await? {
                return Ok(false);
            }
            self.lock_known().insert(Known::AnyObjectStore);
        }
        Ok(true)
    }

    /// Forgets what is on the server, because a stream may have been deleted: the next [`ensure_streams`](ClusterShared::ensure_streams) asks
    /// the server.
    pub(crate) fn forget_streams(&self) {
        self.lock_known().clear();
    }

    fn is_known(&self, known: &Known) -> bool {
        self.lock_known().contains(known)
    }

    fn lock_known(&self) -> std::sync::MutexGuard<'_, HashSet<Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Subscribes to the results of the jobs of this program that have no key, once.
    pub(crate) async fn subscribe_results(&self) -> Result<(), ConnectError> {
        if self.results_subscription.initialized() {
            return Ok(());
        }
        let subject = self.subjects.done_of(&self.instance);
        let waiters = self.results.clone();
        let answer: RequestHandler = Arc::new(move |message| {
            drop(waiters.deliver(message));
            None
        });
        self.subscribe(&self.results_subscription, subject, answer, "subscribe to the results").await
    }

    /// Subscribes to the answers to the calls of this program, once.
    pub(crate) async fn subscribe_calls(&self) -> Result<(), ConnectError> {
        let subject = format!("{}.*", self.call_inbox);
        let waiters = self.calls.clone();
        let answer: RequestHandler = Arc::new(move |message| {
            // The caller may have dropped the call before this message has arrived. `Accepted` is answered with a request to end the call then.
            let message = waiters.deliver(message)?;
            let state = message.headers.as_ref().and_then(State::of);
            (state == Some(State::Accepted)).then(|| end_of_call(&message.subject))
        });
        self.subscribe(&self.calls_subscription, subject, answer, "subscribe to the answers").await
    }

    async fn subscribe(
        &self,
        cell: &OnceCell<oneshot::Sender<()>>,
        subject: String,
        answer: RequestHandler,
        what: &str,
    ) -> Result<(), ConnectError> {
        let subscribe = || self.connection.on_request(subject, answer);
        cell.get_or_try_init(subscribe).await.map(drop).map_err(|error| refused(what, error))
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster")
            .field("name", &self.shared.name)
            .field("prefix", &self.shared.subjects.prefix())
            .finish_non_exhaustive()
    }
}

/// Returns up to 40 characters of the name of the machine, or `node`, and a random number. Letters and digits stay, other characters become `-`.
fn default_name() -> String {
    let host = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    let host: String = host.trim().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(40).collect();
    let host = if host.is_empty() { "node" } else { &host };
    format!("{host}-{:08x}", fastrand::u32(..))
}

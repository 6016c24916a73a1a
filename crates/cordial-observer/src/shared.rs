//! What the thread of the observer and its router share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};

use bytes::Bytes;
use cordial::process::{Inspector, ProcessInfo};
use http::request::Parts;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::time::timeout;

use crate::access::Access;
use crate::answer::{Identity, dump, tick};
use crate::collector::{Collector, NewEntry, Refused};
use crate::log_lines::LogLines;
use crate::program_code::{LIMIT, NO_DETAILS, ProgramCode};
use crate::secret::Secret;
use crate::view::{AuditEntry, Dropped, Rights};

/// An authorizer of the program.
pub(crate) type Authorizer = Box<dyn Fn(&Parts) -> Access + Send + Sync>;

/// A callback of the program that receives entries of the audit log.
pub(crate) type AuditCallback = Box<dyn Fn(&AuditEntry) + Send + Sync>;

/// A function of the program that describes a process.
pub(crate) type Formatter = Box<dyn Fn(&ProcessInfo) -> Option<String> + Send + Sync>;

/// How the program has set up the observer.
pub(crate) struct Options {
    /// The token, from which the cookie and the header against forged requests are derived.
    pub(crate) secret: Secret,
    /// Whether a client needs the token.
    pub(crate) needs_token: bool,
    pub(crate) authorizer: Option<Authorizer>,
    pub(crate) allowed: Rights,
    pub(crate) audit: Option<AuditCallback>,
    /// Names by which clients may reach the server, in addition to addresses and `localhost`.
    pub(crate) hosts: Vec<String>,
    pub(crate) cookie_name: String,
    pub(crate) formatter: Option<Formatter>,
    pub(crate) log_lines: Option<LogLines>,
    pub(crate) dumps_on_sigusr1: bool,
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options").field("allowed", &self.allowed).field("hosts", &self.hosts).finish_non_exhaustive()
    }
}

/// How many answers to wrong tokens may be delayed at once. Fewer than the connections that may be open, so that other clients can connect meanwhile.
const MAX_WRONG_TOKENS: usize = 16;

/// What the thread of the observer and its router share.
#[derive(Debug)]
pub(crate) struct ObserverShared {
    pub(crate) options: Options,
    pub(crate) identity: Identity,
    /// The newest event, ready to be sent to the clients that read `/api/events`. No event is made while no client reads. Empty before the first
    /// event, and after the observer was stopped.
    pub(crate) ticks: watch::Sender<Bytes>,
    /// Ends the thread when it is set to true. Not a field of the handle `Observer`: a forked process may drop its copy of the handle, and dropping
    /// a sender takes locks, which the thread may have held at the fork.
    pub(crate) stop: watch::Sender<bool>,
    /// Spawns tasks on the thread of the observer.
    pub(crate) thread: Handle,
    /// The permits to check a token. A wrong token keeps its permit while its answer is delayed.
    pub(crate) token_checks: Arc<Semaphore>,
    pub(crate) program_code: ProgramCode,
    pub(crate) n_clients_dropped: AtomicU64,
    pub(crate) n_connections_closed: AtomicU64,
    /// The id of the OS process that has the thread of the observer, in the PID namespace of that process.
    os_pid: u32,
    /// Notices a fork. A comparison of process ids is not enough: in two PID namespaces, two processes may have the same id.
    fork_guard: forkguard::Guard,
    collector: Mutex<Collector>,
}

/// The observer was stopped, or the request has hit an error of the observer itself.
#[derive(Debug)]
pub(crate) struct Unavailable;

impl ObserverShared {
    pub(crate) fn new(options: Options, identity: Identity, inspector: Inspector, thread: Handle) -> ObserverShared {
        ObserverShared {
            options,
            identity,
            ticks: watch::Sender::new(Bytes::new()),
            stop: watch::Sender::new(false),
            thread,
            token_checks: Arc::new(Semaphore::new(MAX_WRONG_TOKENS)),
            program_code: ProgramCode::new(),
            n_clients_dropped: AtomicU64::new(0),
            n_connections_closed: AtomicU64::new(0),
            os_pid: std::process::id(),
            fork_guard: forkguard::new(),
            collector: Mutex::new(Collector::new(inspector)),
        }
    }

    /// If this OS process was forked from the one with the thread of the observer, returns a sentence that says that nothing can be asked here. That
    /// thread may have held a lock at the fork, so this is called before any lock is taken.
    pub(crate) fn forked(&self) -> Option<String> {
        let os_pid = self.os_pid;
        // A guard reports a fork only once, so each call asks a new copy of the guard.
        self.fork_guard.clone().detected_fork().then(|| {
            format!("this OS process was forked from {os_pid}, and the observer has stayed there: start another one after the fork")
        })
    }

    /// Locks the collector. Ignores that the lock is poisoned: after a panic in an answer or in a reading, the next reading goes on with the state
    /// that the collector has.
    pub(crate) fn collector(&self) -> MutexGuard<'_, Collector> {
        self.collector.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls `f` on the thread of the observer, so that the threads of the program do not pay for `f`. Fails if the observer was stopped, or if `f`
    /// panics.
    pub(crate) async fn ask<R: Send + 'static>(
        self: &Arc<ObserverShared>,
        f: impl FnOnce(&ObserverShared, &mut Collector) -> R + Send + 'static,
    ) -> Result<R, Unavailable> {
        let shared = self.clone();
        let asked = self.thread.spawn(async move {
            let mut collector = shared.collector();
            collector.record_request();
            f(&shared, &mut collector)
        });
        asked.await.map_err(|_| Unavailable)
    }

    /// Returns the state of the program as text. Waits for code of the program, which describes processes, for up to [`LIMIT`].
    pub(crate) fn dump(&self) -> String {
        let inspector = self.collector().inspector.clone();
        let (sender, receiver) = mpsc::channel();
        let asked = inspector.clone();
        // The lock of the collector is not held meanwhile, because this thread waits for code of the program.
        self.program_code.start_text(move || drop(sender.send(asked.snapshot().to_string())));
        self.dump_of(&inspector, receiver.recv_timeout(LIMIT).ok())
    }

    /// Like [`dump`](ObserverShared::dump), on the thread of the observer, which does not wait for code of the program.
    pub(crate) async fn ask_dump(self: &Arc<ObserverShared>) -> Result<String, Unavailable> {
        let own = self.clone();
        let asked = self.thread.spawn(async move {
            own.collector().record_request();
            let inspector = own.collector().inspector.clone();
            let (sender, receiver) = oneshot::channel();
            let asked = inspector.clone();
            own.program_code.start_text(move || drop(sender.send(asked.snapshot().to_string())));
            let tree = timeout(LIMIT, receiver).await.ok().and_then(Result::ok);
            own.dump_of(&inspector, tree)
        });
        asked.await.map_err(|_| Unavailable)
    }

    /// Returns the text with this tree of the processes. If `tree` is `None`, makes a tree that calls no code of the program.
    fn dump_of(&self, inspector: &Inspector, tree: Option<String>) -> String {
        let tree = tree.unwrap_or_else(|| format!("{NO_DETAILS}\n{}", inspector.snapshot_without_details()));
        dump(&self.collector(), &self.identity, &tree)
    }

    /// Returns how many clients were dropped, and how many connections were closed because too many were open. The other counters of the result
    /// are 0: the collector has them.
    pub(crate) fn dropped(&self) -> Dropped {
        Dropped {
            clients: self.n_clients_dropped.load(Ordering::Relaxed),
            connections: self.n_connections_closed.load(Ordering::Relaxed),
            ..Dropped::default()
        }
    }

    /// Reads the counters, and sends an event to the streams, if there are any. Called once a second.
    pub(crate) fn tick(&self) {
        let has_streams = self.ticks.receiver_count() > 0;
        let mut collector = self.collector();
        collector.tick(has_streams);
        if has_streams {
            let event = self.event(&mut collector);
            drop(collector);
            self.ticks.send_replace(event);
        }
    }

    /// Makes an event from the newest point of the history.
    pub(crate) fn event(&self, collector: &mut Collector) -> Bytes {
        let tick = tick(collector, &self.identity, self.dropped());
        let json = serde_json::to_string(&tick).expect("numbers and texts are valid JSON");
        Bytes::from(format!("event: tick\ndata: {json}\n\n"))
    }

    /// Adds an entry to the audit log, emits it as a `tracing` event, and passes it to the program.
    pub(crate) fn audit(self: &Arc<ObserverShared>, new: NewEntry) {
        let entry = {
            let mut collector = self.collector();
            let now_ms = collector.clock.now_ms();
            collector.audit.push(new, now_ms).clone()
        };
        self.publish(entry);
    }

    /// Like [`audit`](ObserverShared::audit), for a request that was refused before its action was known. Each wrong token is emitted and passed
    /// on: a client cannot send many of them, because the answers are delayed. Of the other refusals that an entry counts, only the first, the
    /// second, the fourth and so on are emitted and passed on, so that a client cannot fill the log of the program.
    pub(crate) fn audit_refusal(self: &Arc<ObserverShared>, who: String, refused: Refused) {
        let is_delayed = matches!(refused, Refused::WrongToken);
        let (entry, n) = {
            let mut collector = self.collector();
            let now_ms = collector.clock.now_ms();
            let (entry, n) = collector.audit.push_refusal(who, refused, now_ms);
            (entry.clone(), n)
        };
        if is_delayed || n.is_power_of_two() {
            self.publish(entry);
        }
    }

    fn publish(self: &Arc<ObserverShared>, entry: AuditEntry) {
        tracing::warn!(
            target: "cordial::observer",
            who = %entry.who,
            action = %entry.action,
            pid = entry.pid.as_deref(),
            allowed = entry.allowed,
            result = %entry.result,
            "a client has acted, or was refused"
        );
        if self.options.audit.is_some() {
            let own = self.clone();
            // In a task of its own, because the callback is code of the program and may panic.
            self.thread.spawn(async move { own.options.audit.as_ref().map(|callback| callback(&entry)) });
        }
    }
}

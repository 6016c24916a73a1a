//! `Cluster::call`: at most once, without a stream.
//!
//! ```text
//!  caller                       server                       a worker of the queue group
//!    ├── request ─────────────────┼── to one of the workers ────►│
//!    │◄─ 503, if none subscribes ─┤                              │
//!    │◄──────────────────────────── accepted, with its name ─────┤
//!    │◄──────────────────────────── heartbeat, each 700 ms ──────┤
//!    │◄──────────────────────────── outcome ─────────────────────┤
//! ```
//!
//! This is the request and reply of core NATS, with several replies. A worker without a free slot answers that it is busy, and the caller
//! asks again: the function has not run then. Once a worker has the call, it is never sent again.

use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_nats::{HeaderMap, Message, StatusCode};
use bytes::Bytes;
use cordial::{Exit, Lost, LostCause, Task, process};
use cordial_isolate::Function;
use cordial_isolate::dispatch::{Carried, CodecError, Outcome};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout};

use crate::cluster::{Cluster, ClusterShared};
use crate::net::{NetError, OutgoingMessage, PermissionErrors};
use crate::waiters::Waiter;
use crate::wire::{NODE, State, end_of_call, header, too_much_carried, write_carried, write_signature};

/// A node counts as down after this many waits of this length without a heartbeat: together, more than three periods of the heartbeat.
const MAX_SILENT_WAITS: u32 = 5;
const SILENT_WAIT: Duration = Duration::from_millis(500);

/// The delay before a caller asks again because the workers may not have connected again yet.
const RECONNECT_DELAY: Duration = Duration::from_millis(100);

/// How long a caller waits after the answer of the server: what the node had sent before may have reached the server after the question.
const LAST_WAIT: Duration = Duration::from_millis(300);

/// How long the server has to answer the question whether it has sent everything. Together with the silent waits, less than the 5 s that the await of a
/// task lasts by default.
const SERVER_LIMIT: Duration = Duration::from_secs(2);

/// The delay before a caller asks again after a worker was busy: the first one, and the one up to which it doubles. Up to half of a delay is added
/// or subtracted at random.
const MIN_BUSY_DELAY: Duration = Duration::from_millis(2);
const MAX_BUSY_DELAY: Duration = Duration::from_millis(100);

/// A refused caller waits at least this long for each call of this program that was refused and is not over. Otherwise thousands of callers that
/// ask ten times a second would delay each other's answers until the node counts as down.
const DELAY_OF_EACH: Duration = Duration::from_millis(1);

/// The limit of the sum of these delays: without it, the last callers would still sleep long after all others have had their turns.
const MAX_DELAY: Duration = Duration::from_secs(2);

impl Cluster {
    /// Calls a function on any node that serves it, and returns the task that waits for the outcome. At most one node runs it, at most
    /// once.
    ///
    /// The task is like any other: its await has a limit of 5 s by default, and [`timeout`](Task::timeout) sets another one. If its
    /// handle is dropped, or the limit passes, the call is killed on its node.
    ///
    /// | what happens | the await returns |
    /// |---|---|
    /// | no worker serves the function | an [`Exit::Error`], at once |
    /// | the function returns, fails or panics | its value, an [`Exit::Error`], an [`Exit::Panic`] |
    /// | the worker has a function of this name with other types, a message is too large, or what [travels](cordial_isolate::Functions::travels) cannot be encoded | an [`Exit::Error`] |
    /// | its node is killed, frozen or cut off | an [`Exit::Lost`] within 3 s |
    /// | the server does not answer any more | an [`Exit::Lost`] within 5 s, or 3 s if its connection is closed |
    /// | its worker is shut down | the outcome within the grace time, or an [`Exit::Lost`] at its end |
    /// | every slot of every worker is taken | the outcome once one is free, or a timeout |
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use cordial_isolate::Function;
    /// use cordial_nats::Cluster;
    ///
    /// const HASH: Function<Vec<u8>, u64> = Function::new("hash");
    ///
    /// # async fn call(cluster: Cluster) -> Result<(), cordial::Exit> {
    /// let hash: u64 = cluster.call(HASH, vec![1, 2, 3]).await?;
    /// # let _ = hash;
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn call<In, Out>(&self, function: Function<In, Out>, input: In) -> Task<Out>
    where
        In: Serialize + 'static,
        Out: DeserializeOwned + Send + 'static,
    {
        let spawned_at = Location::caller();
        let input = function.encode_input(&input);
        let carried = self.carried();
        let call =
            Call { shared: self.shared.clone(), name: function.name(), started: None, refused: None, spawned_at };
        let run = async move {
            let bytes = call.run(function, input, carried).await?;
            function.decode_output(bytes).map_err(|error| Exit::Error(Arc::new(error)))
        };
        Task::builder().label(function.name()).spawn(run).or_exit()
    }
}

struct Call {
    shared: Arc<ClusterShared>,
    name: &'static str,
    /// When a worker has accepted the call.
    started: Option<Instant>,
    /// While a worker was busy, and none has accepted the call since.
    refused: Option<RefusedCall>,
    spawned_at: &'static Location<'static>,
}

/// A call that was sent and has no outcome yet. Dropping it ends the call on its node.
///
/// If a node accepts the call after that, the handler of [`subscribe_calls`](ClusterShared::subscribe_calls) asks it to end the call.
struct SentCall {
    shared: Arc<ClusterShared>,
    waiter: Waiter,
    inbox: String,
    /// Which node has accepted the call.
    node: Option<Arc<str>>,
    is_over: bool,
}

impl SentCall {
    fn new(shared: &Arc<ClusterShared>) -> SentCall {
        let waiter = shared.calls.add();
        let inbox = format!("{}.{}", shared.call_inbox, waiter.number());
        SentCall { shared: shared.clone(), waiter, inbox, node: None, is_over: false }
    }

    /// Records what a message says about the call.
    fn note(&mut self, message: &Message) -> Option<State> {
        let headers = message.headers.as_ref()?;
        let state = State::of(headers)?;
        match state {
            State::Accepted => self.node = Some(header(headers, NODE).unwrap_or_default().into()),
            State::Busy | State::Done | State::Dead | State::Cancelled => self.is_over = true,
        }
        Some(state)
    }
}

impl Drop for SentCall {
    fn drop(&mut self) {
        for message in self.waiter.close() {
            self.note(&message);
        }
        if let Some(node) = self.node.take().filter(|_| !self.is_over) {
            let subject = self.shared.subjects.node(&node);
            self.shared.connection.publish(OutgoingMessage::new(subject, end_of_call(&self.inbox)));
        }
    }
}

/// What has become of a call that was sent.
enum Answer {
    Outcome(Bytes),
    /// The worker has no free slot.
    Busy,
    /// No worker has connected yet since the server is back.
    NoWorkerYet,
}

/// Counts a call that a worker has refused, until a worker has accepted it, or the call is over.
struct RefusedCall(Arc<ClusterShared>);

impl RefusedCall {
    fn new(shared: Arc<ClusterShared>) -> RefusedCall {
        shared.n_refused_calls.fetch_add(1, Ordering::Relaxed);
        RefusedCall(shared)
    }

    /// Returns how many calls of this program wait for a slot, with this one.
    fn n_all(&self) -> u32 {
        self.0.n_refused_calls.load(Ordering::Relaxed)
    }
}

impl Drop for RefusedCall {
    fn drop(&mut self) {
        self.0.n_refused_calls.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Call {
    async fn run<In, Out>(
        mut self,
        function: Function<In, Out>,
        input: Result<Vec<u8>, CodecError>,
        carried: Carried,
    ) -> Result<Vec<u8>, Exit> {
        let input = Bytes::from(input.map_err(|error| Exit::Error(Arc::new(error)))?);
        if let Some(missing) = carried.missing() {
            return Err(Exit::from(missing.to_owned()));
        }
        self.shared.subscribe_calls().await.map_err(|error| Exit::Error(Arc::new(error)))?;
        let mut headers = HeaderMap::new();
        write_signature(&mut headers, function.signature());
        write_carried(&mut headers, &carried).map_err(|size| Exit::from(too_much_carried(size)))?;
        let mut busy_delay = MIN_BUSY_DELAY;
        loop {
            let sent = SentCall::new(&self.shared);
            let subject = self.shared.subjects.call(self.name);
            let connection = &self.shared.connection;
            let published = connection.publish_request(subject, sent.inbox.clone(), headers.clone(), input.clone());
            let permission_errors = published.await.map_err(|error| match error {
                NetError::Silent => self.connection_lost(),
                error => self.not_sent(&error),
            })?;
            match self.wait(sent, permission_errors).await? {
                Answer::Outcome(outcome) => {
                    let outcome = Outcome::decode(outcome.to_vec()).map_err(|error| Exit::Error(Arc::new(error)))?;
                    let info = process::current().and_then(process::info);
                    return outcome.into_result(function.signature(), info.as_ref());
                }
                Answer::Busy => {
                    let refused = self.refused.get_or_insert_with(|| RefusedCall::new(self.shared.clone()));
                    let delay = busy_delay.max(DELAY_OF_EACH.saturating_mul(refused.n_all()).min(MAX_DELAY));
                    tokio::time::sleep(delay.mul_f64(0.5 + fastrand::f64())).await;
                    busy_delay = (busy_delay * 2).min(MAX_BUSY_DELAY);
                }
                Answer::NoWorkerYet => tokio::time::sleep(RECONNECT_DELAY).await,
            }
        }
    }

    /// Waits for the outcome.
    async fn wait(&mut self, mut sent: SentCall, mut permission_errors: PermissionErrors) -> Result<Answer, Exit> {
        let subject = self.shared.subjects.call(self.name);
        let mut n_silent = 0;
        loop {
            let waits_since = Instant::now();
            let message = tokio::select! {
                message = timeout(SILENT_WAIT, sent.waiter.next()) => message,
                error = permission_errors.next_about(&subject) => {
                    return Err(self.not_sent(&NetError::Denied(error)));
                }
            };
            let message = match message {
                Ok(message) => message,
                Err(_) => {
                    // A wait that has lasted much longer says nothing about the node: this program was frozen, and perhaps the node with it.
                    n_silent = if waits_since.elapsed() < SILENT_WAIT * 2 { n_silent + 1 } else { 0 };
                    if n_silent < MAX_SILENT_WAITS {
                        continue;
                    }
                    match self.next_before_answer_of_server(&mut sent).await? {
                        Some(message) => message,
                        // The node may not have connected again yet.
                        None if self.shared.connection.has_just_reconnected() => continue,
                        None => return Err(self.node_down(sent.node.clone())),
                    }
                }
            };
            n_silent = 0;
            if message.status == Some(StatusCode::NO_RESPONDERS) {
                if self.shared.connection.has_just_reconnected() {
                    return Ok(Answer::NoWorkerYet);
                }
                return Err(Exit::from(format!(
                    "no worker of the fleet serves the function {:?}; start one that has it in its `Functions`, or check the prefix of the fleet",
                    self.name
                )));
            }
            match sent.note(&message) {
                Some(State::Accepted) => {
                    self.started = Some(Instant::now());
                    self.refused = None;
                }
                Some(State::Busy) => return Ok(Answer::Busy),
                Some(State::Done | State::Dead | State::Cancelled) => return Ok(Answer::Outcome(message.payload)),
                // A heartbeat.
                None => {}
            }
        }
    }

    fn not_sent(&self, error: &NetError) -> Exit {
        Exit::from(format!("the function {:?} cannot be called: {error}", self.name))
    }

    /// Asks the server for an answer, and returns the first message of the call that arrives before the answer, or at most `LAST_WAIT` after it;
    /// `None` if there is none.
    ///
    /// The server, or the thread of the connection, may have been without a processor for seconds, while the node has sent its heartbeats. The
    /// server sends its answer after the heartbeats that it has read before the question.
    async fn next_before_answer_of_server(&self, sent: &mut SentCall) -> Result<Option<Message>, Exit> {
        let connection = &self.shared.connection;
        if !connection.is_connected() {
            return Err(self.connection_lost());
        }
        let mut waiter = self.shared.calls.add();
        let inbox = format!("{}.{}", self.shared.call_inbox, waiter.number());
        // No worker has this name, so the server itself answers, with "no responders". If a program subscribes to all subjects, there is no such
        // answer, but then the message to the own inbox comes back, or an error that this is not permitted.
        let unused = self.shared.subjects.node(&self.shared.instance);
        let ask = async {
            let publish = |subject| connection.publish_request(subject, inbox.clone(), HeaderMap::new(), Bytes::new());
            let mut permission_errors = publish(inbox.clone()).await?;
            publish(unused).await?;
            tokio::select! {
                _ = waiter.next() => {}
                _ = permission_errors.next_about(&inbox) => {}
            }
            Ok::<(), NetError>(())
        };
        tokio::select! {
            biased;
            message = sent.waiter.next() => return Ok(Some(message)),
            answered = timeout(SERVER_LIMIT, ask) => match answered {
                Ok(Ok(())) => {}
                _ => return Err(self.connection_lost()),
            },
        }
        Ok(timeout(LAST_WAIT, sent.waiter.next()).await.ok())
    }

    fn connection_lost(&self) -> Exit {
        let reason = if self.shared.connection.is_connected() {
            "the server does not answer"
        } else {
            "the server does not answer, and the client tries to connect again"
        };
        self.lost(LostCause::ConnectionLost { reason: reason.into() })
    }

    fn node_down(&self, node: Option<Arc<str>>) -> Exit {
        self.lost(LostCause::NodeDown { node: node.unwrap_or_else(|| "unknown".into()) })
    }

    fn lost(&self, cause: LostCause) -> Exit {
        let ran_for = self.started.map_or(Duration::ZERO, |started| started.elapsed());
        Lost::builder(cause).function(self.name).spawned_at(self.spawned_at).ran_for(ran_for).build().into()
    }
}

//! `Job`: a durable job, and the wait for its result.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_nats::HeaderMap;
use bytes::Bytes;
use cordial::{Exit, Task, Timeout, process};
use cordial_isolate::dispatch::Outcome;
use cordial_isolate::{Function, Signature};
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::time::Instant;

use crate::cluster::{Cluster, ClusterShared};
use crate::connect_error::ConnectError;
use crate::failure::dead_lettered;
use crate::names::JobId;
use crate::net::{API_LIMIT, NetError, StoredMessage, Subscription, direct_get, publish_to_stream, request_api};
use crate::streams::{has_message, refused};
use crate::unknown_job::UnknownJob;
use crate::waiters::Waiter;
use crate::wire::{ATTEMPT, NODE, STATE, State, header, other_maker};

/// A wait for a result relies on its subscription, and looks the result up after this delay, which doubles each time up to
/// [`MAX_LOOK_UP_DELAY`]. A message to a subscription can be lost while the client connects again; the result is still in its stream.
const MIN_LOOK_UP_DELAY: Duration = Duration::from_secs(4);
const MAX_LOOK_UP_DELAY: Duration = Duration::from_secs(30);

/// After how long a result is looked up again if its stream has it, but the server that answered did not have it yet.
const REPLICA_DELAY: Duration = Duration::from_millis(100);

/// To find a job, a server of version 2.9 searches all jobs of the group, which takes longer the more there are. So a program with many
/// waits looks one job up at a time, and then pauses for this many times as long as the server took.
const LOOK_UP_PAUSE: u32 = 4;

/// Turns the bytes of a result into the result.
type Decode<Out> = Box<dyn Fn(Vec<u8>) -> Result<Out, Exit> + Send + Sync>;

/// A durable job. Returned by [`Cluster::submit`] and [`Cluster::attach`].
///
/// Awaiting it returns the result, or the [`Exit`] that says why there is none. Like the await of a [`Task`], it has a limit of 5 s by
/// default, and [`timeout`](Job::timeout) sets another one. After the limit, the job continues: attach to it again with its
/// [`id`](Job::id).
///
/// If the server has neither the job nor its result any more, because its stream was purged or deleted, its store was lost, or the result has
/// expired, the await returns an [`UnknownJob`]: within 2 s of a new connection to the server, otherwise after 4 to 30 s. This takes longer
/// if many awaits look their jobs up at once. The login needs the permission to look at streams; without it, the await never returns
/// an `UnknownJob`.
///
/// Dropping the handle does not end the job. To end it, call [`cancel`](Job::cancel).
#[must_use = "a job runs on without its handle; keep its id to get the result later"]
pub struct Job<Out> {
    pub(crate) cluster: Cluster,
    pub(crate) id: JobId,
    pub(crate) source: ResultSource,
    pub(crate) signature: Signature,
    pub(crate) decode: Decode<Out>,
}

/// Where the result will come from.
#[derive(Debug)]
pub(crate) enum ResultSource {
    /// The subscription for all jobs of this program without a key, made before the job is published. The number of the job names its wait.
    Numbered(Waiter),
    /// A subscription for one job with a key, made before the job is published.
    Keyed(Subscription),
    /// The result may be there already: the server knew the job when it was submitted.
    Known,
    /// The result may be there already, or the job may not exist.
    Attached,
}

impl Cluster {
    /// Returns a handle to a job that was submitted before, by this program or by another one. Nothing is sent before the handle
    /// is awaited. For a job that does not exist, or whose result has expired, the await returns an [`UnknownJob`] at once; for a job that was
    /// submitted for another function, an [`Exit::Error`] that names both, once the job has a result.
    pub fn attach<In, Out>(&self, function: Function<In, Out>, id: &JobId) -> Job<Out>
    where
        In: 'static,
        Out: DeserializeOwned + Send + 'static,
    {
        Job::new(self.clone(), function, id.clone(), ResultSource::Attached)
    }

    /// Ends a job, as [`Job::cancel`] does. Returns `true` even if the server has neither such a job nor a result of it.
    ///
    /// # Errors
    ///
    /// As [`Job::cancel`].
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the job may or may not be cancelled.
    pub async fn cancel(&self, id: &JobId) -> Result<bool, ConnectError> {
        cancel(&self.shared, id).await
    }
}

impl<Out: DeserializeOwned + Send + 'static> Job<Out> {
    pub(crate) fn new<In: 'static>(
        cluster: Cluster,
        function: Function<In, Out>,
        id: JobId,
        source: ResultSource,
    ) -> Job<Out> {
        let decode = move |bytes| function.decode_output(bytes).map_err(|error| Exit::Error(Arc::new(error)));
        Job { cluster, id, source, signature: function.signature(), decode: Box::new(decode) }
    }

    /// Sets how long the await waits, and returns the task that waits. Default: 5 s, or the
    /// [`await_limit`](cordial::process::Builder::await_limit) of the runtime. The job itself has no limit.
    #[track_caller]
    pub fn timeout(self, limit: impl Into<Timeout>) -> Task<Out> {
        self.into_future().timeout(limit)
    }

    /// Waits for the result in the calling process, without a task and without a limit.
    ///
    /// # Errors
    ///
    /// The [`Exit`] that says why there is no result.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the wait, not the job.
    pub async fn result(self) -> Result<Out, Exit> {
        let Job { cluster, id, source, signature, decode } = self;
        let message = wait_result(&cluster.shared, &id, source).await?;
        let info = process::current().and_then(process::info);
        let state = State::of(&message.headers).unwrap_or(State::Done);
        if state == State::Cancelled {
            return Err(Exit::Shutdown(Some(format!("the job {id} was cancelled").into())));
        }
        if let Some(maker) = other_maker(&message.headers, signature) {
            return Err(of_other_function(&id, &maker, signature));
        }
        let outcome = Outcome::decode(message.payload.to_vec()).map_err(|error| Exit::Error(Arc::new(error)))?;
        match outcome.into_result(signature, info.as_ref()) {
            Ok(bytes) => decode(bytes),
            Err(exit) if state == State::Dead => Err(dead_lettered(&exit, &id, header(&message.headers, ATTEMPT))),
            Err(exit) => Err(exit),
        }
    }
}

impl<Out> Job<Out> {
    /// Returns the id, with which any program can [attach](Cluster::attach) to the job.
    #[must_use]
    pub fn id(&self) -> &JobId {
        &self.id
    }

    /// Returns whether a worker of the group waits for jobs, or runs one. A job of a group without workers waits until one
    /// starts.
    ///
    /// # Errors
    ///
    /// If the server does not answer, or the login has no permission.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn is_served(&self) -> Result<bool, ConnectError> {
        self.cluster.is_served(self.id.group()).await
    }

    /// Ends the job: one that waits is removed, and one that runs is shut down with the [grace](crate::Worker::cancel_grace) of its worker. Every
    /// await of the job returns `Err(Exit::Shutdown)`. Returns whether this call has ended the job: `false` if the job had a result, or was
    /// cancelled, before.
    ///
    /// # Errors
    ///
    /// If the server does not answer, or the login has no permission to end jobs. Another call is then safe.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the job may or may not be cancelled.
    pub async fn cancel(&self) -> Result<bool, ConnectError> {
        cancel(&self.cluster.shared, &self.id).await
    }
}

/// Returns the error of a handle whose function is not that of the job. The bytes of the result may decode as a value of another type.
fn of_other_function(id: &JobId, maker: &str, signature: Signature) -> Exit {
    let difference = if maker == signature.name() { ", of another version or with other types" } else { "" };
    Exit::from(format!(
        "the job {id} was submitted for the function {maker:?}{difference}, and this handle is for {signature}; attach with the function of the \
         job, and give the jobs of another function keys of their own"
    ))
}

/// Cancels a job: publishes a result that says so, which the stream refuses if the job has a result; then notifies the node that runs the
/// job, removes the job from its stream, and notifies the nodes again.
pub(crate) async fn cancel(shared: &ClusterShared, id: &JobId) -> Result<bool, ConnectError> {
    let ClusterShared { connection, subjects, .. } = shared;
    shared.ensure_common_streams().await?;
    let mut headers = HeaderMap::new();
    headers.insert(STATE, State::Cancelled.as_str());
    headers.insert(NODE, &*shared.name);
    let subject = subjects.of("result", id);
    let publish = || publish_to_stream(connection, &subject, headers.clone(), Bytes::new(), API_LIMIT);
    let mut published = publish().await;
    if let Err(NetError::NoResponders) = published {
        shared.forget_streams();
        shared.ensure_common_streams().await?;
        published = publish().await;
    }
    let is_first = match published {
        Ok(_) => true,
        Err(error) if error.is_second_of_subject() => false,
        Err(error) => return Err(refused(&format!("cancel the job {id}"), error)),
    };
    // The rest is done even if the job had a result: an earlier `cancel` may have failed after it had written the result.
    let end = || connection.publish_empty(subjects.of("end", id));
    end();
    let purge = format!("STREAM.PURGE.{}", subjects.jobs_stream(id.group()));
    match request_api(connection, &purge, &json!({ "filter": subjects.of("job", id) })).await {
        Ok(_) => {
            // A worker may have got the job after the first request to end it. From now on, no worker gets it.
            end();
            Ok(is_first)
        }
        // If the stream does not exist, there is no job to remove.
        Err(error) if error.is_no_stream() => Ok(is_first),
        Err(error) => Err(refused(&format!("remove the job {id} from its stream"), error)),
    }
}

/// Waits for the message with the result of a job.
async fn wait_result(shared: &Arc<ClusterShared>, id: &JobId, source: ResultSource) -> Result<StoredMessage, Exit> {
    let broken = |error: ConnectError| Exit::Error(Arc::new(error));
    let mut connects = shared.connection.connects();
    connects.mark_unchanged();
    let was_accepted = !matches!(source, ResultSource::Attached);
    let (mut source, mut delay) = match source {
        ResultSource::Known | ResultSource::Attached => {
            let subscription = shared.connection.subscribe(shared.subjects.of("done", id), None).await;
            let subscription = subscription.map_err(|error| broken(refused("subscribe to a result", error)))?;
            (ResultSource::Keyed(subscription), Duration::ZERO)
        }
        source => (source, MIN_LOOK_UP_DELAY),
    };
    loop {
        let found = tokio::select! {
            message = source.next() => match message {
                Some(message) => {
                    return Ok(StoredMessage { headers: message.headers.unwrap_or_default(), payload: message.payload });
                }
                None => return Err(broken(refused("wait for a result", NetError::Ended))),
            },
            Ok(()) = connects.changed() => {
                // The delay is random, because all clients connect again at the same moment.
                delay = Duration::from_millis(fastrand::u64(0..500));
                continue;
            }
            found = look_up_after(shared, id, delay) => found,
        };
        delay = match found {
            Ok(LookUp::Result(message)) => return Ok(message),
            Ok(LookUp::Nothing) => return Err(Exit::Error(Arc::new(UnknownJob { id: id.clone(), was_accepted }))),
            Ok(LookUp::NewResult) => REPLICA_DELAY,
            Err(error @ (NetError::Denied(_) | NetError::Ended)) => {
                return Err(broken(refused("look a result up", error)));
            }
            // The job waits or runs, or the server is gone for a moment: the next look-up shows which.
            Ok(LookUp::Job) | Err(_) => (delay * 2).clamp(MIN_LOOK_UP_DELAY, MAX_LOOK_UP_DELAY),
        };
    }
}

/// The state of a job on the server.
enum LookUp {
    Result(StoredMessage),
    /// A result that an earlier look-up has missed: it has just been written, or not every replica has it.
    NewResult,
    /// The job waits or runs.
    Job,
    Nothing,
}

/// Looks for a result after a delay, and for the job if there is no result. Dropping the future loses nothing.
async fn look_up_after(shared: &ClusterShared, id: &JobId, after: Duration) -> Result<LookUp, NetError> {
    tokio::time::sleep(after).await;
    if let Some(message) = look_up(shared, id).await? {
        return Ok(LookUp::Result(message));
    }
    let ClusterShared { connection, subjects, .. } = shared;
    let _turn = shared.look_up_turn.lock().await;
    let started = Instant::now();
    // If the login may not read the stream, the wait continues as if the server had not answered.
    let allowed = |result: Result<bool, NetError>| match result {
        Err(NetError::Denied(_)) => Err(NetError::Silent),
        result => result,
    };
    // In this order: a result is written before the job leaves its stream.
    let has_job = allowed(has_message(connection, &subjects.jobs_stream(id.group()), &subjects.of("job", id)).await)?;
    let found = if has_job {
        LookUp::Job
    } else if allowed(has_message(connection, &subjects.results_stream(), &subjects.of("result", id)).await)? {
        LookUp::NewResult
    } else {
        LookUp::Nothing
    };
    tokio::time::sleep(started.elapsed() * LOOK_UP_PAUSE).await;
    Ok(found)
}

/// Returns whether the server has neither the job nor a result of it.
pub(crate) async fn is_lost(shared: &ClusterShared, id: &JobId) -> Result<bool, NetError> {
    let ClusterShared { connection, subjects, .. } = shared;
    // In this order: a result is written before the job leaves its stream.
    let has_job = has_message(connection, &subjects.jobs_stream(id.group()), &subjects.of("job", id)).await?;
    Ok(!has_job && !has_message(connection, &subjects.results_stream(), &subjects.of("result", id)).await?)
}

/// Looks the result of a job up.
pub(crate) async fn look_up(shared: &ClusterShared, id: &JobId) -> Result<Option<StoredMessage>, NetError> {
    /// Together with the limit of `has_message`, less than 3 s.
    const GET_LIMIT: Duration = Duration::from_millis(1100);
    let ClusterShared { connection, subjects, .. } = shared;
    let (stream, subject) = (subjects.results_stream(), subjects.of("result", id));
    match direct_get(connection, &stream, &subject, GET_LIMIT).await {
        // A direct get from a stream that does not exist has no answer.
        Err(error @ (NetError::Silent | NetError::NoResponders)) => {
            match has_message(connection, &stream, &subject).await? {
                true => Err(error),
                false => Ok(None),
            }
        }
        found => found,
    }
}

impl ResultSource {
    async fn next(&mut self) -> Option<async_nats::Message> {
        match self {
            ResultSource::Numbered(waiter) => Some(waiter.next().await),
            ResultSource::Keyed(subscription) => subscription.next().await,
            ResultSource::Known | ResultSource::Attached => None,
        }
    }
}

impl<Out: DeserializeOwned + Send + 'static> IntoFuture for Job<Out> {
    type Output = Result<Out, Exit>;
    type IntoFuture = Task<Out>;

    /// Starts the task that waits for the result. Its label is the name of the function.
    #[track_caller]
    fn into_future(self) -> Task<Out> {
        let label = self.signature.name();
        Task::builder().label(label).spawn(self.result()).or_exit()
    }
}

impl<Out> fmt::Debug for Job<Out> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Job({}, function {:?})", self.id, self.signature.name())
    }
}

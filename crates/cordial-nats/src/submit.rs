//! `Cluster::submit`: durable jobs.
//!
//! A submit is one message to the work-queue stream of its group, which the stream acknowledges. The message id is the id of the job, so the
//! stream keeps the message once, even if the answer was lost and the message is sent again. If the job has a key, its result is looked up
//! before.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_nats::HeaderMap;
use bytes::Bytes;
use cordial_isolate::Function;
use cordial_isolate::dispatch::{Carried, CodecError};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use crate::cancel_on_drop::CancelOnDrop;
use crate::cluster::Cluster;
use crate::job::{Job, ResultSource, is_lost, look_up};
use crate::names::{JobId, checked};
use crate::net::{NetError, publish_to_stream};
use crate::streams::refused;
use crate::submit_error::SubmitError;
use crate::wire::{JobHeaders, MESSAGE_ID, SPAWNED_AT, SUBMITTER, write_carried};

/// The group of jobs and workers without a group of their own.
pub(crate) const DEFAULT_GROUP: &str = "default";

/// How many attempts a job has by default: it survives the crash of two workers.
pub(crate) const DEFAULT_ATTEMPTS: u32 = 3;

/// The first and the longest delay, by default, before a failed job is tried again: 200 to 400 ms, then twice as long each time, up to a
/// minute. Without a delay, a job that fails at once would occupy a worker.
const DEFAULT_BACKOFF: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(60));

/// The longest delay that can be set. A header carries it in milliseconds and the server takes nanoseconds, so it must have a limit.
const MAX_BACKOFF: Duration = Duration::from_secs(30 * 24 * 3600);

/// How long a submit tries to publish its job, by default.
const SUBMIT_LIMIT: Duration = Duration::from_millis(2900);

/// The longest time that a submit can be set to try. The sum of an `Instant` and a longer time might overflow.
const MAX_LIMIT: Duration = Duration::from_secs(30 * 24 * 3600);

/// How long one try may take before the message is sent again.
const TRY_LIMIT: Duration = Duration::from_millis(1400);

/// A job about to be submitted. Returned by [`Cluster::submit`]; `.await` submits it.
#[must_use = "a job is not submitted before it is awaited"]
pub struct Submit<In, Out> {
    cluster: Cluster,
    function: Function<In, Out>,
    input: Result<Vec<u8>, CodecError>,
    group: String,
    key: Option<String>,
    attempts: u32,
    backoff: (Duration, Duration),
    limit: Duration,
    carried: Carried,
    spawned_at: &'static std::panic::Location<'static>,
}

impl Cluster {
    /// Submits a job, which runs at least once even if its worker, this program or the server crashes. `.await` returns after the
    /// stream has kept the job.
    ///
    /// If the future is dropped before it is ready, a job without a [key](Submit::key) is cancelled, and one with a key may or may not have
    /// been submitted.
    ///
    /// The first result wins: every await of the job returns it. If the lease of a job runs out while a worker runs it, the job may run
    /// twice; inside the function, [`attempt`](crate::attempt) returns the number of the attempt.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use cordial_isolate::Function;
    /// use cordial_nats::{Cluster, Job};
    ///
    /// const SEND: Function<String, ()> = Function::new("mail.send");
    ///
    /// # async fn submit(cluster: Cluster) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// let job: Job<()> = cluster.submit(SEND, "invoice 7".to_owned()).group("mail").key("invoice-7").attempts(5).await?;
    /// println!("{}", job.id());
    /// job.await?;
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn submit<In, Out>(&self, function: Function<In, Out>, input: In) -> Submit<In, Out>
    where
        In: Serialize + 'static,
        Out: DeserializeOwned + Send + 'static,
    {
        Submit {
            cluster: self.clone(),
            function,
            input: function.encode_input(&input),
            group: DEFAULT_GROUP.to_owned(),
            key: None,
            attempts: DEFAULT_ATTEMPTS,
            backoff: DEFAULT_BACKOFF,
            limit: SUBMIT_LIMIT,
            carried: self.carried(),
            spawned_at: std::panic::Location::caller(),
        }
    }
}

impl<In, Out> Submit<In, Out> {
    /// Sets the location that counts as that of the submit.
    pub(crate) fn spawned_at(self, spawned_at: &'static std::panic::Location<'static>) -> Self {
        Submit { spawned_at, ..self }
    }

    /// Sets which group of workers runs the job. Default: `default`.
    pub fn group(self, group: impl Into<String>) -> Self {
        Submit { group: group.into(), ..self }
    }

    /// Sets a key. Two submits to a group with one key are one job: the second returns a handle to the first, whatever its argument, while the
    /// first waits or runs, and as long as its result is kept. If the first was submitted for another function, or for one with other types, the
    /// await of the second returns an [`Exit::Error`](cordial::Exit::Error) that names both. Default: none, and every submit is a job of its own.
    pub fn key(self, key: impl Into<String>) -> Self {
        Submit { key: Some(key.into()), ..self }
    }

    /// Sets how often the job is started at most. An attempt has failed if it panics, returns an `Err`, or if its worker is gone. An attempt
    /// that is ended because its worker is shut down does not count. After the last attempt has failed, the job is among the
    /// [dead letters](Cluster::dead_letters). A job whose function its worker does not serve becomes a dead letter at once. At least 1.
    /// Default: 3.
    pub fn attempts(self, n: u32) -> Self {
        Submit { attempts: n.max(1), ..self }
    }

    /// Sets the delay before the second attempt of a failed job, which doubles before each further one, and the longest delay.
    /// Each delay is lengthened by a random part of up to 100 %, but not beyond the longest one. Default: 200 ms and a minute.
    /// A job whose worker is gone has no delay beyond its lease.
    /// Both are at most 30 days.
    pub fn backoff(self, first: Duration, max: Duration) -> Self {
        let first = first.clamp(Duration::from_millis(1), MAX_BACKOFF);
        Submit { backoff: (first, max.clamp(first, MAX_BACKOFF)), ..self }
    }

    /// Sets for how long the job is sent again while the server does not answer. Each try has the same message id, which the server recognizes
    /// within the [window](crate::Options::duplicate_window), so that there is one job. The checks of the streams, and the look-up of a result,
    /// before the first try have limits of their own, of about 3 s. At most 30 days. Default: 2.9 s.
    pub fn timeout(self, limit: Duration) -> Self {
        Submit { limit: limit.min(MAX_LIMIT), ..self }
    }
}

impl<In: 'static, Out: DeserializeOwned + Send + 'static> Submit<In, Out> {
    async fn run(self) -> Result<Job<Out>, SubmitError> {
        let Submit { cluster, function, input, group, key, attempts, backoff, limit, carried, spawned_at } = self;
        let shared = &cluster.shared;
        let payload = Bytes::from(input.map_err(SubmitError::Encode)?);
        if let Some(missing) = carried.missing() {
            return Err(SubmitError::Missing { reason: missing.into() });
        }
        let group: Arc<str> = checked("group", &group)?;
        let (id, source) = match &key {
            None => {
                shared.ensure_streams(&group).await?;
                shared.subscribe_results().await?;
                let waiter = shared.results.add();
                let id = JobId::numbered(&group, &shared.instance, waiter.number());
                (id, ResultSource::Numbered(waiter))
            }
            Some(key) => {
                let id = JobId::keyed(&group, key)?;
                shared.ensure_streams(&group).await?;
                let subscription = shared.connection.subscribe(shared.subjects.of("done", &id), None).await;
                let subscription = subscription.map_err(|error| refused("subscribe to a result", error))?;
                match look_up(shared, &id).await {
                    Ok(None) => {}
                    Ok(Some(_)) => return Ok(Job::new(cluster, function, id, ResultSource::Known)),
                    Err(error) => return Err(refused("look a result up", error).into()),
                }
                (id, ResultSource::Keyed(subscription))
            }
        };
        let signature = function.signature();
        let job = JobHeaders {
            function: signature.name().to_owned(),
            fingerprint: signature.fingerprint(),
            attempts,
            backoff,
        };
        // Made anew for each try: usually there is one, and a copy takes as long.
        let headers = || {
            let mut headers = HeaderMap::new();
            job.write(&mut headers);
            headers.insert(SUBMITTER, &*shared.name);
            headers.insert(SPAWNED_AT, &*spawned_at.to_string());
            write_carried(&mut headers, &carried).map_err(|size| SubmitError::Carried { size })?;
            Ok(headers)
        };
        // If this future is dropped, a job without a key is cancelled, because no program would know its id. A job with a key may have another
        // submitter as well.
        let unfinished = (!id.is_keyed()).then(|| CancelOnDrop::new(shared.clone(), id.clone()));
        let published = publish(&cluster, &group, &id, headers, payload, limit).await;
        if let Some(unfinished) = unfinished {
            unfinished.disarm();
        }
        let is_known = published?;
        // The first submit with this key, or an earlier try, may have a result already, which the subscription has missed.
        let source = if is_known { ResultSource::Known } else { source };
        Ok(Job::new(cluster, function, id, source))
    }
}

/// Publishes a job. Returns whether the stream knew its message id, or has a job with its id already.
async fn publish(
    cluster: &Cluster,
    group: &Arc<str>,
    id: &JobId,
    headers: impl Fn() -> Result<HeaderMap, SubmitError>,
    payload: Bytes,
    limit: Duration,
) -> Result<bool, SubmitError> {
    let shared = &cluster.shared;
    let subject = shared.subjects.of("job", id);
    let mut message_id = id.tokens();
    let deadline = Instant::now() + limit;
    let mut has_unanswered_try = false;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let mut headers = headers()?;
        headers.insert(MESSAGE_ID, &*message_id);
        let sent = publish_to_stream(&shared.connection, &subject, headers, payload.clone(), left.min(TRY_LIMIT));
        let error = match sent.await {
            // The stream has lost the job, but recognizes its message id. With another id, it keeps the job.
            Ok(true) if id.is_keyed() && is_lost(shared, id).await.unwrap_or(false) => {
                message_id = format!("{}.{:x}", id.tokens(), fastrand::u64(..));
                continue;
            }
            Ok(is_known) => return Ok(is_known),
            Err(error) if error.is_second_of_subject() => return Ok(true),
            Err(error) => error,
        };
        match &error {
            NetError::TooLarge { size, limit } => return Err(SubmitError::TooLarge { size: *size, limit: *limit }),
            // A server of a cluster sees that it is full before it recognizes the message id.
            error if error.is_full() && has_unanswered_try => return Err(SubmitError::Unknown { id: id.clone() }),
            error if error.is_full() => {
                return Err(SubmitError::Full { group: group.clone(), reason: error.to_string().into() });
            }
            // The stream was deleted, or its servers have no leader.
            NetError::NoResponders => {
                tokio::time::sleep(Duration::from_millis(100)).await;
                if Instant::now() < deadline {
                    match shared.ensure_again(group).await {
                        Ok(()) => continue,
                        Err(error) if !error.is_temporary() => return Err(error.into()),
                        Err(_) if limit > SUBMIT_LIMIT => continue,
                        Err(_) => {}
                    }
                }
            }
            // No answer, or one of another program: JetStream may have kept the job, and recognizes its message id.
            NetError::Silent | NetError::Broken(_) if Instant::now() < deadline => {
                has_unanswered_try = true;
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
            NetError::Silent => return Err(SubmitError::Unknown { id: id.clone() }),
            _ => {}
        }
        return Err(refused(&format!("keep a job of the group {group:?}"), error).into());
    }
}

impl<In: 'static, Out: DeserializeOwned + Send + 'static> IntoFuture for Submit<In, Out> {
    type Output = Result<Job<Out>, SubmitError>;
    type IntoFuture = BoxFuture<'static, Result<Job<Out>, SubmitError>>;

    /// # Cancel safety
    ///
    /// If the future of a job without a key is dropped before it is ready, the job is cancelled: in the background, if the login
    /// [may cancel](Job::cancel), and as long as the program lives. If its function has begun, it is ended. If the future of a job with a
    /// key is dropped, the job may have been accepted, and runs then: another submit with the key returns a handle to it,
    /// and so does [`attach`](Cluster::attach) with [`JobId::keyed`].
    fn into_future(self) -> Self::IntoFuture {
        self.run().boxed()
    }
}

impl<In, Out> fmt::Debug for Submit<In, Out> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Submit")
            .field("function", &self.function)
            .field("group", &self.group)
            .field("key", &self.key)
            .field("attempts", &self.attempts)
            .finish_non_exhaustive()
    }
}

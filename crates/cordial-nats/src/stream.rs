//! `Cluster::async_stream`: a function on many inputs, over all nodes of a group.

use std::fmt;
use std::panic::Location;

use cordial::{AsyncStream, Exit, Failure, RetryPolicy, StreamTimeout, Task, Timeout};
use cordial_isolate::Function;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use futures_util::stream::Iter;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::cancel_on_drop::CancelOnDrop;
use crate::cluster::Cluster;
use crate::submit::{DEFAULT_ATTEMPTS, DEFAULT_GROUP};

/// Makes the future of an item.
type Run<In, Out> = Box<dyn FnMut(In) -> BoxFuture<'static, Result<Out, Exit>> + Send>;

/// The stream of the results of a [`FleetStream`].
pub type FleetResults<I, In, Out, E = Exit> = AsyncStream<Iter<I>, Run<In, Out>, Result<Out, Exit>, Out, E>;

/// A stream over a fleet, about to start. Returned by [`Cluster::async_stream`].
///
/// Set [`group`](FleetStream::group) and [`attempts`](FleetStream::attempts) first; each option of [`AsyncStream`] turns it into an
/// `AsyncStream`, and [`into_stream`](FleetStream::into_stream) does so without an option.
#[must_use = "a stream is lazy: nothing runs before it is polled"]
pub struct FleetStream<I, In, Out> {
    cluster: Cluster,
    function: Function<In, Out>,
    inputs: I,
    group: String,
    attempts: u32,
    spawned_at: &'static Location<'static>,
}

impl Cluster {
    /// Runs a function on every input, as jobs of a group, with a bounded number at a time, and returns a stream of the results.
    ///
    /// Each item is a [job](Cluster::submit): if its worker is lost, another one runs it. The stream has the defaults of
    /// [`Task::async_stream`]. Two of them matter for a fleet: each item has a [`timeout`](FleetStream::timeout) of 5 s, which
    /// includes its wait for a free slot; and as many items run at once as this runtime has workers, so set
    /// [`max_concurrency`](FleetStream::max_concurrency) to the slots of the fleet. An item that exceeds its timeout, and the
    /// items in flight of a stream that is dropped, are cancelled if the login [may cancel](crate::Job::cancel).
    ///
    /// The memory does not depend on the number of inputs. The results stay in their stream on the server for the time that
    /// [`keep_results`](crate::Options::keep_results) sets.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use cordial_isolate::Function;
    /// use cordial_nats::Cluster;
    ///
    /// const HASH: Function<Vec<u8>, u64> = Function::new("hash");
    ///
    /// # async fn stream(cluster: Cluster, files: Vec<Vec<u8>>) {
    /// let results = cluster.async_stream(HASH, files).group("hashes").max_concurrency(32);
    /// let (hashes, failures) = results.partition().await;
    /// println!("{} hashes, {} failures", hashes.len(), failures.len());
    /// # }
    /// ```
    #[track_caller]
    pub fn async_stream<I, In, Out>(&self, function: Function<In, Out>, inputs: I) -> FleetStream<I::IntoIter, In, Out>
    where
        I: IntoIterator<Item = In>,
        In: Serialize + Send + 'static,
        Out: DeserializeOwned + Send + 'static,
    {
        FleetStream {
            cluster: self.clone(),
            function,
            inputs: inputs.into_iter(),
            group: DEFAULT_GROUP.to_owned(),
            attempts: DEFAULT_ATTEMPTS,
            spawned_at: Location::caller(),
        }
    }
}

impl<I, In, Out> FleetStream<I, In, Out> {
    /// Sets which group of workers runs the items. Default: `default`.
    pub fn group(self, group: impl Into<String>) -> Self {
        FleetStream { group: group.into(), ..self }
    }

    /// Sets how often an item is started at most, as [`Submit::attempts`](crate::Submit::attempts) does for a job. At least 1. Default: 3.
    pub fn attempts(self, n: u32) -> Self {
        FleetStream { attempts: n.max(1), ..self }
    }
}

impl<I, In, Out> FleetStream<I, In, Out>
where
    I: Iterator<Item = In>,
    In: Serialize + Send + 'static,
    Out: DeserializeOwned + Send + 'static,
{
    /// Returns the stream of the results.
    #[track_caller]
    pub fn into_stream(self) -> FleetResults<I, In, Out> {
        let FleetStream { cluster, function, inputs, group, attempts, spawned_at } = self;
        let run: Run<In, Out> = Box::new(move |input| {
            let submit = cluster.submit(function, input).group(group.clone()).attempts(attempts).spawned_at(spawned_at);
            let cluster = cluster.clone();
            async move {
                let job = submit.await.map_err(|error| Exit::Error(std::sync::Arc::new(error)))?;
                let guard = CancelOnDrop::new(cluster.shared.clone(), job.id().clone());
                let result = job.result().await;
                guard.disarm();
                result
            }
            .boxed()
        });
        Task::async_stream(inputs, run).or_exit()
    }

    /// See [`AsyncStream::max_concurrency`].
    ///
    /// # Panics
    ///
    /// If `n` is 0.
    #[track_caller]
    pub fn max_concurrency(self, n: usize) -> FleetResults<I, In, Out> {
        self.into_stream().max_concurrency(n)
    }

    /// See [`AsyncStream::unordered`].
    #[track_caller]
    pub fn unordered(self) -> FleetResults<I, In, Out> {
        self.into_stream().unordered()
    }

    /// See [`AsyncStream::timeout`].
    #[track_caller]
    pub fn timeout(self, limit: impl Into<Timeout>) -> FleetResults<I, In, Out> {
        self.into_stream().timeout(limit)
    }

    /// See [`AsyncStream::on_timeout`].
    #[track_caller]
    pub fn on_timeout(self, on_timeout: StreamTimeout) -> FleetResults<I, In, Out> {
        self.into_stream().on_timeout(on_timeout)
    }

    /// See [`AsyncStream::max_ahead`].
    #[track_caller]
    pub fn max_ahead(self, n: usize) -> FleetResults<I, In, Out> {
        self.into_stream().max_ahead(n)
    }

    /// See [`AsyncStream::retry`]. A retry is another job, after all [attempts](FleetStream::attempts) of the first.
    #[track_caller]
    pub fn retry(self, retry: impl RetryPolicy<Result<Out, Exit>, Out>) -> FleetResults<I, In, Out>
    where
        In: Clone,
    {
        self.into_stream().retry(retry)
    }

    /// See [`AsyncStream::zip_input_on_exit`].
    #[track_caller]
    pub fn zip_input_on_exit(self) -> FleetResults<I, In, Out, Failure<In>>
    where
        In: Clone,
    {
        self.into_stream().zip_input_on_exit()
    }

    /// Starts the stream, and returns all results. See [`AsyncStream::collect`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the items in flight, and loses the results.
    pub async fn collect(self) -> Vec<Result<Out, Exit>> {
        self.into_stream().collect().await
    }

    /// Starts the stream, and returns values and failures. See [`AsyncStream::partition`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the items in flight, and loses the results.
    pub async fn partition(self) -> (Vec<Out>, Vec<Exit>) {
        self.into_stream().partition().await
    }
}

impl<I, In, Out> fmt::Debug for FleetStream<I, In, Out> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FleetStream")
            .field("function", &self.function)
            .field("group", &self.group)
            .field("attempts", &self.attempts)
            .finish_non_exhaustive()
    }
}

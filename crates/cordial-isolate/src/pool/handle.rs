//! `Pool`: the handle, and the calls.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use cordial::{AsyncStream, ChildSpec, Exit, Restart, Task, Timeout};
use futures_util::stream::{Iter, iter};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::PoolError;
use super::read_statistics::read_statistics;
use super::run_call;
use super::shared::{Phase, PoolShared};
use super::statistics::PoolStatistics;
use crate::codec;
use crate::dispatch::Carried;
use crate::function::{Function, Signature};

/// How much longer than the grace time of its calls a supervisor waits for a pool.
const BEYOND_GRACE: Duration = Duration::from_secs(2);

/// A pool of worker processes: this program, or [another](crate::PoolBuilder::program), started once for each call that may run at the same time.
/// Cheap to clone.
///
/// A call is a task like any other, but can end in more ways: a kill ends it at any instruction, and if its process crashes,
/// only this call fails, with [`Exit::Lost`].
///
/// Dropping the last handle kills the workers, and waits for their end, at most about a second. A call that waits or runs holds a handle.
///
/// An OS process that is forked from this program has no pool: its calls are refused, and a stop or a drop there leaves the workers alone.
///
/// A pool is not a sandbox: a worker may do whatever this program may do.
///
/// # Examples
///
/// ```no_run
/// use cordial::Exit;
/// use cordial_isolate::{Function, Functions, Pool};
/// use std::process::ExitCode;
/// use std::time::Duration;
///
/// const SPIN: Function<(), ()> = Function::new("spin");
///
/// fn main() -> ExitCode {
///     let functions = Functions::new().add_blocking(SPIN, |()| loop {});
///     cordial_isolate::main(functions, async {
///         let pool = Pool::builder().workers(2).cpu_time(Duration::from_secs(1)).start()?;
///         match pool.call(SPIN, ()).await {
///             Err(Exit::Lost(lost)) => println!("{lost}"), // used more processor time than its limit of 1s (function "spin", …)
///             other => println!("{other:?}"),
///         }
///         Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
///     })
/// }
/// ```
#[derive(Clone)]
pub struct Pool {
    handle: Arc<Handle>,
}

/// What the clones of a pool share. Its drop ends the pool.
struct Handle {
    shared: Arc<PoolShared>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.close();
    }
}

impl Pool {
    pub(super) fn new(shared: Arc<PoolShared>) -> Pool {
        Pool { handle: Arc::new(Handle { shared }) }
    }

    /// Calls a function in a worker process. The task has the name of the function as its label.
    ///
    /// If all workers are busy, the call waits behind the calls that were made before. When the task is asked to shut down, as
    /// by a drop of its handle, so is the call: see [`grace`](crate::PoolBuilder::grace). When the task is killed, the worker
    /// is killed at once.
    ///
    /// | the await returns | if |
    /// |---|---|
    /// | `Ok` | the function has returned |
    /// | [`Exit::Panic`] | it panicked |
    /// | [`Exit::Error`] | it returned an `Err` ([`add_fallible`](crate::Functions::add_fallible)); the worker does not serve it ([`Unserved`](crate::dispatch::Unserved)); the argument, the result or what [travels](crate::Functions::travels) is too large, or cannot be encoded or decoded; the pool takes no calls ([`PoolError`](crate::PoolError)) |
    /// | [`Exit::Lost`] | its worker process is gone: a crash, an `exit`, a limit, a kill from outside |
    /// | [`Exit::Timeout`] | the limit of the await has passed |
    /// | [`Exit::Shutdown`], [`Exit::Killed`] | it was asked to shut down, also by a stop of the pool, and did so, or had to be killed |
    #[track_caller]
    pub fn call<In, Out>(&self, function: Function<In, Out>, input: In) -> Task<Out>
    where
        In: Serialize + Send + 'static,
        Out: DeserializeOwned + Send + 'static,
    {
        Task::builder().label(function.name()).spawn(self.clone().run(function, input))
    }

    /// Calls a function with an encoded argument, and returns its encoded result: for crates that carry calls over other connections, as the
    /// [`dispatch`](crate::dispatch) module says. Everything else is as in [`call`](Pool::call), but the await has no limit.
    #[track_caller]
    pub fn call_encoded(&self, signature: Signature, input: Vec<u8>) -> Task<Vec<u8>> {
        self.call_encoded_with(signature, input, Carried::default())
    }

    /// Does the same as [`call_encoded`](Pool::call_encoded). The call carries the values of `carried`, and those that the
    /// [table](crate::Functions::travels) of this program lets travel. If a name is in both, the value of `carried` counts.
    ///
    /// If the pool is stopped while the call waits or runs, and the call therefore ends with [`Exit::Shutdown`] or [`Exit::Killed`], the await
    /// returns [`PoolError::Stopped`](crate::PoolError::Stopped) instead, so that the caller can make the call elsewhere.
    #[track_caller]
    pub fn call_encoded_with(&self, signature: Signature, input: Vec<u8>, carried: Carried) -> Task<Vec<u8>> {
        let shared = self.handle.shared.clone();
        let pool = self.clone();
        let run = async move {
            let n_stops = shared.n_stops();
            match run_call::run(pool.handle.shared.clone(), signature, input, carried).await {
                Ok(output) => output,
                Err(Exit::Shutdown(_) | Exit::Killed) if shared.n_stops() != n_stops => {
                    cordial::exit(Exit::Error(Arc::new(PoolError::Stopped))).await
                }
                Err(exit) => cordial::exit(exit).await,
            }
        };
        Task::builder().label(signature.name()).spawn(run).timeout(Timeout::Infinity)
    }

    /// Calls a function for each input, as [`Task::async_stream`] runs a closure, with all options of [`AsyncStream`]. The default of
    /// `max_concurrency` is the number of workers.
    ///
    /// The timeout of an item, 5 s by default, includes the time in which it waits for a worker. An item that exceeds it is killed, whatever
    /// it does.
    #[track_caller]
    pub fn async_stream<In, Out, I>(
        &self,
        function: Function<In, Out>,
        inputs: I,
    ) -> AsyncStream<Iter<I::IntoIter>, impl FnMut(In) -> CallFuture<Out> + use<In, Out, I>, Out>
    where
        I: IntoIterator<Item = In>,
        In: Serialize + Send + 'static,
        Out: DeserializeOwned + Send + 'static,
    {
        let pool = self.clone();
        let call = move |input: In| CallFuture(Box::pin(pool.clone().run(function, input)));
        let stream = Task::async_stream_from(iter(inputs), call);
        stream.max_concurrency(self.handle.shared.config.workers).label(move |_| function.name())
    }

    /// Runs a call in the calling process. Its failure is the exit of that process.
    async fn run<In, Out>(self, function: Function<In, Out>, input: In) -> Out
    where
        In: Serialize + Send + 'static,
        Out: DeserializeOwned + Send + 'static,
    {
        let signature = function.signature();
        let failed = |error: codec::CodecError| Exit::Error(Arc::new(error));
        let result = async {
            let input =
                codec::encode_owned(input).map_err(|error| failed(error.context(signature.name(), "argument")))?;
            let output = run_call::run(self.handle.shared.clone(), signature, input, Carried::default()).await?;
            function.decode_output(output).map_err(failed)
        };
        match result.await {
            Ok(output) => output,
            Err(exit) => cordial::exit(exit).await,
        }
    }

    /// Returns the state and the counters of the pool.
    #[must_use]
    pub fn statistics(&self) -> PoolStatistics {
        read_statistics(&self.handle.shared)
    }

    /// Returns why a call would be refused at this moment: the pool was stopped, or has given up. `None` if the pool takes calls. A pool may be
    /// stopped right after the answer, so a call may still be refused.
    #[must_use]
    pub fn refusal(&self) -> Option<PoolError> {
        self.handle.shared.refusal()
    }

    /// Stops the pool: waiting calls end with [`Exit::Shutdown`], running ones are asked to shut down and have the
    /// [grace time](crate::PoolBuilder::grace). Returns when no worker process is left.
    ///
    /// # Cancel safety
    ///
    /// The stop goes on if the future is dropped.
    pub async fn stop(&self) {
        let shared = &self.handle.shared;
        let mut phases = shared.phases.subscribe();
        shared.stop(shared.config.grace);
        // The phase may be `Open` at the end of the stop, because a supervisor may open the pool again at once. The wait does not fail: `shared` has
        // the sender.
        let _ = phases.wait_for(|phase| *phase != Phase::Stopping).await;
    }

    /// Specifies the pool as a child with the id `pool`: its supervisor stops it, and starts it again if it has
    /// [given up](crate::PoolError::GaveUp). Its restart is [`Restart::Permanent`]. Its shutdown is 2 s longer than the
    /// [grace time](crate::PoolBuilder::grace) of its calls.
    ///
    /// Snapshots show its workers below it.
    ///
    /// The child uses the workers of this handle. The handle also takes calls before the child is started. After a stop of the child, calls
    /// fail with [`PoolError::Stopped`](crate::PoolError::Stopped) until the child is started again. For two pools in one tree, give each
    /// specification a supervisor of its own, because they have the same id.
    #[track_caller]
    pub fn child_spec(&self) -> ChildSpec {
        let pool = self.clone();
        let serve = move || {
            let pool = pool.clone();
            async move { pool.serve().await }
        };
        let shutdown = self.handle.shared.config.grace.saturating_add(BEYOND_GRACE);
        ChildSpec::task("pool", serve).restart(Restart::Permanent).shutdown(shutdown)
    }

    /// Runs until the pool is to stop, or has given up.
    async fn serve(self) -> Result<(), Exit> {
        let shared = &self.handle.shared;
        let mut phases = shared.phases.subscribe();
        loop {
            // A stop that is going on has to end first.
            let _ = phases.wait_for(|phase| *phase != Phase::Stopping).await;
            // Another stop may have begun since.
            if shared.open() {
                break;
            }
        }
        let shown = Arc::downgrade(shared);
        cordial::process::set_details(move || {
            shown.upgrade().map(|shared| read_statistics(&shared).lines()).unwrap_or_default()
        });
        let failed = async {
            let phase = phases.wait_for(|phase| *phase != Phase::Open).await;
            match phase.as_deref() {
                Ok(Phase::Failed(error)) => Exit::Error(Arc::new(error.clone())),
                _ => Exit::Shutdown(None),
            }
        };
        let asked = std::pin::pin!(cordial::shutdown_requested());
        let failed = std::pin::pin!(failed);
        match futures_util::future::select(asked, failed).await {
            futures_util::future::Either::Left(_) => {
                self.stop().await;
                Ok(())
            }
            futures_util::future::Either::Right((exit, _)) => Err(exit),
        }
    }
}

/// The future of an item of [`Pool::async_stream`].
#[must_use = "futures do nothing unless they are awaited"]
pub struct CallFuture<Out>(std::pin::Pin<Box<dyn Future<Output = Out> + Send>>);

impl<Out> Future for CallFuture<Out> {
    type Output = Out;

    fn poll(mut self: std::pin::Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> std::task::Poll<Out> {
        self.0.as_mut().poll(cx)
    }
}

impl<Out> fmt::Debug for CallFuture<Out> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallFuture").finish_non_exhaustive()
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let statistics = self.statistics();
        f.debug_struct("Pool")
            .field("workers", &statistics.workers.len())
            .field("running", &statistics.running)
            .field("queued", &statistics.queued)
            .finish_non_exhaustive()
    }
}

//! `Worker`: the options of a worker, and its child specification.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use cordial::{ChildSpec, Exit};
use cordial_isolate::{Functions, Pool};

use super::serve::serve;
use super::settings::{RunMode, Settings};
use crate::cluster::Cluster;
use crate::connect_error::ConnectError;
use crate::names::{InvalidName, checked};
use crate::streams::max_age;
use crate::submit::DEFAULT_GROUP;

/// How much longer than the grace of a worker its supervisor waits: the worker then gives jobs back, and sends its last messages.
const STOP_RESERVE: Duration = Duration::from_secs(6);

/// The largest number of slots: a request for more jobs than the server can count is refused.
const MAX_SLOTS: usize = 65_536;

/// A worker about to be started. Created by [`Cluster::worker`]; [`child_spec`](Worker::child_spec) makes it a child of a tree.
#[must_use = "a worker serves nothing before it is a child of a supervisor"]
#[derive(Clone)]
pub struct Worker {
    cluster: Cluster,
    functions: Functions,
    group: Result<Arc<str>, InvalidName>,
    slots: usize,
    grace: Duration,
    cancel_grace: Option<Duration>,
    mode: RunMode,
}

impl Cluster {
    /// Makes a worker that serves these functions: to [callers](Cluster::call) of the whole fleet, and to the jobs of its group.
    pub fn worker(&self, functions: Functions) -> Worker {
        Worker {
            cluster: self.clone(),
            functions,
            group: checked("group", DEFAULT_GROUP),
            slots: std::thread::available_parallelism().map_or(1, usize::from),
            grace: Duration::from_secs(5),
            cancel_grace: None,
            mode: RunMode::InProcess,
        }
    }
}

impl Worker {
    /// Sets the group whose jobs the worker runs. Default: `default`. With an invalid name, the worker fails to start.
    pub fn group(self, group: &str) -> Worker {
        Worker { group: checked("group", group), ..self }
    }

    /// Sets how many jobs and calls run at once, together. A caller that finds every slot of the fleet taken asks again until its limit, and a job
    /// that arrives when calls have taken the slots is given back at once, which does not use up an attempt. The worker asks the server for
    /// exactly as many jobs as it has free slots. While both jobs and calls wait, they take turns: the worker keeps the next free
    /// slot for the other kind, for up to 250 ms. The slot of a job is free when its function has ended, while its result is on its way to the
    /// server. The worker asks for no more jobs while the running jobs and calls, and the results on their way, are twice as many as the
    /// slots. At most 65,536. Default: the number of processors.
    ///
    /// # Panics
    ///
    /// If `n` is 0, because nothing could ever run.
    #[track_caller]
    pub fn slots(self, n: usize) -> Worker {
        assert!(n > 0, "`slots(0)` runs nothing; use at least 1, or leave it out for the number of processors");
        Worker { slots: n.min(MAX_SLOTS), ..self }
    }

    /// Runs jobs and calls in this pool of other OS processes, so that each can be killed whatever it does. Give the pool as many
    /// workers as the worker has slots: otherwise jobs wait for the pool while their lease is renewed. While the pool takes no calls, because it was
    /// stopped or has given up, jobs are given back after a second, which does not use up an attempt, and calls fail. The same
    /// happens to jobs and calls that wait for the pool or run in it when it is stopped, unless they have a result within the grace of the pool.
    /// Default: jobs and calls run as processes of this runtime, which end only at an await point.
    pub fn isolated(self, pool: Pool) -> Worker {
        Worker { mode: RunMode::Isolated(pool), ..self }
    }

    /// Sets how long a stop waits for the jobs and calls that run. After that, they are killed, and the jobs are given back at
    /// once. Default: 5 s.
    pub fn grace(self, grace: Duration) -> Worker {
        Worker { grace, ..self }
    }

    /// Sets how long a cancelled job may take to clean up, if it has opted in to graceful shutdown. It keeps its slot for that time: with
    /// `Duration::MAX`, until its function returns, so the function needs a limit of its own. Default: as long as the [grace](Worker::grace) of the
    /// worker.
    pub fn cancel_grace(self, grace: Duration) -> Worker {
        Worker { cancel_grace: Some(grace), ..self }
    }

    /// Returns the specification of a child with this id. The child has started when the server knows the worker. It is permanent, and its
    /// shutdown is 6 s longer than the [grace](Worker::grace) of the worker.
    ///
    /// When the child is asked to shut down, the worker takes no new jobs, finishes what runs within the grace, and gives the rest back.
    #[track_caller]
    pub fn child_spec(&self, id: impl Into<Arc<str>>) -> ChildSpec {
        let worker = self.clone();
        let start = move || {
            let worker = worker.clone();
            async move { worker.start().await.map_err(|error| Exit::Error(Arc::new(error))) }
        };
        ChildSpec::init(id, start).shutdown(self.grace.saturating_add(STOP_RESERVE))
    }

    async fn start(self) -> Result<impl Future<Output = Result<(), Exit>> + Send + 'static, ConnectError> {
        let Worker { cluster, functions, group, slots, grace, cancel_grace, mode } = self;
        let (shared, group, cancel_grace) = (cluster.shared.clone(), group?, cancel_grace.unwrap_or(grace));
        // A stream that this program has used may have been deleted since.
        shared.ensure_again(&group).await?;
        let claims_kept_for = max_age(&shared.connection, &shared.subjects.results_stream()).await?;
        let settings = Settings { shared, functions, group, slots, grace, cancel_grace, mode, claims_kept_for };
        serve(settings).await
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker")
            .field("group", &self.group)
            .field("slots", &self.slots)
            .field("functions", &self.functions)
            .finish_non_exhaustive()
    }
}

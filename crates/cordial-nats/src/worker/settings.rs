//! The settings that all parts of a worker share.

use std::sync::Arc;
use std::time::Duration;

use cordial::{Exit, Task};
use cordial_isolate::dispatch::{Carried, Runner, Unserved};
use cordial_isolate::{Functions, Pool, PoolError};

use crate::attempt;
use crate::cluster::ClusterShared;

/// The settings of a worker.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) shared: Arc<ClusterShared>,
    pub(crate) functions: Functions,
    pub(crate) group: Arc<str>,
    /// How many jobs and calls may run at once.
    pub(crate) slots: usize,
    /// How long running functions may take to finish when the worker stops.
    pub(crate) grace: Duration,
    /// How long a cancelled job may take to clean up.
    pub(crate) cancel_grace: Duration,
    pub(crate) mode: RunMode,
    /// For how long the server keeps the claim of a run. `None`: without limit.
    pub(crate) claims_kept_for: Option<Duration>,
}

/// Where functions run.
#[derive(Clone)]
pub(crate) enum RunMode {
    /// In a process of this runtime.
    InProcess,
    /// In another OS process.
    Isolated(Pool),
}

impl Settings {
    /// Finds the function of a job or a call.
    pub(crate) fn find(&self, function: &str, fingerprint: u64) -> Result<Runner, Unserved> {
        self.functions.find(function, fingerprint)
    }

    /// Returns the error of the pool if it takes no calls: no function can run then.
    pub(crate) fn pool_refusal(&self) -> Option<PoolError> {
        match &self.mode {
            RunMode::InProcess => None,
            RunMode::Isolated(pool) => pool.refusal(),
        }
    }

    /// Returns whether this exit says that the function has not run, or was ended, because the pool takes no calls.
    pub(crate) fn is_pool_refusal(&self, exit: &Exit) -> bool {
        // If functions run in processes of this runtime, such an error comes from a function that uses a pool of its own.
        matches!(self.mode, RunMode::Isolated(_)) && exit.downcast_ref::<PoolError>().is_some()
    }

    /// Starts a function. Dropping the task asks its process to shut down.
    pub(crate) fn start(&self, runner: &Runner, input: Vec<u8>, carried: Carried) -> Task<Vec<u8>> {
        match &self.mode {
            RunMode::InProcess => runner.start_with(input, carried),
            RunMode::Isolated(pool) => pool.call_encoded_with(runner.signature(), input, attempt::carry(carried)),
        }
    }
}

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
    pub(crate) slots: usize,
    pub(crate) grace: Duration,
    pub(crate) cancel_grace: Duration,
    pub(crate) mode: RunMode,
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

    /// Returns why no function can run now: the pool takes no calls.
    pub(crate) fn pool_refusal(&self) -> Option<PoolError> {
        match &self.mode {
            RunMode::InProcess => None,
            RunMode::Isolated(pool) => pool.refusal(),
        }
    }

    /// Returns whether a function has not run, or was ended, because the pool takes no calls.
    pub(crate) fn is_without_pool(&self, exit: &Exit) -> bool {
        // In a process of this runtime, the error comes from the function, which may use a pool of its own.
        matches!(self.mode, RunMode::Isolated(_)) && exit.downcast_ref::<PoolError>().is_some()
    }

    /// Starts a function. Dropping the task ends it.
    pub(crate) fn start(&self, runner: &Runner, input: Vec<u8>, carried: Carried) -> Task<Vec<u8>> {
        match &self.mode {
            RunMode::InProcess => runner.start_with(input, carried),
            RunMode::Isolated(pool) => pool.call_encoded_with(runner.signature(), input, attempt::carry(carried)),
        }
    }
}

//! What a pool shares, on systems without pools: no value of it exists.

use std::convert::Infallible;
use std::time::Duration;

use tokio::sync::watch;

use crate::pool::config::Config;
use crate::pool::error::PoolError;

#[derive(Debug)]
pub(crate) struct PoolShared {
    pub(super) config: Config,
    pub(super) phases: watch::Sender<Phase>,
    pub(super) never: Infallible,
}

/// Whether the pool takes calls.
#[derive(Clone, Debug, PartialEq)]
#[expect(dead_code, reason = "no pool is in any of these")]
pub(super) enum Phase {
    Open,
    Stopping,
    Failed(PoolError),
}

impl PoolShared {
    pub(super) fn stop(&self, _grace: Duration) {
        match self.never {}
    }

    pub(super) fn open(&self) -> bool {
        match self.never {}
    }

    pub(super) fn n_stops(&self) -> u64 {
        match self.never {}
    }

    pub(super) fn refusal(&self) -> Option<PoolError> {
        match self.never {}
    }

    pub(super) fn close(&self) {
        match self.never {}
    }
}

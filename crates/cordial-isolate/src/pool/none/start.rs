//! The start of a pool, on systems without pools: an error.

use std::sync::Arc;

use crate::pool::config::Config;
use crate::pool::error::PoolError;
use crate::pool::shared::PoolShared;

pub(super) fn start(_config: Config) -> Result<Arc<PoolShared>, PoolError> {
    Err(PoolError::Unsupported { what: "Pool", system: std::env::consts::OS })
}

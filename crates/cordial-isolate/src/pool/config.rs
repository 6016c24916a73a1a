//! The options of a pool.

use std::path::PathBuf;
use std::time::Duration;

/// The options of a pool. [`start`](super::builder::PoolBuilder::start) checks them.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) workers: usize,
    pub(crate) memory: Option<u64>,
    pub(crate) cpu_time: Option<Duration>,
    pub(crate) recycle_after: Option<u64>,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) grace: Duration,
    pub(crate) max_payload: usize,
    pub(crate) start_timeout: Duration,
    /// The worker binary; `None` for this program.
    pub(crate) program: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            workers: std::thread::available_parallelism().map_or(1, usize::from),
            memory: None,
            cpu_time: None,
            recycle_after: None,
            idle_timeout: None,
            grace: Duration::from_secs(5),
            max_payload: 64 << 20,
            start_timeout: Duration::from_secs(30),
            program: None,
        }
    }
}

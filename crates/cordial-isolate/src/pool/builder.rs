//! The options of a pool, and its start.

use std::path::PathBuf;
use std::time::Duration;

use super::config::Config;
use super::error::PoolError;
use super::handle::Pool;
use super::start;

/// The options of a [`Pool`], created by [`Pool::builder`].
#[must_use = "options do nothing before `start`"]
#[derive(Clone, Debug, Default)]
pub struct PoolBuilder {
    config: Config,
}

impl Pool {
    /// Returns options for a pool.
    pub fn builder() -> PoolBuilder {
        PoolBuilder::default()
    }
}

impl PoolBuilder {
    /// Sets how many calls run at once, each in a worker process of its own. Default: the number of cores.
    pub fn workers(mut self, workers: usize) -> PoolBuilder {
        self.config.workers = workers;
        self
    }

    /// Sets how many bytes a worker may allocate beyond what it has when it starts. Default: no limit. Linux only: elsewhere,
    /// [`start`](PoolBuilder::start) returns [`PoolError::Unsupported`].
    ///
    /// An allocation beyond that fails. Rust code then aborts, and its call is lost with
    /// [`LostCause::MemoryLimit`](cordial::LostCause::MemoryLimit). All calls of a worker together have this memory: memory
    /// that one call leaks is missing for later calls. Memory that is shared with other processes, and mapped files, may take 1 GiB beyond
    /// the limit.
    pub fn memory(mut self, bytes: u64) -> PoolBuilder {
        self.config.memory = Some(bytes);
        self
    }

    /// Sets how much processor time each call may use, on all threads together. Default: no limit. On macOS, which counts
    /// whole seconds, a call may use up to 1 s more.
    ///
    /// A call that uses more is lost with [`LostCause::CpuLimit`](cordial::LostCause::CpuLimit). The time in which the call sleeps or waits
    /// is not counted. The processor time of OS processes that it starts is not counted either.
    pub fn cpu_time(mut self, limit: Duration) -> PoolBuilder {
        self.config.cpu_time = Some(limit);
        self
    }

    /// Sets after how many calls a worker is replaced. Default: never. With 1, each call has a process of its own.
    ///
    /// The next worker starts when the old one gets its last call, so the number of workers that take calls stays the same.
    pub fn recycle_after(mut self, calls: u64) -> PoolBuilder {
        self.config.recycle_after = Some(calls);
        self
    }

    /// Sets after which time an idle worker exits. Default: never. The next call that finds no idle worker starts one.
    pub fn idle_timeout(mut self, timeout: Duration) -> PoolBuilder {
        self.config.idle_timeout = Some(timeout);
        self
    }

    /// Sets how long a call that has opted in to graceful shutdown may continue after it was asked to shut down. Default: 5 s.
    /// After that, the process group of its worker gets SIGTERM, and 100 ms later SIGKILL. A call that has not opted in has 100
    /// ms, or the grace time if that is shorter, to reach an await or a [`checkpoint`](cordial::checkpoint), before the same signals. With a
    /// grace time of zero, SIGTERM comes at once.
    pub fn grace(mut self, grace: Duration) -> PoolBuilder {
        self.config.grace = grace;
        self
    }

    /// Sets how large an argument or a result may be, in bytes. Default: 64 MiB; at most 4 GiB − 1 MiB.
    ///
    /// A call whose argument or result is larger ends with an error.
    pub fn max_payload(mut self, bytes: usize) -> PoolBuilder {
        self.config.max_payload = bytes.min((u32::MAX as usize).saturating_sub(1 << 20));
        self
    }

    /// Sets how long a worker process may take to start. Default: 30 s.
    pub fn start_timeout(mut self, limit: Duration) -> PoolBuilder {
        self.config.start_timeout = limit;
        self
    }

    /// Sets the worker binary. Its `main` has to begin with [`cordial_isolate::main`](crate::main) or
    /// [`cordial_isolate::init`](crate::init), with the same functions. A script that starts that binary with `exec` also works. Default:
    /// this program.
    pub fn program(mut self, path: impl Into<PathBuf>) -> PoolBuilder {
        self.config.program = Some(path.into());
        self
    }

    /// Starts the worker processes. Blocks until the first one is ready, which takes a few milliseconds.
    ///
    /// Workers, also later ones, inherit the nice value of the calling thread, without what the runtime has
    /// [added](cordial::process::Builder::deprioritize_long_polls) to it because of a long poll.
    ///
    /// # Errors
    ///
    /// [`PoolError`]: [`program`](PoolBuilder::program) is not set, and this program has called neither [`main`](crate::main),
    /// [`init`](crate::init) nor [`test_main`](crate::test_main); an option other than `grace` and `idle_timeout` is zero; the operating
    /// system does not allow so many workers, or refuses a thread; the first worker does not start; or this operating system does not
    /// support pools, or one of the options.
    pub fn start(self) -> Result<Pool, PoolError> {
        let config = self.config;
        let zero = [
            ("workers", config.workers == 0),
            ("memory", config.memory == Some(0)),
            ("cpu_time", config.cpu_time == Some(Duration::ZERO)),
            ("recycle_after", config.recycle_after == Some(0)),
            ("max_payload", config.max_payload == 0),
            ("start_timeout", config.start_timeout.is_zero()),
        ];
        if let Some((option, _)) = zero.into_iter().find(|(_, is_zero)| *is_zero) {
            return Err(PoolError::Zero { option });
        }
        start::start(config).map(Pool::new)
    }
}

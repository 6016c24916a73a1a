//! How a process is stopped, as a value.

use std::time::Duration;

/// How a process is stopped: the grace time between a request to shut down and the kill.
///
/// # Elixir
///
/// The `shutdown` value of a child specification, and the second argument of `Task.shutdown/2`.
///
/// # Examples
///
/// ```
/// use cordial::Shutdown;
/// use std::time::Duration;
///
/// assert_eq!(Shutdown::default(), Shutdown::After(Duration::from_secs(5)));
/// assert_eq!(Shutdown::from(Duration::ZERO), Shutdown::After(Duration::ZERO));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// Requests a shutdown, and kills the process if it has not ended after this time. Only a process that opted in to
    /// graceful shutdown gets the time: with [`shutdown_requested`](crate::shutdown_requested), by trapping exits, or with
    /// [`defer_shutdown`](super::defer_shutdown). Any other process ends at its current await.
    After(Duration),
    /// Kills the process without a request.
    BrutalKill,
    /// Requests a shutdown, and waits without limit.
    Infinity,
}

/// 5 s.
impl Default for Shutdown {
    fn default() -> Shutdown {
        Shutdown::After(Duration::from_secs(5))
    }
}

impl From<Duration> for Shutdown {
    fn from(grace: Duration) -> Shutdown {
        Shutdown::After(grace)
    }
}

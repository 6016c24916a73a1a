//! Whether a failed item is retried, and when.

use std::fmt;
use std::sync::Arc;

use crate::backoff::Backoff;
use crate::exit::Exit;

/// How often a stream retries a failed item, after which delay, and after which exits.
///
/// # Examples
///
/// ```
/// use cordial::{Backoff, Exit, Retry};
/// use std::time::Duration;
///
/// let retry = Retry::times(3)
///     .backoff(Backoff::exponential(Duration::from_millis(100), Duration::from_secs(5)))
///     .when(|exit| !matches!(exit, Exit::Timeout(_)));
/// # let _ = retry;
/// ```
#[derive(Clone)]
pub struct Retry {
    max_retries: usize,
    backoff: Option<Backoff>,
    filter: Option<RetryFilter>,
}

/// Returns whether an item that failed with this exit is retried.
type RetryFilter = Arc<dyn Fn(&Exit) -> bool + Send + Sync>;

impl Retry {
    /// Returns a policy of up to `n` retries. With 0, each item has a single attempt.
    #[must_use]
    pub fn times(n: usize) -> Retry {
        Retry { max_retries: n, backoff: None, filter: None }
    }

    /// Sets the delays between attempts. Default: none, the next attempt starts at once.
    #[must_use]
    pub fn backoff(self, backoff: Backoff) -> Retry {
        Retry { backoff: Some(backoff), ..self }
    }

    /// Sets after which exits an item is retried; after any other exit the item has failed. Default: after all exits.
    ///
    /// The filter runs where the stream is polled, once for each failed attempt that has a retry left.
    #[must_use]
    pub fn when(self, filter: impl Fn(&Exit) -> bool + Send + Sync + 'static) -> Retry {
        Retry { filter: Some(Arc::new(filter)), ..self }
    }

    /// Returns whether an item that has made `n_attempts` attempts, the last of which ended with `exit`, is retried.
    pub(super) fn should_retry(&self, n_attempts: usize, exit: &Exit) -> bool {
        n_attempts <= self.max_retries && self.filter.as_ref().is_none_or(|filter| filter(exit))
    }

    pub(super) fn configured_backoff(&self) -> Option<Backoff> {
        self.backoff
    }
}

impl fmt::Debug for Retry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retry")
            .field("times", &self.max_retries)
            .field("backoff", &self.backoff)
            .finish_non_exhaustive()
    }
}

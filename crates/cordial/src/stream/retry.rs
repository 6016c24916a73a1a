//! Whether an item that failed is tried again, and when.

use std::fmt;
use std::sync::Arc;

use crate::backoff::Backoff;
use crate::exit::Exit;

/// How often a stream tries an item again that has failed, after which wait, and after which exits.
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
    times: usize,
    backoff: Option<Backoff>,
    when: Option<Filter>,
}

/// Says after which exits another attempt is worth it.
type Filter = Arc<dyn Fn(&Exit) -> bool + Send + Sync>;

impl Retry {
    /// Up to so many more attempts after the first one. With 0 there is only the first.
    #[must_use]
    pub fn times(n: usize) -> Retry {
        Retry { times: n, backoff: None, when: None }
    }

    /// Sets the waits between attempts. Default: none, the next attempt begins at once.
    #[must_use]
    pub fn backoff(self, backoff: Backoff) -> Retry {
        Retry { backoff: Some(backoff), ..self }
    }

    /// Sets after which exits there is another attempt; after others the item has failed. Default: after all. It runs
    /// where the stream is consumed, and is asked once for each failure that could be followed by an attempt.
    #[must_use]
    pub fn when(self, is_worth_it: impl Fn(&Exit) -> bool + Send + Sync + 'static) -> Retry {
        Retry { when: Some(Arc::new(is_worth_it)), ..self }
    }

    /// Whether there is another attempt when one has ended so, and `n_attempts` were made.
    pub(super) fn is_due(&self, n_attempts: usize, exit: &Exit) -> bool {
        n_attempts <= self.times && self.when.as_ref().is_none_or(|when| when(exit))
    }

    pub(super) fn waits(&self) -> Option<Backoff> {
        self.backoff
    }
}

impl fmt::Debug for Retry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retry").field("times", &self.times).field("backoff", &self.backoff).finish_non_exhaustive()
    }
}

//! How long to wait.

use std::time::Duration;

/// How long to wait for a result.
///
/// # Elixir
///
/// `timeout()`: a number of milliseconds or `:infinity`.
///
/// # Examples
///
/// ```
/// use cordial::Timeout;
/// use std::time::Duration;
///
/// assert_eq!(Timeout::default(), Timeout::After(Duration::from_secs(5)));
/// assert_eq!(Timeout::from(Duration::ZERO), Timeout::After(Duration::ZERO));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timeout {
    /// This long. Zero takes only what is there already; what no clock can count is as good as `Infinity`.
    After(Duration),
    /// Without limit.
    Infinity,
}

/// 5 s.
impl Default for Timeout {
    fn default() -> Timeout {
        Timeout::After(Duration::from_secs(5))
    }
}

impl From<Duration> for Timeout {
    fn from(limit: Duration) -> Timeout {
        Timeout::After(limit)
    }
}

/// A [`Timeout`] in one word, since handles stand in long lists.
#[derive(Clone, Copy)]
pub(super) struct Compact(u64);

impl Compact {
    const INFINITY: u64 = u64::MAX;

    pub(super) fn get(self) -> Timeout {
        match self.0 {
            Compact::INFINITY => Timeout::Infinity,
            nanoseconds => Timeout::After(Duration::from_nanos(nanoseconds)),
        }
    }
}

impl From<Timeout> for Compact {
    /// What is longer than some 580 years is as good as without limit.
    fn from(limit: Timeout) -> Compact {
        match limit {
            Timeout::After(limit) => Compact(u64::try_from(limit.as_nanos()).unwrap_or(Compact::INFINITY)),
            Timeout::Infinity => Compact(Compact::INFINITY),
        }
    }
}

#[cfg(test)]
mod tests;

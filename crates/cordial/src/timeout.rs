//! How long to wait.

use std::time::Duration;

/// How long to wait for a result. Default: 5 s; a runtime can set [another default](crate::process::Builder::await_limit) for
/// awaits.
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
    /// Waits this long. With zero, an await returns only a result that has already arrived, an item
    /// of a stream or a future in [`within`](crate::within) is polled once, and a message to a server
    /// is not sent. A duration too long for the clock means [`Infinity`](Timeout::Infinity).
    After(Duration),
    /// Waits without a timeout.
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

/// A [`Timeout`] in 8 bytes instead of 16: programs keep long lists of task handles.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CompactTimeout(u64);

impl CompactTimeout {
    const INFINITY: u64 = u64::MAX;

    pub(crate) fn to_bits(self) -> u64 {
        self.0
    }

    pub(crate) fn from_bits(bits: u64) -> CompactTimeout {
        CompactTimeout(bits)
    }

    pub(crate) fn get(self) -> Timeout {
        match self.0 {
            CompactTimeout::INFINITY => Timeout::Infinity,
            nanoseconds => Timeout::After(Duration::from_nanos(nanoseconds)),
        }
    }
}

impl From<Timeout> for CompactTimeout {
    /// A timeout of `u64::MAX` nanoseconds, which is 584 years, or more becomes `Infinity`.
    fn from(timeout: Timeout) -> CompactTimeout {
        match timeout {
            Timeout::After(timeout) => {
                CompactTimeout(u64::try_from(timeout.as_nanos()).unwrap_or(CompactTimeout::INFINITY))
            }
            Timeout::Infinity => CompactTimeout(CompactTimeout::INFINITY),
        }
    }
}

#[cfg(test)]
mod tests;

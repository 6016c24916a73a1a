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

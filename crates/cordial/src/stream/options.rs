//! What a stream can be told.

use crate::task::Timeout;

/// What a stream does when an item exceeds its limit.
///
/// # Elixir
///
/// The option `:on_timeout`, whose default there ends the caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StreamTimeout {
    /// The item is killed and is `Err(Exit::Timeout)`; the others go on. The default.
    #[default]
    KillTask,
    /// That `Err` is the last item, and everything still running is given up.
    EndStream,
}

/// The options of one stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Options {
    pub(super) max_concurrency: usize,
    pub(super) is_ordered: bool,
    /// `None`: four times `max_concurrency`.
    pub(super) max_ahead: Option<usize>,
    pub(super) timeout: Timeout,
    pub(super) on_timeout: StreamTimeout,
}

impl Options {
    pub(super) fn max_ahead(&self) -> usize {
        self.max_ahead.unwrap_or(self.max_concurrency.saturating_mul(4))
    }
}

//! The options of a stream.

use super::retry::Retry;
use crate::process::RuntimeHandle;
use crate::timeout::Timeout;

/// The default of `max_concurrency` in a simulation, whose runtime has no workers.
const DEFAULT_IN_SIMULATION: usize = 4;

/// What a stream does when an item exceeds its timeout and is not [retried](crate::AsyncStream::retry).
///
/// # Elixir
///
/// The option `:on_timeout`. In Elixir, its default ends the caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StreamTimeout {
    /// The result of the item is `Err(Exit::Timeout)`; the other items continue. The default.
    #[default]
    KillTask,
    /// The stream ends: the `Err(Exit::Timeout)` of the item is the last result of the stream, no
    /// further item is pulled, and the running items are asked to shut down. In an ordered stream,
    /// only later items are asked to shut down: earlier items continue, and their results come first.
    /// If an earlier item exceeds its timeout as well, the stream ends with that item.
    EndStream,
}

/// In which order results are delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Order {
    #[default]
    Input,
    Completion,
}

/// The options of one stream.
#[derive(Clone, Debug, Default)]
pub(super) struct StreamOptions {
    /// `None`: the number of workers; 4 in simulation.
    pub(super) max_concurrency: Option<usize>,
    pub(super) order: Order,
    /// `None`: four times `max_concurrency`.
    pub(super) max_ahead: Option<usize>,
    pub(super) timeout: Timeout,
    pub(super) on_timeout: StreamTimeout,
    pub(super) retry: Option<Retry>,
}

impl StreamOptions {
    pub(super) fn max_concurrency(&self, runtime: &RuntimeHandle) -> usize {
        self.max_concurrency.unwrap_or_else(|| runtime.executor().workers().unwrap_or(DEFAULT_IN_SIMULATION))
    }

    /// Returns `n`: at most `max_concurrency + n` items run, or have a result that was not delivered.
    pub(super) fn max_ahead(&self, max_concurrency: usize) -> usize {
        match self.order {
            Order::Input => self.max_ahead.unwrap_or(max_concurrency.saturating_mul(4)),
            Order::Completion => 0,
        }
    }
}

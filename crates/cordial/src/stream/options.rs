//! What a stream can be told.

use super::retry::Retry;
use crate::process::Handle;
use crate::task::Timeout;

/// How many items a stream of a simulated runtime runs at once by default.
const DEFAULT_IN_SIMULATION: usize = 4;

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
    /// That `Err` is the last item, and everything still running is given up. In input order, values of older items that
    /// are there come before it; one that still runs, because it was tried again, is left out.
    EndStream,
}

/// In which order results come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Order {
    #[default]
    OfInput,
    OfEnds,
}

/// The options of one stream.
#[derive(Clone, Debug, Default)]
pub(super) struct Options {
    /// `None`: the number of workers.
    pub(super) max_concurrency: Option<usize>,
    pub(super) order: Order,
    /// `None`: four times `max_concurrency`.
    pub(super) max_ahead: Option<usize>,
    pub(super) timeout: Timeout,
    pub(super) on_timeout: StreamTimeout,
    pub(super) retry: Option<Retry>,
}

impl Options {
    pub(super) fn max_concurrency(&self, runtime: &Handle) -> usize {
        self.max_concurrency.unwrap_or_else(|| runtime.executor().workers().unwrap_or(DEFAULT_IN_SIMULATION))
    }

    /// How many results may wait for an older item.
    pub(super) fn max_ahead(&self, max_concurrency: usize) -> usize {
        match self.order {
            Order::OfInput => self.max_ahead.unwrap_or(max_concurrency.saturating_mul(4)),
            Order::OfEnds => 0,
        }
    }
}

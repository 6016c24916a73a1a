//! Lets a query wait briefly for the restarts that a supervisor makes at once.
//!
//! A restart without a delay follows the exit that calls for it by a few microseconds, unless the supervisor is busy or the child
//! takes long to start. Code that has seen the exit and then counts the children expects the restarted child,
//! as in OTP.

use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::sync::Notify;

use super::clock::Clock;
use crate::process::RuntimeHandle;
use crate::unwind;

/// How long a query waits for restarts that are made at once.
pub(super) const LIMIT: Duration = Duration::from_millis(10);

/// Lets queries wait for changes.
#[derive(Debug)]
pub(super) struct Settle {
    runtime: RuntimeHandle,
    clock: Clock,
    changed: Notify,
}

impl Settle {
    pub(super) fn new(runtime: &RuntimeHandle) -> Settle {
        Settle { runtime: runtime.clone(), clock: Clock::new(runtime), changed: Notify::new() }
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Wakes the queries that wait. Called without a lock, since a waker may run user code.
    pub(super) fn changed(&self) {
        unwind::ignore_panic(|| self.changed.notify_waiters());
    }

    /// Waits while a restart is pending, for `LIMIT` at most, and not for a restart that has been pending for `LIMIT` or
    /// longer. `pending_since` returns since when the latest restart has been pending. Cancel safe.
    pub(super) async fn wait(&self, pending_since: impl Fn() -> Option<Duration>) {
        let mut limit = None;
        loop {
            let mut changed = pin!(self.changed.notified());
            // A change after this point is not missed.
            changed.as_mut().enable();
            let now = self.clock.now();
            if pending_since().is_none_or(|since| now.saturating_sub(since) >= LIMIT) {
                return;
            }
            let Some(limit) = limit.get_or_insert_with(|| self.runtime.executor().timer(LIMIT)) else { return };
            if let Either::Right(_) = select(changed, limit).await {
                return;
            }
        }
    }
}

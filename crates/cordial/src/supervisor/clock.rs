//! The time of a runtime, counted from when somebody began to look.

use std::time::Duration;

use cordial_sched::Instant;

use crate::process::Handle;

/// Counts time on the clock of a runtime.
#[derive(Clone, Debug)]
pub(super) struct Clock {
    runtime: Handle,
    zero: Instant,
}

impl Clock {
    pub(super) fn new(runtime: &Handle) -> Clock {
        Clock { runtime: runtime.clone(), zero: runtime.executor().now() }
    }

    pub(super) fn now(&self) -> Duration {
        self.runtime.executor().now().saturating_duration_since(self.zero)
    }
}

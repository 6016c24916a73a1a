//! The time of a runtime as a duration since a fixed start, for the pure modules.

use std::time::Duration;

use cordial_sched::Instant;

use crate::process::RuntimeHandle;

/// Measures the time since its creation on the clock of a runtime, which a test may control.
#[derive(Clone, Debug)]
pub(super) struct Clock {
    runtime: RuntimeHandle,
    start: Instant,
}

impl Clock {
    pub(super) fn new(runtime: &RuntimeHandle) -> Clock {
        Clock { runtime: runtime.clone(), start: runtime.executor().now() }
    }

    pub(super) fn now(&self) -> Duration {
        self.runtime.executor().now().saturating_duration_since(self.start)
    }
}

//! Where a task belongs. One for each executor, and never freed, so that tasks need not count it.
//!
//! A task does not keep its executor alive: its handle does, and so does every thread that runs tasks. What nobody can
//! run any more is dropped by whoever wakes it.

use std::sync::{Arc, Weak};

use crate::executor::Core;
use crate::sync::Mutex;

pub(crate) struct SchedulerRef {
    /// Emptied when the executor is gone, so that nothing of it is kept.
    core: Mutex<Weak<Core>>,
    is_simulated: bool,
}

impl SchedulerRef {
    /// Of an executor that is about to be made.
    pub(crate) fn new(is_simulated: bool) -> &'static SchedulerRef {
        Box::leak(Box::new(SchedulerRef { core: Mutex::new(Weak::new()), is_simulated }))
    }

    /// The executor is there.
    pub(crate) fn begin(&self, core: &Arc<Core>) {
        *self.core.lock() = Arc::downgrade(core);
    }

    /// The executor is gone.
    pub(crate) fn end(&self) {
        *self.core.lock() = Weak::new();
    }

    pub(crate) fn core(&self) -> Option<Arc<Core>> {
        self.core.lock().upgrade()
    }

    pub(crate) fn is_simulated(&self) -> bool {
        self.is_simulated
    }
}

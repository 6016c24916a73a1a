//! Elsewhere no thread is lowered.

use std::time::Duration;

/// How much a thread has computed; not known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CpuTime(());

impl CpuTime {
    pub(crate) fn of(_thread_id: u32) -> Option<CpuTime> {
        None
    }

    pub(crate) fn since(self, _earlier: CpuTime) -> Duration {
        Duration::ZERO
    }
}

pub(crate) fn thread_id() -> u32 {
    0
}

pub(crate) fn lower(_thread_id: u32) -> bool {
    false
}

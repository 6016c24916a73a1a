//! The lines that a process shows about itself in snapshots.

use std::fmt;
use std::sync::Arc;

use super::discard::discard_in_place;
use crate::unwind;

type Lines = dyn Fn() -> Vec<String> + Send + Sync;

/// The closure that returns the lines. If it panics, there are no lines.
#[derive(Clone)]
pub(crate) struct Details {
    /// `None` only while it is dropped.
    lines: Option<Arc<Lines>>,
}

impl Details {
    pub(crate) fn new(lines: impl Fn() -> Vec<String> + Send + Sync + 'static) -> Details {
        Details { lines: Some(Arc::new(lines)) }
    }

    /// Calls the closure. Must not be called under a lock.
    pub(crate) fn lines(&self) -> Vec<String> {
        unwind::catch_cold(|| self.lines.as_ref().map(|lines| lines())).ok().flatten().unwrap_or_default()
    }
}

/// The closure holds user values. A panic in their destructors must neither stop an observer nor interrupt the end of
/// the process.
impl Drop for Details {
    fn drop(&mut self) {
        discard_in_place(&mut self.lines);
    }
}

impl fmt::Debug for Details {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Details")
    }
}

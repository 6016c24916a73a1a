//! The lines that a process shows about itself in snapshots.

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;

use super::discard::discard_in_place;
use crate::unwind;

type Lines = dyn Fn() -> Vec<String> + Send + Sync;

thread_local! {
    /// Whether this thread is in such a closure. A snapshot that the closure takes has no lines: it would call the closure again, without end.
    static IN_CLOSURE: Cell<bool> = const { Cell::new(false) };
}

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
        if IN_CLOSURE.replace(true) {
            return Vec::new();
        }
        let lines = unwind::catch_cold(|| self.lines.as_ref().map(|lines| lines())).ok().flatten();
        IN_CLOSURE.set(false);
        lines.unwrap_or_default()
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

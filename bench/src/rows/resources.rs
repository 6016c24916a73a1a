//! What does a program cost while its tasks do nothing?

use crate::measure::{Bench, Pair};
use crate::subprocess;

/// Bytes per task whose future never ends and whose handle is kept.
pub(crate) fn memory(_: &Bench) -> Pair {
    Pair { ours: subprocess::measure("memory ours"), peer: subprocess::measure("memory peer") }
}

/// Context switches of all threads of the library in 10 s, as the kernel counts them.
pub(crate) fn idle(_: &Bench) -> Pair {
    Pair { ours: subprocess::measure("idle"), peer: f64::NAN }
}

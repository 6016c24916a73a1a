//! What does a program cost that does nothing?

use crate::alone;
use crate::measure::{Bench, Pair};

/// A future that never ends, with its handle kept.
pub(crate) fn memory(_: &Bench) -> Pair {
    Pair { ours: alone::ask("memory ours"), peer: alone::ask("memory peer") }
}

/// Of all threads, counted by the system.
pub(crate) fn idle(_: &Bench) -> Pair {
    Pair { ours: alone::ask("idle"), peer: f64::NAN }
}

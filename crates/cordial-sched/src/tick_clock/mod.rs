//! The monotonic clock of the system as of its last tick: reading it costs a few loads, and the exact clock a fifth of a call of
//! a server. For limits of seconds, which nothing needs to pass to the microsecond.
//!
//! Unlike `coarse_clock`, it depends on no thread of the executor. It is late by one tick, which is 1 to 10 ms, and by more on a system
//! that misses ticks, such as a busy virtual machine. A limit that begins now is lengthened by 20 ms, so that it does not pass too
//! early, unless one processor of a virtual machine stands still for longer than that.

#[cfg_attr(target_os = "linux", path = "linux.rs")]
#[cfg_attr(not(target_os = "linux"), path = "other.rs")]
mod system;

pub(crate) use system::TickClock;

#[cfg(all(test, not(cordial_loom)))]
mod tests;

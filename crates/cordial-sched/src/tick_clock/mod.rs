//! The monotonic clock of the system as of its last tick. Reading it costs a few loads, whereas reading the exact clock takes a fifth of the
//! time of a whole call of a server. It is used for limits of a second or more, which need not elapse to the microsecond.
//!
//! Unlike `coarse_clock`, it depends on no thread of the executor. It is late by up to one tick, which is 1 to 10 ms, and by more on
//! a system that misses ticks, such as a busy virtual machine. Each limit is lengthened by 20 ms, so that it does not elapse too early,
//! unless a processor of a virtual machine stands still for longer than that.

#[cfg_attr(target_os = "linux", path = "linux.rs")]
#[cfg_attr(not(target_os = "linux"), path = "other.rs")]
mod system;

pub(crate) use system::TickClock;

#[cfg(all(test, not(cordial_loom)))]
mod tests;

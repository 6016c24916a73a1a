//! Which thread the system runs first, where a program may decide that.
//!
//! A thread that computes for long runs after the others: it is *lowered*.
//!
//! A thread of tokio that brings an event to a worker must not interrupt whoever caused the event: it would do so for each
//! one, with two switches of threads for a few microseconds of work. If it *waits for its turn* while the processor is
//! taken, it finds many events at once. It still interrupts lowered threads, and on a free processor it runs at once.

#[cfg_attr(target_os = "linux", path = "linux.rs")]
#[cfg_attr(not(target_os = "linux"), path = "other.rs")]
mod system;

pub(crate) use system::{Thread, wait_for_turn};

//! Processes: futures with a pid, links, monitors, an exit and a line of callers.
//!
//! This is the layer on which tasks stand. Most programs use [`Task`](crate::Task) and need from here
//! [`current`], [`set_label`], [`monitor`] and [`info`] at most.
//!
//! ```text
//!            spawn                                     its future is dropped,
//!  caller ──────────► alive ── told to end, or done ─► its destructors run ─► exit ─► links and monitors are told
//!                       │                                                        └──► the handle has its answer
//!                       └── asked to end, and had asked to be told ─► finishes ──┘
//! ```
//!
//! A process ends at an await point, or when its poll returns; nothing of it runs after anybody was told that it ended.
//!
//! | signal | not trapping | trapping |
//! |---|---|---|
//! | `Killed`, sent | ends `Killed` | ends `Killed` |
//! | `Shutdown`, sent: a request | ends with it; one that asked to be told is told instead | told, as a value too |
//! | `Normal` from another process | ignored | told |
//! | `Normal` from itself | ends `Normal` | told |
//! | anything else, sent | ends with it | told |
//! | a linked process ended `Normal` | ignored | told |
//! | a linked process ended otherwise, `Killed` too | ends with the same exit | told |
//!
//! The first signal that ends a process decides its exit.

mod block;
mod body;
mod builder;
mod context;
mod current;
mod default_runtime;
mod entry;
mod handle;
mod lineage;
mod links;
mod monitors;
mod os_signals;
mod outcome;
mod requests;
mod root;
mod runtime;
mod signal;
mod snapshot;
mod spawn;
mod stop;
mod traps;

pub use builder::Builder;
pub use context::current;
pub use current::{callers, exit, set_label};
pub use links::{link, unlink};
pub use monitors::{Monitor, monitor};
pub use outcome::Outcome;
pub use snapshot::{ProcessInfo, ProcessState, Snapshot, info};
pub use stop::Stopped;
pub use traps::{Exits, trap_exits};

#[doc(hidden)]
pub use current::{checkpoint, exit_self};
#[doc(hidden)]
pub use requests::{is_shutdown_requested, shutdown_requested};
#[doc(hidden)]
pub use root::{main, run};
#[doc(hidden)]
pub use runtime::Runtime;
#[doc(hidden)]
pub use stop::{Shutdown, StopReport};

pub(crate) use block::{assert_allowed as assert_may_block, on as block_on};
pub(crate) use body::{Conclusion, Reply};
pub(crate) use context::runtime as current_runtime;
pub(crate) use current::is_ended_by_signal;
pub(crate) use handle::{Handle, layer};
pub(crate) use links::unlink_both;
pub(crate) use spawn::{Spawn, Spawned, as_value};
pub(crate) use stop::{AFTER_KILL, abandon, describe, processes as stop_processes};

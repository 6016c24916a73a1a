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
//!
//! A process that owns others, a supervisor, is told of a kill too: it kills what it owns, and ends then.

mod block;
mod body;
mod builder;
mod context;
mod crashes;
mod current;
mod default_runtime;
mod entry;
mod gathered;
mod give_ups;
mod guardian;
mod handle;
mod lineage;
mod links;
mod monitors;
mod os_signals;
mod outcome;
mod parent;
mod requests;
mod root;
mod runtime;
mod shown;
mod signal;
mod snapshot;
mod spawn;
mod statistics;
mod stop;
mod traps;

pub use builder::Builder;
pub use context::current;
pub use crashes::Crash;
pub use current::{callers, exit, set_label};
pub use links::{link, unlink};
pub use monitors::{Monitor, monitor};
pub use outcome::Outcome;
pub use snapshot::{ProcessInfo, ProcessState, Snapshot, Supervision, info, snapshot};
pub use statistics::{Statistics, statistics};
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
pub(crate) use body::{Conclusion, Recipient, Reply, discard};
pub(crate) use context::{runtime as current_runtime, with_runtime};
pub(crate) use current::is_ended_by_signal;
pub(crate) use gathered::Gathered;
pub(crate) use guardian::{About, Exits as GuardianExits, Guardian, ReportSlot, Told, enlist, release, told};
pub(crate) use handle::{Handle, layer, pid_of};
pub(crate) use lineage::Lineage;
pub(crate) use links::unlink_from_caller;
pub(crate) use monitors::watch;
pub(crate) use parent::{Children, Door, Parent, Place};
pub(crate) use spawn::{Ancestry, Claimed, Spawn, Spawned, as_outcome, as_value, caller_lineage};
pub(crate) use stop::{
    AFTER_KILL, Ended, abandon, describe, in_order as stop_in_order, kill_one, one as stop_one, processes as stop_all,
    stopped,
};

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

mod block_on;
mod builder;
mod child_slot;
mod context;
mod crashes;
mod current;
mod default_runtime;
mod entry;
mod guardian;
mod handle;
mod lineage;
mod links;
mod monitors;
mod os_signals;
mod outcome;
mod process_future;
mod report_builder;
mod requests;
mod restart_limit_exits;
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

pub(crate) use block_on::{assert_may_block, block_on};
pub(crate) use child_slot::{Admission, ChildRegistry, ChildSlot, Parent};
pub(crate) use context::{current_runtime, with_current_runtime};
pub(crate) use current::is_ended_by_signal;
pub(crate) use guardian::{
    ExitReceiver, Guardian, ReportSlot, ShutdownRequest, Supervise, attach_to_owner, detach_from_owner,
    shutdown_request,
};
pub(crate) use handle::{Handle, hooks, pid_of};
pub(crate) use lineage::Lineage;
pub(crate) use links::unlink_from_caller;
pub(crate) use monitors::monitor_on;
pub(crate) use process_future::{Recipient, Reply, discard};
pub(crate) use report_builder::ReportBuilder;
pub(crate) use spawn::{Ancestry, Spawn, Spawned, SpawnedTask, caller_lineage};
pub(crate) use stop::{
    ABANDON_AFTER, StopOutcome, abandon, describe_all, describe_one, kill_one, stop_all, stop_in_order, stop_one,
};

//! Processes: futures with a pid, links, monitors, callers and an exit.
//!
//! Tasks are built on this layer. Most programs use [`Task`](crate::Task), and from this module only [`current()`],
//! [`set_label`], [`monitor`] and [`info`].
//!
//! ```text
//!            spawn             value, panic, kill, exit of a linked process
//!  caller ──────────► running ──────────────────────────────────────────────► its future is dropped
//!                        │                                                ▲             │
//!                        │ request to shut down: has it opted in?         │             ▼
//!                        ├─ no ───────────────────────────────────────────┤   its links and monitors are notified
//!                        └─ yes ─► it finishes, or is killed when its ────┘             │
//!                                  grace time has passed                                ▼
//!                                                                             its handle has the result
//! ```
//!
//! A process ends at an await point, at a [`checkpoint`](crate::checkpoint), or when its current poll returns. If a process
//! has to end while it awaits a task, it ends at that await, even if the task has just failed: it does not see the failure. All
//! destructors of a process have run before any other process is notified of its end.
//!
//! A process *opts in to graceful shutdown* for the rest of its life by calling [`shutdown_requested`] or by trapping exits,
//! and for a while with [`defer_shutdown`].
//!
//! | signal | process that does not trap exits | process that traps exits |
//! |---|---|---|
//! | `Killed`, sent | ends with `Killed` | ends with `Killed` |
//! | `Shutdown`, sent (a request to shut down) | ends with `Shutdown`; is notified instead if it has opted in | is notified, and receives it as a value |
//! | `Normal`, sent by other code | ignored | receives it as a value |
//! | `Normal`, sent by the process to itself | ends with `Normal` | receives it as a value |
//! | any other exit, sent | ends with the same exit | receives it as a value |
//! | a linked process ended with `Normal` | ignored | receives it as a value |
//! | a linked process ended with any other exit, `Killed` included | ends with the same exit | receives it as a value |
//!
//! The first signal that ends a process decides its exit, unless the process panics before its last destructor has run: then
//! the exit is the panic.
//!
//! A *guardian* is a process that owns others; every supervisor is one. A kill does not end a guardian, but notifies it: the
//! guardian kills the processes that it owns, and then ends. It acts on kills, on requests to shut down, and on exits of its
//! own owner, and ignores all other exits.
//
// The modules in reading order. Each imports only modules above it, as the test `tidy` checks.

mod discard;

mod connection;
mod details;
mod groups;
mod kind;
mod lineage;
mod outcome;
mod scope;
mod serving;
mod shutdown;
mod shutdown_notice;
mod spares;
mod supervision;

mod crashes;
mod report;
mod shutdown_state;

mod child_slot;
mod guardian;

mod entry;
mod signal;

mod runtime;

pub(crate) mod current;
mod exit_signal;
mod links;
mod monitors;
mod ownership;
mod requests;
mod traps;
mod wait_limit;

mod task_span;

mod process_future;
mod spawn;

mod inspect;
mod stop;

mod inspector;

mod program;

pub use connection::ConnectionInfo;
pub use cordial_sched::ThreadLimit;
pub use crashes::{Crash, CrashCounts};
pub use current::{callers, mark_as_connection, set_connection, set_details, set_label};
pub use exit_signal::exit;
pub use inspect::{
    Activity, ProcessInfo, ProcessState, ProcessSummary, Snapshot, Statistics, ThreadInfo, WorkerState, info, snapshot,
    statistics,
};
pub use inspector::{Ending, Inspector, LongPoll, StopAnswer, StreamInfo, TaskSetInfo, Totals, inspector};
pub use kind::ProcessKind;
pub use links::{link, unlink};
pub use monitors::{Monitor, monitor};
pub use outcome::{Outcome, ProgramOutcome};
#[cfg(unix)]
pub use program::snapshot_on_sigusr1;
pub use report::Stopped;
pub use requests::{ShutdownGuard, ShutdownRequested, defer_shutdown};
pub use runtime::{Builder, LongPolls, Panics, PollBucket, current};
pub use serving::MailboxInfo;
pub use supervision::{InactiveChild, InactiveState, RestartError, RestartIntensity, Supervision, SupervisorKind};
pub use traps::{Exits, trap_exits};

#[doc(hidden)]
pub use program::{Runtime, main, run};
#[doc(hidden)]
pub use report::StopReport;
#[doc(hidden)]
pub use requests::{is_shutdown_requested, shutdown_requested};
#[doc(hidden)]
pub use shutdown::Shutdown;

pub(crate) use child_slot::{Admission, ChildRegistry, ChildSlot, Parent};
pub(crate) use current::is_ended_by_signal;
pub(crate) use discard::{HeldValue, HeldValues, discard, discard_in_place, discard_in_turn};
pub(crate) use exit_signal::{StartReport, end_with};
pub(crate) use groups::{Group, GroupCounters, GroupCounts, GroupKey, GroupKind};
pub(crate) use guardian::{ExitReceiver, Guardian, ShutdownRequest};
pub(crate) use kind::Purpose;
pub(crate) use lineage::Lineage;
pub(crate) use links::{unlink_from_caller, unlink_from_current};
pub(crate) use monitors::monitor_on;
pub(crate) use ownership::{attach_to_owner, detach_from_owner, shutdown_request};
pub(crate) use process_future::{ProcessReply, Recipient};
pub(crate) use report::{ReportBuilder, ReportSlot};
pub(crate) use runtime::{
    RuntimeHandle, RuntimeShared, Sender, assert_may_block, begin_long_wait, block_on, capped, current_runtime,
    current_scope, current_task, ends_at_this_await, enter_scope, is_forked, keep_spare_call, keep_spare_cast,
    limits_of_new_wait, may_send_in_this_poll, named_limit, own_waker_address, pid_of, quick_sender, sender,
    take_spare_call, take_spare_cast, with_own_task, with_spawning_runtime,
};
pub(crate) use scope::{Reach, Scope, ScopeDeadline};
pub(crate) use serving::{NextIncarnation, Serving};
pub(crate) use spawn::{Ancestry, InheritedScope, LARGEST_UNBOXED, Spawn, SpawnedTask, box_if_large, caller_lineage};
pub(crate) use stop::{
    ABANDON_AFTER, Escalation, LateEnds, Polls, Step, StopOutcome, abandon, abandon_on_timer_thread, describe_all,
    describe_one, kill_one, stop_all, stop_in_order, stop_one, stop_these,
};
pub(crate) use supervision::Supervise;
pub(crate) use wait_limit::WaitLimit;

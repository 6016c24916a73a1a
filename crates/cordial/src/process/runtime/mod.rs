//! What the processes of a runtime share: the scheduler and the process table. And which runtime and process a thread works for.
//!
//! The public [`Runtime`](crate::Runtime) is in `program`, because it needs the modules that stop
//! processes.

mod block_on;
mod builder;
mod context;
mod default;
mod handle;
mod hooks;
mod poll_durations;
mod restart_limit_exits;
mod roots;
mod shared;
mod wait_limits;

pub use builder::{Builder, LongPolls, Panics};
pub use context::current;
pub use poll_durations::PollBucket;

pub(crate) use block_on::{assert_may_block, block_on, block_on_with};
pub(crate) use context::{
    Sender, begin_long_wait, current_runtime, current_scope, current_task, ends_at_this_await, enter_scope,
    keep_spare_call, keep_spare_cast, may_send_in_this_poll, own_waker_address, quick_sender, sender, take_spare_call,
    take_spare_cast, with_current_runtime, with_own_task, with_spawning_runtime,
};
pub(crate) use handle::{RuntimeHandle, is_forked, pid_of};
pub(crate) use roots::LiveRoot;
pub(crate) use shared::RuntimeShared;
pub(crate) use wait_limits::{capped, limits_of_new_wait, named_limit};

pub(super) use context::{
    as_process, is_exiting, is_in_poll, lineage_of_spawned, own_deadline, poll_own_deadline, refuse_ending_thread,
    started_runtime, try_current_runtime,
};
pub(super) use default::{set_default_runtime, try_default_runtime};

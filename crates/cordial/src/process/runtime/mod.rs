//! What every process of a runtime reaches: the scheduler, the process table, and which runtime and process a thread works
//! for.
//!
//! The public [`Runtime`](crate::Runtime) is in `program`, because it needs the modules that stop
//! processes.

mod block_on;
mod builder;
mod context;
mod default;
mod handle;
mod hooks;
mod restart_limit_exits;
mod roots;
mod shared;

pub use builder::{Builder, LongPolls, Panics};
pub use context::current;

pub(crate) use block_on::{assert_may_block, block_on};
pub(crate) use context::{
    capped, current_runtime, current_scope, ends_at_this_await, enter_scope, named_limit, with_current_runtime,
    with_spawning_runtime,
};
pub(crate) use handle::{Handle, is_forked, pid_of};
pub(crate) use roots::LiveRoot;
pub(crate) use shared::Shared;

pub(super) use context::{as_process, is_exiting, lineage_of_children, spawner, started_runtime, try_current_runtime};
pub(super) use default::{set_default_runtime, try_default_runtime};

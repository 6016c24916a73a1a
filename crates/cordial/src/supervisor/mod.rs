//! Supervisors: processes that own other processes, restart them, and stop them in order.
//!
//! ```text
//!                      Supervisor            a few children that depend on each other: a strategy, an order
//!                    ┌─────┼────────┐
//!               listener  metrics  TaskSupervisor      many children that do not depend on each other
//!                                   ┌──┬──┬──┐
//!                                  connections
//! ```
//!
//! The decisions are pure functions, which touch no process: whether a child restarts (`restart`), how many restarts
//! are too many (`intensity`), after which delay a child with a backoff restarts (`restart_backoff`), when a start takes too long
//! (`start_watch`), and which children stop and start in which order (`strategy`).
//!
//! Each supervisor has a process of its own. The process layer calls such a process a *guardian*:
//! it is notified of any exit of its owner, and a kill ends it only after it has killed its
//! children. `spawn` starts that process, and `serve` runs it from its first poll to its exit, for
//! both kinds of supervisors.

mod child_counts;
mod clock;
mod due_children;
mod events;
mod exit_signals;
mod factory;
mod incarnation;
mod intensity;
mod kill_on_drop;
mod nested;
mod restart;
mod restart_backoff;
mod serve;
mod server_child;
mod settle;
mod spawn;
mod spec;
mod start_reply;
mod start_watch;
mod startable;
mod stop_reason;
mod strategy;
mod tasks;
mod tree;

pub use child_counts::ChildCounts;
pub use restart::Restart;
pub(crate) use server_child::{Adopted, ServerChild};
pub use spec::ChildSpec;
pub use startable::Startable;
pub use strategy::Strategy;
pub use tasks::{TaskSupervisor, TaskSupervisorBuilder, WaitingChild};
pub use tree::{AutoShutdown, ChildInfo, ChildKind, ChildState, Supervisor, SupervisorBuilder};

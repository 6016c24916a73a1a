//! Supervisors: processes that own others, start them again, and end them in order.
//!
//! ```text
//!                      Supervisor            few children, which depend on each other: a strategy, an order
//!                    ┌─────┼────────┐
//!               listener  metrics  TaskSupervisor      many children, which do not
//!                                   ┌──┬──┬──┐
//!                                  connections
//! ```
//!
//! What is decided without looking at a process is pure: how many restarts are too many (`intensity`), and who is stopped and
//! started in which order (`order`). A supervisor is a process of its own, a *guardian* of the layer below: it hears of its
//! owner's end whatever that is, and a kill ends it only after what it owns.

mod clock;
mod ear;
mod factory;
mod intensity;
mod life;
mod nested;
mod order;
mod spec;
mod startable;
mod tasks;
mod tree;

pub use order::Strategy;
pub use spec::{ChildSpec, Restart};
pub use startable::Startable;
pub use tasks::{TaskSupervisor, TaskSupervisorBuilder};
pub use tree::{AutoShutdown, ChildInfo, ChildKind, ChildState, Counts, Supervisor, SupervisorBuilder};

use crate::pid::Pid;
use crate::process::{StopReport, Stopped};
use crate::{telemetry, unwind};

/// Whom a supervisor belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Belongs {
    /// The process that starts it, if there is one.
    ToStarter,
    ToRuntime,
}

/// Tells of those that did not end when they were asked.
fn tell_forced(supervisor: Pid, report: &StopReport) {
    let tell = |stopped: &Stopped, how| {
        let Stopped { pid, label, spawned_at, .. } = stopped;
        unwind::tell(|| telemetry::forced(supervisor, *pid, label.as_deref(), spawned_at, how));
    };
    report.killed.iter().for_each(|stopped| tell(stopped, "killed"));
    report.abandoned.iter().for_each(|stopped| tell(stopped, "abandoned"));
}
